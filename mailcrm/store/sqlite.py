"""A viewer's connection to a store in one SQLite file.

Identity is what the person says (`--as`): whoever may open the file may read all of it with another
program, so the rules guard against mistakes here, and against people only on PostgreSQL
(docs/visibility.md). Which rows a viewer may see is left to `rules`.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import filelock

from mailcrm.core.errors import AlreadyExists, NotPermitted, StoreBusy, StoreError, StoreUnavailable
from mailcrm.core.model import Member
from mailcrm.store import rules
from mailcrm.store.alike import Alike
from mailcrm.store.database import NEWEST, Row, Where, composed, expand, raw_queries
from mailcrm.store.packed import PackedText, unpack

if TYPE_CHECKING:
    from mailcrm.core.query import Query

TOKENS = MappingProxyType(
    {
        "id": "INTEGER PRIMARY KEY",
        "number": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "key": "INTEGER",
        "clustered": "WITHOUT ROWID",
        "instant": "TEXT",
        "bytes": "BLOB",
        "flag": "INTEGER",
        "search:query": (
            "(SELECT e.id AS email_id, hit.rank "
            "FROM email_index hit CROSS JOIN email e ON e.id = hit.rowid & 4294967295 "
            f"WHERE hit.email_index MATCH :query ORDER BY hit.rowid DESC LIMIT max({NEWEST}, :limit))"
        ),
        "search:query where": (
            "(SELECT e.id AS email_id, hit.rank "
            "FROM email_index hit CROSS JOIN email e ON e.id = hit.rowid & 4294967295 "
            "CROSS JOIN thread t ON t.id = e.thread_id CROSS JOIN account a ON a.id = e.account_id "
            "WHERE hit.email_index MATCH :query AND {where} "
            f"ORDER BY hit.rowid DESC LIMIT max({NEWEST}, :limit))"
        ),
        "where": "TRUE",
        "matching": (
            "(SELECT hit.rowid & 4294967295 FROM email_index hit WHERE hit.email_index MATCH :value)"
        ),
        "alike": "GLOB",
        "each:texts": "(SELECT value FROM json_each(:texts))",
        "lock": "",
        "me": "m.id = viewer_id()",
    }
)
EACH = "(SELECT value FROM json_each(:NAME))"

#: Milliseconds to wait for another writer before giving up.
_BUSY_MS = 30_000

_RESTORE = "Restore it from a backup, or sync into a new one: the mail is still on the server."

#: Terms are indexed for many emails in one statement: FTS5 writes what it has gathered at the end of each
#: statement that a trigger belongs to.
INDEX = (
    "INSERT INTO main.email_index (rowid, subject, people, body, quoted) "
    "SELECT ((CAST(strftime('%s', e.received_at) AS INTEGER) / 86400) << 32) | e.id AS place, "
    "w.subject, w.people, CAST(unpacked(w.body) AS TEXT), "
    "CASE w.quoted WHEN '' THEN '' ELSE CAST(unpacked(w.quoted) AS TEXT) END "
    "FROM email_terms w JOIN email e ON e.id = w.email_id "
    "WHERE w.email_id IN (SELECT value FROM json_each(:ids)) ORDER BY place"
)

_PROTECTED = frozenset(rules.VISIBLE)
_OURS = frozenset(rules.VISIBLE) | frozenset(rules.HELPERS)
_CHANGES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file at `path` with the settings of all our connections; raises StoreUnavailable."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_MS / 1000)
        connection.row_factory = sqlite3.Row
        connection.create_function("unpacked", 1, unpack, deterministic=True)
        connection.execute("PRAGMA foreign_keys = ON")
        # 16 MB, so that the pages of one batch need not be written before it ends; a bound on memory as well.
        connection.execute("PRAGMA cache_size = -16000")
        # 64 MB of 8 KB pages: the pages of an index that every batch changes are copied once for many.
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"The store {path} cannot be opened: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is no store of mailcrm: {error}.", hint=_RESTORE) from error
    return connection


def rows(connection: sqlite3.Connection, query: str) -> list[sqlite3.Row]:
    """Return the rows of a query on a connection that has no rules yet; raises StoreError."""
    with _mapped_errors():
        return connection.execute(query).fetchall()


def create_file(path: Path) -> None:
    """Make an empty store file that only its owner can read, in a folder that only its owner can enter.

    SQLite would make it 0644 under the usual umask; its -wal and -shm files inherit the mode.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def install_rules(connection: sqlite3.Connection, viewer_id: int) -> None:
    """Make `connection` the viewer's: from here on a table's name means the rows that the viewer may see."""
    tokens = {**TOKENS, "me": f"m.id = {viewer_id:d}"}
    for name, text in rules.HELPERS.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS {expand(text, tokens, EACH)}")
    for table, rule in rules.VISIBLE.items():
        connection.execute(
            f"CREATE TEMP VIEW {table} AS SELECT {table}.* FROM main.{table} AS {table} WHERE {rule}"
        )
    for table, rule in rules.MANAGED.items():
        before, after = (f"({rule.replace('{row}', row)})" for row in ("OLD", "NEW"))
        removed = rules.REMOVED.get(table, rule).replace("{row}", "OLD")
        author = rules.AUTHORED.get(table)
        own = f" AND NEW.{author} IN (SELECT v.id FROM viewer v)" if author else ""
        for event, allowed in (
            ("INSERT", after + own),
            ("UPDATE", f"{before} AND {after}"),
            ("DELETE", " OR ".join([f"({removed})", *_orphaned(connection, table)])),
        ):
            connection.execute(
                f"CREATE TEMP TRIGGER guard_{table}_{event} BEFORE {event} ON main.{table} "
                # A comparison with NULL is neither true nor false; only true is permission.
                f"WHEN ({allowed}) IS NOT TRUE BEGIN SELECT RAISE(ABORT, 'not permitted'); END"
            )
    for table, rule in rules.HANDED_ON.items():
        connection.execute(
            f"CREATE TEMP TRIGGER owner_{table} BEFORE UPDATE OF owner_id ON main.{table} "
            f"WHEN OLD.owner_id IS NOT NEW.owner_id AND ({rule.replace('{row}', 'OLD')}) IS NOT TRUE "
            "BEGIN SELECT RAISE(ABORT, 'not permitted'); END"
        )
    for table, columns in rules.FIXED.items():
        connection.execute(
            f"CREATE TEMP TRIGGER fixed_{table} BEFORE UPDATE OF {', '.join(columns)} ON main.{table} "
            "BEGIN SELECT RAISE(ABORT, 'not permitted'); END"
        )


