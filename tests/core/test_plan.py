"""What a sync does in one folder: cases by the rules' section 3, and a model of a folder and its store."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailcrm.core.plan import (
    Arrival,
    Arriving,
    Departing,
    Flags,
    FolderState,
    Settle,
    TakeAway,
    arriving,
    departing,
    digest,
    identity,
    is_wanted,
    mark,
    to_identify,
)
from mailcrm.core.uids import UidSet

THEN = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NONE: Flags = frozenset()
DRAFT: Flags = frozenset({"\\Draft"})


def arrival(
    uid: int,
    name: str,
    *,
    object_id: str | None = None,
    received_at: datetime = THEN,
    flags: Flags = NONE,
) -> Arrival:
    return Arrival(
        uid=uid,
        identity=name,
        object_id=object_id,
        size=100,
        received_at=received_at,
        sent_at=None,
        flags=flags,
    )


def state(
    *placed: int, uidvalidity: int | None = 1, highest_uid: int = 0, failed: Iterable[int] = ()
) -> FolderState:
    return FolderState(
        uidvalidity=uidvalidity,
        highestmodseq=None,
        highest_uid=highest_uid,
        placed=UidSet(placed),
        screened=UidSet(),
        failed=UidSet(failed),
    )


def settle(highest_uid: int) -> Settle:
    return Settle(highestmodseq=None, highest_uid=highest_uid)


@pytest.mark.parametrize(
    ("found", "have", "coming", "attach", "download", "attach_after"),
    [
        pytest.param(
            [arrival(1, "a"), arrival(2, "b")], [], [], [], [2, 1], [], id="new: downloaded, the newest first"
        ),
        pytest.param([arrival(5, "a")], ["a"], [], [5], [], [], id="in several folders: downloaded once"),
        pytest.param(
            [arrival(1, "a"), arrival(2, "a")],
            [],
            [],
            [],
            [2],
            [1],
            id="twice in one folder: downloaded once",
        ),
        pytest.param([arrival(1, "a")], [], ["a"], [], [], [1], id="on its way: not downloaded again"),
        pytest.param(
            [arrival(1, "?"), arrival(2, "?")],
            ["?"],
            [],
            [],
            [2, 1],
            [],
            id="mere resemblance: the body decides",
        ),
        pytest.param(
            [arrival(1, "?", object_id="EMAILID M1"), arrival(2, "?", object_id="EMAILID M1")],
            [],
            [],
            [],
            [2],
            [1],
            id="no Message-ID, but the server's own name for it: downloaded once",
        ),
        pytest.param(
            [arrival(3, "a", object_id="EMAILID M1")],
            ["EMAILID M1"],
            [],
            [3],
            [],
            [],
            id="the server's own name for it: not downloaded again",
        ),
        pytest.param(
            [arrival(1, "a", flags=DRAFT), arrival(2, "b")], [], [], [], [2], [], id="drafts: left alone"
        ),
    ],
)
def test_what_brings_emails_in(
    found: list[Arrival],
    have: list[str],
    coming: list[str],
    attach: list[int],
    download: list[int],
    attach_after: list[int],
) -> None:
    made = arriving(found, have=set(have), coming=set(coming), failed=set(), start=None)
    assert [one.uid for one in made.attach] == attach
    assert [one.uid for one in made.download] == download
    assert [one.uid for one in made.attach_after] == attach_after


def test_what_failed_comes_last_so_that_another_copy_may_come() -> None:
    made = arriving(
        [arrival(1, "a"), arrival(2, "a"), arrival(3, "b")], have=set(), coming=set(), failed={2}, start=None
    )
    assert [one.uid for one in made.download] == [3, 1]
    assert [one.uid for one in made.attach_after] == [2]


def test_an_old_email_is_attached_when_it_is_known_and_otherwise_left_alone() -> None:
    old = [arrival(uid, name, received_at=THEN - DAY) for uid, name in ((1, "a"), (2, "b"))]
    made = arriving(old, have={"a"}, coming=set(), failed=set(), start=THEN)
    assert made == Arriving(attach=(old[0],), download=(), attach_after=())


@pytest.mark.parametrize(
    ("known", "alive", "uidvalidity", "unidentified", "expected"),
    [
        pytest.param(state(), [1, 2], 1, [], [settle(2)], id="new: looked at up to the highest"),
        pytest.param(
            state(1, highest_uid=1),
            [2],
            1,
            [],
            [TakeAway(uids=UidSet([1])), settle(2)],
            id="moved on the server: the placement goes",
        ),
        pytest.param(
            state(1, 2, highest_uid=2),
            [2],
            1,
            [],
            [TakeAway(uids=UidSet([1]))],
            id="deleted: the placement goes",
        ),
        pytest.param(
            state(highest_uid=9),
            [1, 2],
            2,
            [],
            [TakeAway(uids=UidSet()), settle(2)],
            id="UIDVALIDITY changed: the places under the old one go",
        ),
        pytest.param(state(1, 2, highest_uid=2), [1, 2], 1, [], [], id="nothing new: nothing to do"),
        pytest.param(
            state(highest_uid=1),
            [2, 3, 4],
            1,
            [3],
            [settle(2)],
            id="the server told nothing of a UID: looked at again",
        ),
    ],
)
def test_what_takes_emails_away(
    known: FolderState, alive: list[int], uidvalidity: int, unidentified: list[int], expected: list[Departing]
) -> None:
    made = departing(
        known,
        UidSet(alive),
        uidvalidity=uidvalidity,
        highestmodseq=None,
        unidentified=UidSet(unidentified),
    )
    assert list(made) == expected


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
        pytest.param(state(uidvalidity=None), 1, {1, 2, 3}, {2, 3}, [2, 3], id="first sync: the window"),
        pytest.param(state(3, highest_uid=3), 1, {1, 2, 3}, {3}, [], id="nothing new"),
        pytest.param(
            state(3, highest_uid=3), 1, {1, 3, 4}, {3}, [4], id="above the highest: whatever its date"
        ),
        pytest.param(state(3, highest_uid=3), 1, {1, 2, 3}, {1, 2, 3}, [1, 2], id="start moved to the past"),
        pytest.param(state(highest_uid=3), 2, {1, 2}, set(), [1, 2], id="renumbered: all"),
        pytest.param(state(highest_uid=3, failed=[1]), 1, {1, 2, 3}, set(), [1], id="failed: again"),
        pytest.param(state(uidvalidity=None), 1, {1}, {1, 9}, [1], id="no longer alive: not asked for"),
    ],
)
def test_what_is_identified(
    known: FolderState, uidvalidity: int, alive: set[int], since: set[int], expected: list[int]
) -> None:
    assert list(to_identify(known, uidvalidity, UidSet(alive), UidSet(since))) == expected


def test_a_folder_of_which_the_server_tells_too_little_has_no_mark() -> None:
    told: dict[str, int | None] = {"uidvalidity": 1, "uidnext": 5, "highestmodseq": 7, "exists": 4}
    assert mark(**told, start=None, blocked="") is not None  # type: ignore[arg-type] # the numbers are all there
    for missing in ("uidnext", "highestmodseq"):
        assert mark(**told | {missing: None}, start=None, blocked="") is None  # type: ignore[arg-type] # the one may be None


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
    settled: tuple[int, Settle] | None = None
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

    def plan(self) -> tuple[Arriving, list[Departing]]:
        placed = UidSet(uid for uidvalidity, uid in self.places if uidvalidity == self.uidvalidity)
        known = FolderState(
            uidvalidity=self.settled[0] if self.settled else None,
            highestmodseq=None,
            highest_uid=self.settled[1].highest_uid if self.settled else 0,
            placed=placed,
            screened=UidSet(),
            failed=UidSet(),
        )
        alive = UidSet(self.server)
        found = [arrival(uid, self.server[uid]) for uid in to_identify(known, self.uidvalidity, alive, alive)]
        going = departing(
            known, alive, uidvalidity=self.uidvalidity, highestmodseq=None, unidentified=UidSet()
        )
        return arriving(found, have=self.have, coming=set(), failed=set(), start=None), list(going)

    def sync(self, steps: int | None = None) -> None:
        """Carry the plan out, or as many steps of it as a killed process does."""
        coming, going = self.plan()
        emails = [*coming.attach, *coming.download, *coming.attach_after]
        for step in [*emails, *going][:steps]:
            match step:
                case Arrival():
                    if step in coming.download:
                        self.downloaded.append(step.identity)
                        self.have.add(step.identity)
                    assert step.identity in self.have
                    self.places[self.uidvalidity, step.uid] = step.identity
                case TakeAway(uids=uids):
                    self.places = {
                        at: name
                        for at, name in self.places.items()
                        if at[0] == self.uidvalidity and at[1] not in uids
                    }
                case Settle():
                    self.settled = self.uidvalidity, step


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
    assert box.plan() == (Arriving(attach=(), download=(), attach_after=()), [])
    assert len(set(box.downloaded)) == len(box.downloaded)
