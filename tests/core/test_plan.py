"""What a sync does in one folder: cases by the rules' section 3, and a model of a folder and its store."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailcrm.core.plan import (
    Arrival,
    Arriving,
    Attach,
    Departing,
    Download,
    Flags,
    FolderSnapshot,
    FolderState,
    Forget,
    Plan,
    Reflag,
    Settle,
    Vanish,
    digest,
    identity,
    is_wanted,
    plan,
    to_identify,
)

THEN = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NONE: Flags = frozenset()
SEEN: Flags = frozenset({"\\Seen"})
DRAFT: Flags = frozenset({"\\Draft"})


def arrival(
    uid: int, name: str, *, received_at: datetime = THEN, size: int = 100, flags: Flags = NONE
) -> Arrival:
    return Arrival(uid=uid, identity=name, size=size, received_at=received_at, sent_at=None, flags=flags)


def state(
    *placed: int, uidvalidity: int | None = 1, highest_uid: int = 0, highestmodseq: int | None = None
) -> FolderState:
    return FolderState(
        uidvalidity=uidvalidity,
        highestmodseq=highestmodseq,
        highest_uid=highest_uid,
        placed=dict.fromkeys(placed, NONE),
    )


def snapshot(
    *arrivals: Arrival,
    alive: Collection[int] = (),
    uidvalidity: int = 1,
    flags: dict[int, Flags] | None = None,
) -> FolderSnapshot:
    return FolderSnapshot(
        uidvalidity=uidvalidity,
        highestmodseq=None,
        alive={*alive, *(one.uid for one in arrivals)},
        arrivals=arrivals,
        flags=flags or {},
    )


def settle(highest_uid: int, uidvalidity: int = 1) -> Settle:
    return Settle(uidvalidity=uidvalidity, highestmodseq=None, highest_uid=highest_uid)


@pytest.mark.parametrize(
    ("known", "seen", "have", "expected"),
    [
        pytest.param(
            state(),
            snapshot(arrival(1, "a"), arrival(2, "b")),
            [],
            Plan(arriving=(Download(arrivals=(arrival(2, "b"), arrival(1, "a"))),), departing=(settle(2),)),
            id="new email: downloaded, the newest first",
        ),
        pytest.param(
            state(),
            snapshot(arrival(5, "a")),
            ["a"],
            Plan(arriving=(Attach(arrivals=(arrival(5, "a"),)),), departing=(settle(5),)),
            id="email in several folders: its body is downloaded once",
        ),
        pytest.param(
            state(1, highest_uid=1),
            snapshot(arrival(2, "a"), alive=[2]),
            ["a"],
            Plan(arriving=(Attach(arrivals=(arrival(2, "a"),)),), departing=(Vanish(uids=(1,)), settle(2))),
            id="moved on the server: placement moves, nothing is downloaded again",
        ),
        pytest.param(
            state(1, 2, highest_uid=2),
            snapshot(alive=[2]),
            [],
            Plan(arriving=(), departing=(Vanish(uids=(1,)),)),
            id="deleted on the server: the placement goes",
        ),
        pytest.param(
            state(1, 2, highest_uid=2),
            snapshot(alive=[1, 2], flags={1: SEEN, 2: NONE, 9: SEEN}),
            [],
            Plan(arriving=(Reflag(flags={1: SEEN}),), departing=()),
            id="flags changed: stored",
        ),
        pytest.param(
            state(uidvalidity=1, highest_uid=9),
            snapshot(arrival(1, "a"), arrival(2, "b"), uidvalidity=2),
            ["a"],
            Plan(
                arriving=(Attach(arrivals=(arrival(1, "a"),)), Download(arrivals=(arrival(2, "b"),))),
                departing=(Forget(uidvalidity=2), settle(2, uidvalidity=2)),
            ),
            id="UIDVALIDITY changed: re-match by identity",
        ),
        pytest.param(
            state(1, 2, highest_uid=2),
            snapshot(alive=[1, 2]),
            ["a", "b"],
            Plan(arriving=(), departing=()),
            id="nothing new: nothing to do",
        ),
        pytest.param(
            state(),
            snapshot(arrival(1, "a"), arrival(2, "a")),
            [],
            Plan(
                arriving=(Download(arrivals=(arrival(2, "a"),)), Attach(arrivals=(arrival(1, "a"),))),
                departing=(settle(2),),
            ),
            id="twice in one folder: downloaded once, then attached",
        ),
        pytest.param(
            state(),
            snapshot(arrival(1, "?"), arrival(2, "?")),
            ["?"],
            Plan(arriving=(Download(arrivals=(arrival(2, "?"), arrival(1, "?"))),), departing=(settle(2),)),
            id="mere resemblance: the body decides",
        ),
        pytest.param(
            state(),
            snapshot(arrival(1, "a", flags=DRAFT), arrival(2, "b")),
            [],
            Plan(arriving=(Download(arrivals=(arrival(2, "b"),)),), departing=(settle(2),)),
            id="drafts: left alone",
        ),
        pytest.param(
            state(highest_uid=1),
            replace(snapshot(arrival(2, "a"), alive=[3, 4]), unidentified={3}),
            [],
            Plan(arriving=(Download(arrivals=(arrival(2, "a"),)),), departing=(settle(2),)),
            id="the server told nothing of a UID: looked at again",
        ),
        pytest.param(
            state(),
            replace(snapshot(arrival(1, "a")), alive=set()),
            [],
            Plan(arriving=(), departing=()),
            id="expunged while it was being identified: left alone",
        ),
    ],
)
def test_a_plan(known: FolderState, seen: FolderSnapshot, have: list[str], expected: Plan) -> None:
    assert plan(known, seen, have, start=None) == expected


def test_an_old_email_is_attached_when_it_is_known_and_otherwise_left_alone() -> None:
    old = [arrival(uid, name, received_at=THEN - DAY) for uid, name in ((1, "a"), (2, "b"))]
    made = plan(state(), snapshot(*old), ["a"], start=THEN)
    assert made.arriving == (Attach(arrivals=(old[0],)),)


@pytest.mark.parametrize(
    ("received", "sent", "start", "inside"),
    [
        pytest.param(0, None, 0, True, id="received on the start"),
        pytest.param(-1, None, 0, False, id="received before"),
        pytest.param(-9, 0, 0, True, id="received before, sent on the start"),
        pytest.param(0, -9, 0, True, id="sent before, received on the start"),
        pytest.param(-1, -1, 0, False, id="both before"),
        pytest.param(-9999, -9999, None, True, id="all of history"),
    ],
)
def test_the_window_is_received_or_sent_on_or_after_the_start(
    received: int, sent: int | None, start: int | None, *, inside: bool
) -> None:
    one = replace(
        arrival(1, "a", received_at=THEN + received * DAY),
        sent_at=None if sent is None else THEN + sent * DAY,
    )
    assert is_wanted(one, None if start is None else THEN + start * DAY) is inside


@pytest.mark.parametrize(
    ("known", "uidvalidity", "alive", "since", "expected"),
    [
        pytest.param(state(uidvalidity=None), 1, {1, 2, 3}, {2, 3}, [3, 2], id="first sync: the window"),
        pytest.param(state(3, highest_uid=3), 1, {1, 2, 3}, {3}, [], id="nothing new"),
        pytest.param(
            state(3, highest_uid=3), 1, {1, 3, 4}, {3}, [4], id="above the highest: whatever its date"
        ),
        pytest.param(state(3, highest_uid=3), 1, {1, 2, 3}, {1, 2, 3}, [2, 1], id="start moved to the past"),
        pytest.param(state(highest_uid=3), 2, {1, 2}, set(), [2, 1], id="renumbered: all"),
        pytest.param(state(uidvalidity=None), 1, {1}, {1, 9}, [1], id="no longer alive: not asked for"),
    ],
)
def test_what_is_identified(
    known: FolderState, uidvalidity: int, alive: set[int], since: set[int], expected: list[int]
) -> None:
    assert to_identify(known, uidvalidity, alive, since) == expected


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 5), st.integers(1, 100))
def test_batches_keep_to_both_limits_and_lose_nothing(
    sizes: list[int], most_emails: int, most_bytes: int
) -> None:
    coming = [arrival(uid, str(uid), size=size) for uid, size in enumerate(sizes, start=1)]
    made = plan(state(), snapshot(*coming), [], start=None, batch_emails=most_emails, batch_bytes=most_bytes)
    for step in made.arriving:
        assert isinstance(step, Download)
        assert 0 < len(step.arrivals) <= most_emails
        # A single email larger than the limit still has to come.
        assert len(step.arrivals) == 1 or sum(one.size for one in step.arrivals) <= most_bytes
    assert list(made.downloads) == coming[::-1]


def test_an_identity_survives_a_move_and_tells_emails_apart() -> None:
    seoul = timezone(timedelta(hours=9))
    same = identity("a@example.org", 100, THEN)
    assert identity("a@example.org", 100, THEN.astimezone(seoul)) == same
    others = [("b@example.org", 100, THEN), ("a@example.org", 101, THEN), ("a@example.org", 100, THEN + DAY)]
    assert len({same, *(identity(*other) for other in others)}) == 4


def test_without_a_message_id_there_is_a_mere_resemblance() -> None:
    resemblance = identity(None, 100, THEN)
    assert resemblance.startswith("?")
    assert resemblance == identity("", 100, THEN)
    assert not identity("a@example.org", 100, THEN).startswith("?")
    assert identity(None, 101, THEN) != resemblance


def test_a_digest_is_the_sha256_of_the_source() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2


# --- a model ------------------------------------------------------------------------------------


@dataclass
class Mailbox:
    """A folder on a server and in a store, where each name is one email."""

    uidvalidity: int = 1
    server: dict[int, str] = field(default_factory=dict)
    next_uid: int = 1
    names: int = 0
    have: set[str] = field(default_factory=set)
    places: dict[tuple[int, int], str] = field(default_factory=dict)
    settled: Settle | None = None
    downloaded: list[str] = field(default_factory=list)

    def append(self) -> None:
        self.names += 1
        self._put(f"email {self.names}")

    def copy(self) -> None:
        if self.server:
            self._put(min(self.server.values()))

    def _put(self, name: str) -> None:
        self.server[self.next_uid] = name
        self.next_uid += 1

    def expunge(self) -> None:
        if self.server:
            self.server.pop(min(self.server))

    def renumber(self) -> None:
        self.uidvalidity += 1
        self.server = dict(enumerate(reversed(self.server.values()), start=1))
        self.next_uid = len(self.server) + 1

    def plan(self) -> Plan:
        known = FolderState(
            uidvalidity=self.settled.uidvalidity if self.settled else None,
            highestmodseq=None,
            highest_uid=self.settled.highest_uid if self.settled else 0,
            placed={uid: NONE for uidvalidity, uid in self.places if uidvalidity == self.uidvalidity},
        )
        alive = set(self.server)
        wanted = to_identify(known, self.uidvalidity, alive, alive)
        seen = snapshot(
            *(arrival(uid, self.server[uid]) for uid in wanted), alive=alive, uidvalidity=self.uidvalidity
        )
        return plan(known, seen, self.have, start=None, batch_emails=2)

    def sync(self, steps: int | None = None) -> None:
        """Carry the plan out, or as many steps of it as a killed process does."""
        made = self.plan()
        for step in (*made.arriving, *made.departing)[:steps]:
            self._run(step)

    def _run(self, step: Arriving | Departing) -> None:
        match step:
            case Attach(arrivals=arrivals) | Download(arrivals=arrivals):
                for one in arrivals:
                    assert one.identity is not None
                    if isinstance(step, Download):
                        self.downloaded.append(one.identity)
                        self.have.add(one.identity)
                    assert one.identity in self.have
                    self.places[self.uidvalidity, one.uid] = one.identity
            case Vanish(uids=uids):
                for uid in uids:
                    del self.places[self.uidvalidity, uid]
            case Forget(uidvalidity=uidvalidity):
                self.places = {at: name for at, name in self.places.items() if at[0] == uidvalidity}
            case Settle():
                self.settled = step
            case Reflag():
                raise AssertionError("no flags were changed")


changes = st.lists(
    st.sampled_from(["append", "append", "copy", "expunge", "renumber"]) | st.integers(0, 4) | st.none(),
    max_size=14,
)


@given(changes)
@example(["append", 1, "renumber"])  # killed in its first sync, then renumbered
def test_whatever_happens_and_whenever_it_is_killed_a_sync_ends_with_what_the_server_has(
    happened: list[str | int | None],
) -> None:
    box = Mailbox()
    for change in happened:
        if isinstance(change, str):
            getattr(box, change)()
        else:
            box.sync(change)
    box.sync()
    assert box.places == {(box.uidvalidity, uid): name for uid, name in box.server.items()}
    assert box.plan() == Plan(arriving=(), departing=())
    assert len(set(box.downloaded)) == len(box.downloaded)