def _orphaned(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the conditions under which a row of `table` has lost what it belongs to.

    That is so only while its parent is being deleted, which was permitted; the rule could not tell
    any more whose the row is.
    """
    return [
        f"(OLD.{key['from']} IS NOT NULL "
        f"AND NOT EXISTS (SELECT 1 FROM main.{key['table']} p WHERE p.id = OLD.{key['from']}))"
        for key in connection.execute(f"PRAGMA main.foreign_key_list({table})")
        if key["on_delete"] == "CASCADE" and key["to"] == "id"
    ]


class SqliteDatabase:
    """The `Database` of one viewer on SQLite."""

    def __init__(self, connection: sqlite3.Connection, path: Path, viewer: Member) -> None:
        """Take a connection without rules, install them for `viewer`, and lock it."""
        self.viewer = viewer
        self._connection = connection
        self._path = path
        self._writing = False
        self._queries = {name: expand(text, TOKENS, EACH) for name, text in raw_queries().items()}
        install_rules(connection, viewer.id)
        connection.set_authorizer(self._authorize)

    def _authorize(
        self, action: int, first: str | None, second: str | None, schema: str | None, source: str | None
    ) -> int:
        """Deny every way to protected rows but our own views; asked once for each statement prepared."""
        if self._writing:
            return sqlite3.SQLITE_OK
        if schema == "main" and first in _PROTECTED:
            if action == sqlite3.SQLITE_READ and source not in _OURS:
                return sqlite3.SQLITE_DENY
            if action in _CHANGES:
                return sqlite3.SQLITE_DENY
        # The index knows ids, ranks and the words asked for; its columns would show the mail.
        if (
            first == "email_index"
            and action == sqlite3.SQLITE_READ
            and second not in ("rank", "email_index", "ROWID", "")
        ):
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def read(self, name: str, /, **values: object) -> list[Row]:
        """Return the rows of a query."""
        with _mapped_errors():
            return self._connection.execute(self._queries[name], values).fetchall()

    def select(self, name: str, where: Where, /, **values: object) -> list[Row]:
        """Return those rows of a query with `{where}` for which all that is named there holds."""
        text, found = composed(name, where, TOKENS, EACH)
        with _mapped_errors():
            return self._connection.execute(text, {**values, **found}).fetchall()

    def write(self, name: str, /, **values: object) -> int:
        """Change rows and say how many."""
        with self._changing():
            return self._connection.execute(self._queries[name], values).rowcount

    def write_many(self, name: str, /, rows: Iterable[Mapping[str, object]]) -> None:
        """Run one change for each of `rows`."""
        with self._changing():
            self._connection.executemany(self._queries[name], rows)

    def insert_many(self, name: str, /, rows: Iterable[Mapping[str, object]]) -> list[int]:
        """Add rows and return their ids, in the order of `rows`."""
        query = self._queries[name]
        with self._changing():
            return [self._connection.execute(query, row).fetchall()[0]["id"] for row in rows]

    def insert(self, name: str, /, **values: object) -> int:
        """Add a row and return its id."""
        with self._changing():
            (row,) = self._connection.execute(self._queries[name], values).fetchall()
            return int(row["id"])

    def index(self, ids: Sequence[int]) -> None:
        """Make emails findable whose terms have just been stored; FTS5 takes many at once far more gladly."""
        with self._changing():
            self._connection.execute(INDEX, {"ids": ids})

    def match(self, query: "Query") -> str:
        """Return the FTS5 expression (sqlite.org/fts5.html, section 3) for words, one of which must occur."""
        return _fts5(query)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen together or not at all; an inner one is a savepoint."""
        if self._connection.in_transaction:
            # Savepoints of one name nest: RELEASE and ROLLBACK TO mean the newest.
            begin, end, undo = "SAVEPOINT step", "RELEASE step", "ROLLBACK TO step"
        else:
            # IMMEDIATE takes the write lock now and waits for it; a plain BEGIN would fail at once
            # when a second writer came between our first read and our first write.
            begin, end, undo = "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"
        with _mapped_errors():
            self._connection.execute(begin)
        try:
            yield
        except BaseException:
            # SQLite itself ends the transaction after some errors, a full disk for one.
            if self._connection.in_transaction:
                self._connection.execute(undo)
                if self._connection.in_transaction:
                    self._connection.execute(end)
            raise
        with _mapped_errors():
            self._connection.execute(end)

    @contextmanager
    def lease(self, account_id: int) -> Iterator[None]:
        """Hold an account by a locked file beside the store; the system frees it when a process dies."""
        lock = filelock.FileLock(f"{self._path}.account-{account_id}.lock", timeout=0, mode=0o600)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise StoreBusy from error
        try:
            yield
        finally:
            lock.release()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._writing = True
        try:
            with _mapped_errors():
                yield
        finally:
            self._writing = False


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        if "not permitted" in str(error):
            raise NotPermitted from error
        if error.sqlite_errorcode in (
            sqlite3.SQLITE_CONSTRAINT_UNIQUE,
            sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        ):
            raise AlreadyExists from error
        raise StoreError(f"The store refused a change: {error}.") from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreBusy("Another program has been writing to the store for too long.") from error
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise StoreError(
                "The disk is full.", hint="Free some space; nothing was half-written."
            ) from error
        raise StoreError(f"The store failed: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"The store failed: {error}.",
            hint=_RESTORE,
        ) from error


def _instant(moment: datetime) -> str:
    """Return an instant as it is stored: ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def _array(values: Sequence[object]) -> str:
    """Return a list as `json_each` takes it."""
    import json  # late: most commands pass no list

    return json.dumps(values)


# Parameters in types that SQLite does not have.
sqlite3.register_adapter(datetime, _instant)
sqlite3.register_adapter(list, _array)
sqlite3.register_adapter(tuple, _array)
sqlite3.register_adapter(Alike, Alike.as_glob)
sqlite3.register_adapter(PackedText, lambda text: text.data)


_COLUMNS = MappingProxyType({None: "", "subject": "subject : ", "body": "{body quoted} : "})


def _fts5(query: "Query") -> str:
    from mailcrm.core.query import And, Not, Or, Words  # late: most commands search nothing

    match query:
        case Words(part=part, phrase=phrase):
            # Terms hold word characters only, so no quote can stand in them.
            return f'{_COLUMNS[part]}"{" ".join(phrase.terms)}"' + ("*" if phrase.prefix else "")
        case Or(parts=parts):
            return f"({' OR '.join(map(_fts5, parts))})"
        case And(parts=parts):
            wanted = " AND ".join(_fts5(part) for part in parts if not isinstance(part, Not))
            # NOT stands between two: these and not those.
            unwanted = "".join(f" NOT {_fts5(part.part)}" for part in parts if isinstance(part, Not))
            return f"(({wanted}){unwanted})"
        case _:
            raise ValueError(f"{query} is not only words to find")
