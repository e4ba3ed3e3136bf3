"""The programs that are compared, and what a run of one costs.

Each keeps what it has in a folder of its own and is run as people run it: as whole processes, with the
settings that its manual proposes. When which is run is left to `__main__`.
"""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Self

from mailcrm.store import contacts, deals, open_database
from tests.bench.letters import FOLDERS, OWNER, customer

COMMANDS = "mbsync", "notmuch", "mu"
HITS = 20
#: Customers who are contacts, with a deal each.
CONTACTS = 40
#: The deal whose timeline is read, and the customer of it.
DEAL = 7
_BUYER = customer(DEAL - 1)[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a run took.

    `cpu_seconds` is user and system time of all its processes, `largest` the peak of its largest process
    and `together` the sum of the peaks of all, in MiB of resident memory (0 where there is no /proc).
    """

    seconds: float
    cpu_seconds: float
    largest: float
    together: float

    def then(self, other: "Cost") -> "Cost":
        """Return the cost of this run with another after it."""
        return Cost(
            seconds=self.seconds + other.seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            largest=max(self.largest, other.largest),
            together=max(self.together, other.together),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A server as its clients know it: TLS on a port of localhost."""

    port: int
    ca_file: Path
    password: str


class Floor:
    """The bare FETCH stream, of which nothing is kept."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._program = _Program(folder, PASSWORD=server.password)
        self._server = server

    def fetch(self, size: int) -> Cost:
        """Download everything; raises SystemExit when that is less than `size` bytes."""
        where = str(self._server.port), str(self._server.ca_file), *FOLDERS
        cost, answer = self._program.run(sys.executable, "-m", "tests.bench.floor", *where)
        if int(answer) < size:
            raise SystemExit(f"the bare FETCH brought {int(answer)} bytes of {size}")
        return cost


class Mbsync:
    """mbsync, pulling into a Maildir."""

    _SETTINGS = """\
FSync {fsync}
SyncState *

IMAPStore far
Host localhost
Port {port}
User {user}
PassCmd "cat {folder}/password"
SSLType IMAPS
SystemCertificates no
CertificateFile {ca_file}

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns {folders}
Sync Pull
Create Near
Expunge Near
CopyArrivalDate yes
"""

    def __init__(self, folder: Path, server: Server, *, fsync: str) -> None:
        """`fsync` is yes, mbsync's default, or no: wait until every email is on the disk, or do not."""
        folder.mkdir()
        self.maildir = folder / "mail"
        self.maildir.mkdir()
        (folder / "password").write_text(server.password, encoding="utf-8")
        self._settings = folder / "mbsyncrc"
        self._settings.write_text(
            self._SETTINGS.format(
                folder=folder,
                fsync=fsync,
                port=server.port,
                user=OWNER,
                ca_file=server.ca_file,
                folders=" ".join(FOLDERS),
            ),
            encoding="utf-8",
        )
        self._program = _Program(folder)

    def sync(self) -> Cost:
        return self._program.run("mbsync", "--quiet", "--config", str(self._settings), "--all")[0]

    def count(self) -> tuple[int, int]:
        """Return how many emails are there, and how many of them are flagged."""
        flags = [path.name.rpartition(":2,")[2] for path in self.maildir.glob("*/[cn][ue][rw]/*")]
        return len(flags), sum("F" in letters for letters in flags)


class Notmuch:
    """notmuch, over a Maildir that another program fills."""

    _SETTINGS = """\
[database]
path={folder}/notmuch
mail_root={maildir}
[user]
primary_email={user}
[new]
tags=unread;inbox
ignore=.mbsyncstate;.uidvalidity
[maildir]
synchronize_flags=true
"""

    def __init__(self, folder: Path, maildir: Path) -> None:
        (folder / "notmuch").mkdir()
        settings = folder / "notmuch-config"
        settings.write_text(
            self._SETTINGS.format(folder=folder, maildir=maildir, user=OWNER), encoding="utf-8"
        )
        self._program = _Program(folder, NOTMUCH_CONFIG=str(settings))

    def sync(self) -> Cost:
        return self._program.run("notmuch", "new", "--quiet")[0]

    def search(self, query: str) -> Cost:
        return self._program.find("notmuch", "search", f"--limit={HITS}", query)

    def inbox(self) -> Cost:
        return self.search("tag:inbox")

    def timeline(self) -> Cost:
        return self.search(f"from:{_BUYER} or to:{_BUYER}")

    def count(self) -> tuple[int, int]:
        """Return how many emails it knows, and how many of them are flagged."""
        return self._count("*"), self._count("tag:flagged")

    def _count(self, query: str) -> int:
        return int(self._program.run("notmuch", "count", query)[1])


class Mu:
    """mu, over a Maildir that another program fills."""

    def __init__(self, folder: Path, maildir: Path) -> None:
        self._program = _Program(folder)
        self._muhome = f"--muhome={folder / 'mu'}"
        self._program.run("mu", "init", self._muhome, f"--maildir={maildir}", f"--my-address={OWNER}")

    def sync(self) -> Cost:
        return self._program.run("mu", "index", "--quiet", self._muhome)[0]

    def search(self, query: str) -> Cost:
        return self._program.find(
            "mu", "find", self._muhome, f"--maxnum={HITS}", "--sortfield=date", "--reverse", query
        )

    def inbox(self) -> Cost:
        return self.search("maildir:/INBOX")

    def timeline(self) -> Cost:
        return self.search(f"contact:{_BUYER}")

    def count(self) -> tuple[int, int]:
        """Return how many emails it knows, and how many of them are flagged."""
        return self._count(""), self._count("flag:flagged")

    def _count(self, query: str) -> int:
        # mu fails where there is nothing to be found.
        with suppress(SystemExit):
            return len(self._program.run("mu", "find", self._muhome, "--fields=l", query)[1].splitlines())
        return 0


class Mailcrm:
    """mailcrm, with a store on SQLite."""

    def __init__(self, folder: Path, server: Server) -> None:
        """Connect the account, and make `CONTACTS` contacts with a deal each."""
        self._path = folder / "mailcrm.db"
        self.store = f"sqlite:///{self._path}"
        self._program = _Program(
            folder,
            MAILCRM_STORE=self.store,
            MAILCRM_CONFIG=str(folder / "config.toml"),
            MAILCRM_PASSWORD_ME_EXAMPLE_COM=server.password,
        )
        self._run(
            "connect", OWNER, "--imap-host", "localhost", "--imap-port", str(server.port),
            "--ca-file", str(server.ca_file), "--since", "all", *(f"--folder={name}" for name in FOLDERS),
        )  # fmt: skip
        with closing(open_database(self.store, viewer=None)) as db:
            for name, address in map(customer, range(CONTACTS)):
                contact = contacts.create_contact(db, name=name, addresses=[address])
                deals.create_deal(
                    db,
                    title=f"For {name}",
                    contact_ids=[contact.id],
                    value=None,
                    currency=None,
                    at=datetime.now(UTC),
                )

    def sync(self) -> Cost:
        return self._run("--quiet", "sync")

    def search(self, query: str) -> Cost:
        return self._find("search", "--limit", str(HITS), query)

    def inbox(self) -> Cost:
        return self._find("inbox", "--limit", str(HITS))

    def timeline(self) -> Cost:
        return self._find("deal", "show", str(DEAL))

    def count(self) -> tuple[int, int]:
        """Return how many emails lie in its folders, and how many of them are flagged."""
        with closing(sqlite3.connect(self._path)) as connection:
            emails, flagged = connection.execute(
                r"SELECT count(*), coalesce(sum(flags LIKE '%\Flagged%'), 0) FROM placement"
            ).fetchone()
            return emails, flagged

    def _run(self, *words: str) -> Cost:
        return self._program.run(sys.executable, "-m", "mailcrm", "--no-input", *words)[0]

    def _find(self, *words: str) -> Cost:
        return self._program.find(sys.executable, "-m", "mailcrm", *words)


class _Program:
    """Runs processes whose home is a folder, and measures them."""

    def __init__(self, folder: Path, **settings: str) -> None:
        # Nor shall PYTHONDONTWRITEBYTECODE make Python compile anew what an installation has compiled.
        ours = {
            name: value for name, value in os.environ.items() if not name.startswith(("MAILCRM_", "PYTHON"))
        }
        self._environment = {
            **ours,
            "HOME": str(folder),
            **settings,
        }

    def run(self, *words: str) -> tuple[Cost, str]:
        """Return what it took and what was written; raises SystemExit when the process fails."""
        start = time.perf_counter()
        process = subprocess.Popen(
            words, env=self._environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        with process, _Watch(process.pid) as watch:
            written = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {process.returncode}: {written}")
        cost = Cost(
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            largest=watch.largest,
            together=watch.together,
        )
        return cost, written

    def find(self, *words: str) -> Cost:
        """Run a search; raises SystemExit when it finds nothing."""
        cost, written = self.run(*words)
        if not written.strip():
            raise SystemExit(f"{' '.join(words)} found nothing")
        return cost


class _Watch:
    """Looks at the memory of a process and its children until it ends.

    wait4's ru_maxrss is not it: in a child it starts with the memory of the process that made it.
    """

    _EVERY = 0.02

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peaks: dict[int, float] = {}
        self._ended = Event()
        self._thread = Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def largest(self) -> float:
        return max(self._peaks.values(), default=0)

    @property
    def together(self) -> float:
        return sum(self._peaks.values())

    def _look(self) -> None:
        while not self._ended.wait(self._EVERY):
            # A process may end while it is looked at.
            with suppress(OSError):
                self._look_at(self._pid)

    def _look_at(self, pid: int) -> None:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self._peaks[pid] = int(line.split()[1]) / 1024
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text(encoding="utf-8").split():
                self._look_at(int(child))
