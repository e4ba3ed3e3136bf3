"""What is done with the server while emails that came before are stored: identify, download, connect again.

A thread of its own does it, and hands emails to the process that reads them; a second thread takes them
out again (docs/decisions/0017). Storing, and what there is to do, is left to `syncing`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from queue import SimpleQueue
from threading import Event

from mailcrm.ahead import Ahead
from mailcrm.connection import Connection
from mailcrm.core.errors import ConnectError, MailError, ProtocolError
from mailcrm.core.plan import Arrival, Arriving
from mailcrm.core.uids import UidSet
from mailcrm.mail.imap import DOWNLOADS, Fetched, FetchFailed
from mailcrm.observing import WINDOW, Identified, Observed, identify
from mailcrm.reading import Downloaded, HandedIn, Reader
from mailcrm.store.emails import NewEmail

#: A batch is one transaction: a killed sync repeats those that were on their way, seven at most.
BATCH_EMAILS = 200
_BATCH_BYTES = 6_000_000
#: Batches that are downloaded, or being read, while one is stored.
_AHEAD = 1
#: Batches that are read and wait for the store: now and then it writes for as long as some take to come.
_READ = 2
#: A folder on which the server hangs up so often, with nothing given in between, is given up. It takes
#: eleven to come from a window down to the one email on whose header a server stumbles.
_CUTS = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """A batch that is ready to be stored."""

    batch: Sequence[NewEmail]


@dataclass(frozen=True, kw_only=True, slots=True)
class NotGiven:
    """What the server did not give: emails that are gone since we looked, and those that failed."""

    gone: UidSet
    failed: tuple[FetchFailed, ...]


@dataclass(slots=True)
class _Doubtful:
    """Emails of which the server told or gave nothing."""

    failed: list[FetchFailed] = field(default_factory=list)
    unidentified: UidSet = field(default_factory=UidSet)


class Fetching:
    """Fetches from one server, and connects again when it is cut.

    The connection is for nobody else while `folder` is at work.
    """

    def __init__(self, server: Connection, reader: Reader, *, size_limit: int) -> None:
        """Take a connection; of an email above `size_limit`, in bytes, only the head will be fetched."""
        self._server = server
        self._reader = reader
        self._size_limit = size_limit
        self._leaving = Event()
        self._cuts = 0

    @contextmanager
    def folder(
        self, observed: Observed
    ) -> Iterator[tuple[Iterable[Identified | Read | NotGiven], Callable[[Arriving], None]]]:
        """Begin to fetch what is unknown in the folder that is open.

        Gives what comes, and where to put the plan for each `Identified` of it. Raises MailError where a
        cut connection cannot be mended.
        """
        plans: SimpleQueue[Arriving | None] = SimpleQueue()
        self._cuts = 0
        self._reader.expect(len(observed.unknown))

        def interrupt() -> None:
            self._leaving.set()
            plans.put(None)
            self._server.imap.abandon()
            self._reader.stop()

        with (
            Ahead(self._fetched(observed, plans), most=_AHEAD, interrupt=interrupt) as given,
            Ahead(self._read(given), most=_READ, interrupt=interrupt) as items,
        ):
            yield items, plans.put

    def _fetched(
        self, observed: Observed, plans: "SimpleQueue[Arriving | None]"
    ) -> Iterator[Identified | HandedIn | NotGiven]:
        # The next window is identified before this one is downloaded, so that the plan is there in time.
        doubtful = _Doubtful()
        try:
            waiting = False
            for uids in observed.unknown.windows(WINDOW):
                yield self._identified(observed, uids, doubtful)
                if waiting:
                    yield from self._download(observed, plans.get(), doubtful)
                waiting = True
            yield from self._download(observed, plans.get(), doubtful)
        except MailError:
            # What is known already is not forgotten.
            yield NotGiven(gone=UidSet(), failed=tuple(doubtful.failed))
            raise
        if doubtful.failed or doubtful.unidentified:
            yield self._not_given(observed, doubtful)

    def _identified(self, observed: Observed, uids: UidSet, doubtful: "_Doubtful") -> Identified:
        """Identify a window; where the server hangs up, in halves, down to the email that it is."""
        try:
            found = identify(self._server.imap, uids)
        except (ConnectError, ProtocolError) as error:
            self._reconnect(observed)
            if len(uids) > 1:
                halves = [
                    self._identified(observed, half, doubtful) for half in uids.windows((len(uids) + 1) // 2)
                ]
                return Identified(
                    arrivals=tuple(arrival for half in halves for arrival in half.arrivals),
                    unidentified=halves[0].unidentified | halves[-1].unidentified,
                )
            doubtful.failed += [FetchFailed(uid=uid, error=str(error)) for uid in uids]
            return Identified(arrivals=(), unidentified=uids)
        self._cuts = 0
        doubtful.unidentified |= found.unidentified
        return found

    def _read(
        self, given: Iterable[Identified | HandedIn | NotGiven]
    ) -> Iterator[Identified | Read | NotGiven]:
        """Take out batches as they are read, so that the process that reads need not wait for the store."""
        for item in given:
            yield Read(batch=self._reader.take_out(item)) if isinstance(item, HandedIn) else item

    def _download(
        self, observed: Observed, what: Arriving | None, doubtful: "_Doubtful"
    ) -> Iterator[HandedIn]:
        by_uid = {arrival.uid: arrival for arrival in what.download} if what is not None else {}
        batch: list[Downloaded] = []
        size = 0
        trouble: MailError | None = None
        try:
            for answer in self._answers(observed, by_uid):
                match answer:
                    case FetchFailed():
                        doubtful.failed.append(answer)
                    case Fetched(uid=uid, raw=raw, truncated=truncated):
                        batch.append(Downloaded(arrival=by_uid[uid], raw=raw, truncated=truncated))
                        size += len(raw)
                if len(batch) >= BATCH_EMAILS or size >= _BATCH_BYTES:
                    yield self._reader.hand_in(batch)
                    batch, size = [], 0
        except MailError as error:
            trouble = error
        # What came before the trouble is not downloaded again.
        if batch:
            yield self._reader.hand_in(batch)
        if trouble is not None:
            raise trouble

    def _answers(self, observed: Observed, wanted: Mapping[int, Arrival]) -> Iterator[Fetched | FetchFailed]:
        """Yield what the server gives; where it hangs up, connect again and ask for one email at a time.

        An email on which it hangs up again is a failure of that email, and the others go on.
        """
        waiting = dict(wanted)
        while waiting:
            try:
                for answer in self._server.imap.download(list(waiting.values()), size_limit=self._size_limit):
                    del waiting[answer.uid]
                    self._cuts = 0
                    yield answer
            except (ConnectError, ProtocolError):
                self._reconnect(observed)
                # It is one of the command that was under way.
                for arrival in list(islice(waiting.values(), DOWNLOADS)):
                    del waiting[arrival.uid]
                    try:
                        yield from self._server.imap.download([arrival], size_limit=self._size_limit)
                        self._cuts = 0
                    except (ConnectError, ProtocolError) as error:
                        self._reconnect(observed)
                        yield FetchFailed(uid=arrival.uid, error=str(error))

    def _not_given(self, observed: Observed, doubtful: "_Doubtful") -> NotGiven:
        """Tell emails that were moved or deleted while we looked from those that the server withholds."""
        self._examine_again(observed)
        alive = self._server.imap.uids()
        return NotGiven(
            gone=(UidSet(one.uid for one in doubtful.failed) | doubtful.unidentified) - alive,
            failed=tuple(one for one in doubtful.failed if one.uid in alive),
        )

    def _reconnect(self, observed: Observed) -> None:
        self._cuts += 1
        # Who leaves ends the connection, which looks like a cut.
        if self._leaving.is_set() or self._cuts > _CUTS:
            raise ConnectError("The mail server hung up again and again.")
        self._server.connect_again()
        if self._leaving.is_set():
            self._server.imap.abandon()
        self._examine_again(observed)

    def _examine_again(self, observed: Observed) -> None:
        if self._server.imap.examine(observed.folder.path).uidvalidity != observed.status.uidvalidity:
            raise ProtocolError("The mail server renumbered the folder while it was synced.")
