"""The documents tell the truth: what they name is there, and what is there they name."""

import ast
import dataclasses
import inspect
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from mailcrm import cli, config
from mailcrm.attachments import AttachmentRow
from mailcrm.cli import INTERRUPTED, main
from mailcrm.commands import oauth_setup
from mailcrm.core import errors, events, mime, model, parsed
from mailcrm.core.model import Direction
from mailcrm.core.plan import Arrival
from mailcrm.exporting import ExportedFile
from mailcrm.oauth2.issuers import KNOWN, issuer
from mailcrm.providers.discovery import Step
from mailcrm.providers.presets import Preset, Server, presets
from mailcrm.reparsing import Reread
from mailcrm.screening import Applied
from mailcrm.store import accounts, contents, emails, folders, open_database
from mailcrm.store.block_list import StoredRule
from mailcrm.store.correspondents import Bounce, LastContact, UnknownCorrespondent
from mailcrm.store.history import Event
from tests.servers.dovecot import DovecotServer

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))

#: Nouns that no command prints.
NOT_PRINTED = {model.Link, parsed.ParsedEmail}
RECORDS = [
    *(
        noun
        for module in (model, parsed)
        for _, noun in inspect.getmembers(module, dataclasses.is_dataclass)
        if isinstance(noun, type) and noun not in NOT_PRINTED
    ),
    *get_args(events.SyncEvent),
    LastContact,
    Bounce,
    UnknownCorrespondent,
    StoredRule,
    Applied,
    Event,
    Preset,
    Server,
    Step,
    folders.FetchFailure,
    AttachmentRow,
    Reread,
    ExportedFile,
]

LETTER = b"""\
From: Minsu Kim <minsu.kim@example.kr>
To: me@example.com
Subject: 120 sensors
Date: Mon, 15 Jun 2026 09:00:00 +0900
Message-ID: <quote-1@example.kr>
Content-Type: multipart/mixed; boundary=b

--b

Please send a quotation.
--b
Content-Type: text/csv; name=parts.csv
Content-Disposition: attachment

TS-200,120
--b--
"""

ANSWER = b"""\
From: Jane Lee <jane@example.kr>
To: me@example.com
Subject: Re: 120 sensors
Date: Mon, 15 Jun 2026 10:00:00 +0900
Message-ID: <quote-2@example.kr>
In-Reply-To: <quote-1@example.kr>

Or 140.
"""


#: What few emails say, so that a conversation shows each kind of record.
EVERYTHING: Mapping[str, Any] = {
    "spans": (parsed.Span(kind=parsed.SpanKind.QUOTE, start=0, end=1),),
    "forwards": (parsed.Forward(name="", address="", to="", date="", subject=""),),
    "invitations": (
        parsed.Invitation(
            method="REQUEST",
            summary="",
            starts_at=None,
            ends_at=None,
            all_day=False,
            location="",
            organizer="",
            attendee="",
            answer="",
            repeats=False,
        ),
    ),
    "deliveries": (parsed.Delivery(address="minsu@example.kr", action="failed", status="", reason=""),),
}


def ids(value: object) -> str | None:
    match value:
        case Path():
            return str(value.relative_to(ROOT))
        case type():
            return value.__name__
        case _:
            return None


def sections(document: Path) -> dict[str, str]:
    """Return what stands below each heading, up to the next one of any level."""
    parts = re.split(r"^#+ (.+)$", document.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text: str) -> list[list[str]]:
    """Return the cells of the tables in a text, without headings."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    rules = [number for number, cells in enumerate(found) if set(cells[0]) == {"-"}]
    return [cells for number, cells in enumerate(found) if number not in rules and number + 1 not in rules]


# The command line


@cache
def commands() -> Mapping[str, Any]:
    """Return all commands, `deal show` for one, and under the empty name the program itself."""

    def walk(group: Any, name: str) -> Iterator[tuple[str, Any]]:
        for word, command in group.commands.items():
            full = f"{name} {word}".strip()
            if hasattr(command, "commands"):
                yield from walk(command, full)
            else:
                yield full, command

    program = typer.main.get_command(cli.program([]))
    return {"": program, **dict(walk(program, ""))}


def test_each_command_is_found_alone_as_it_is_among_all() -> None:
    assert {name.split()[0] for name in commands() if name} == set(cli.COMMANDS)
    for word in cli.COMMANDS:
        alone = typer.main.get_command(cli.program([word, "--full"]))
        assert word in vars(alone)["commands"]


def options(name: str) -> set[str]:
    return {
        spelling
        for parameter in commands()[name].params
        if parameter.param_type_name == "option"
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }


def global_options() -> set[str]:
    return options("") | {"-h", "--help", "-vv"}


def documented_commands() -> dict[str, str]:
    """Return the sections of docs/commands.md by command; arguments are in capitals."""
    found = {}
    for heading, text in sections(DOCS / "commands.md").items():
        if heading.startswith("`mailcrm "):
            words = heading.strip("`").split()[1:]
            found[" ".join(word for word in words if word.islower())] = text
    return found


def named_options(text: str) -> set[str]:
    """Return the options that the first column of a table names."""
    return {option for cells in rows(text) for option in re.findall(r"`(-[-\w]+)`", cells[0])}


def test_the_document_has_exactly_the_commands_of_the_program() -> None:
    assert documented_commands().keys() == commands().keys() - {""}


@pytest.mark.parametrize("name", sorted(commands().keys() - {""}))
def test_the_document_has_exactly_the_options_of_a_command(name: str) -> None:
    assert named_options(documented_commands()[name]) == options(name)


def test_the_document_has_exactly_the_options_of_every_command() -> None:
    text = sections(DOCS / "commands.md")["Options of every command"]
    assert named_options(text) | {"-vv"} == global_options()


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the words after `mailcrm` of each command line that a document shows."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    shown = "".join(block for language, block in blocks if not language)
    lines = shown.replace("\\\n", " ").splitlines()
    lines += re.findall(r"`(mailcrm(?: [^`]+)?)`", text)
    for line in lines:
        found = re.search(r"(?:^|[\s/])mailcrm(\s.*)?$", line)
        if found is not None:
            yield shlex.split(found[1] or "", comments=True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_every_command_line_in_a_document_is_one_that_the_program_has(document: Path) -> None:
    for words in command_lines(document.read_text("utf-8")):
        name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in commands()), "")
        # Groups, such as `mailcrm deal`, are named in no document without a command.
        assert name or not words or words[0].startswith("-"), words
        known = options(name) | global_options()
        assert {word for word in words if re.fullmatch(r"--?[a-z][-a-z]*", word)} <= known, words


# Errors


def error_classes(above: type[errors.MailcrmError] = errors.MailcrmError) -> list[type[errors.MailcrmError]]:
    return [above, *(found for one in above.__subclasses__() for found in error_classes(one))]


def test_the_document_has_exactly_the_error_codes_with_exit_code_and_message() -> None:
    told = {tuple(cells[:3]) for cells in rows(sections(DOCS / "errors.md")["Error codes"])}
    assert told == {(f"`{one.code}`", str(one.exit_code), str(one())) for one in error_classes()}


def test_the_document_has_exactly_the_exit_codes() -> None:
    told = {int(cells[0]) for cells in rows(sections(DOCS / "errors.md")["Exit codes"])}
    assert told == {0, 1, INTERRUPTED} | {one.exit_code for one in error_classes()}


# Settings


def keys(made: object) -> set[str]:
    return {field.name for field in dataclasses.fields(made)}  # type: ignore[arg-type] # they are dataclasses


def test_the_example_of_the_configuration_loads_and_shows_every_key() -> None:
    path = ROOT / "config.example.toml"
    loaded = config.load(path, {})
    shown = tomllib.loads(path.read_text("utf-8"))
    assert shown.keys() == keys(loaded) - {"path"}
    own = presets(loaded.providers, issuers=loaded.oauth2)
    for name, client in loaded.oauth2.items():
        assert issuer(name, client, None)
    # `departs` compares a preset of the program with a collection; nobody has that for their own.
    for table, every in (
        ("accounts", keys(config.AccountConfig())),
        ("oauth2", keys(config.OAuth2Client(client_id=""))),
        ("providers", keys(own.rows[0]) - {"id", "departs"}),
    ):
        assert {key for entry in shown[table].values() for key in entry} == every, table


# Signing in


def test_the_document_on_oauth2_has_the_steps_of_the_set_up_word_for_word() -> None:
    text = (DOCS / "oauth.md").read_text("utf-8")
    assert oauth_setup.STEPS.keys() == KNOWN.keys()
    for steps in oauth_setup.STEPS.values():
        assert "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1)) + "\n" in text


def test_the_redirect_address_to_register_is_the_one_that_mailcrm_asks_with() -> None:
    client = config.OAuth2Client(client_id="a-client")
    for name, steps in oauth_setup.STEPS.items():
        made = issuer(name, client, None)
        # Where no port is fixed, the issuer compares all but the port.
        port = "" if made.redirect_port is None else f":{made.redirect_port}"
        named = [re.findall(r"http://\S+", step) for step in steps if "Redirect URI" in step]
        # Google has no place to enter the one of a desktop app.
        assert named == ([] if name == "google" else [[made.redirect_uri.replace(":{port}", port)]]), name


def test_the_example_of_an_issuer_of_your_own_loads(tmp_path: Path) -> None:
    (text,) = re.findall(
        r"^```toml\n(.*?)^```", (DOCS / "oauth.md").read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    loaded = config.load(path, {})
    (name,) = loaded.oauth2
    found = presets(loaded.providers, issuers=loaded.oauth2).of_address("me@example.com")
    assert found is not None
    assert found.oauth2 == issuer(name, loaded.oauth2[name], None).name


# JSON


@cache
def shapes() -> dict[str, frozenset[str]]:
    """Return the keys of each object that docs/json.md describes."""
    return {
        name: frozenset(cells[0].strip("`") for cells in rows(text))
        for name, text in sections(DOCS / "json.md").items()
        if "| key |" in text
    }


@pytest.mark.parametrize("record", RECORDS, ids=ids)
def test_the_document_has_exactly_the_keys_of_a_record(record: type) -> None:
    assert shapes()[record.__name__] == {field.name for field in dataclasses.fields(record)}


def objects(value: object) -> Iterator[dict[str, object]]:
    """Yield each JSON object in a document."""
    match value:
        case dict():
            yield value
            for item in value.values():
                yield from objects(item)
        case list():
            for item in value:
                yield from objects(item)


class Program:
    """Runs `mailcrm` with `--json` in this process, on a store of its own."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.url = f"sqlite:///{folder / 'mailcrm.db'}"
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, line: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error."""
        words = ["--store", self.url, *shlex.split(line), "--json", "--no-input", "--as", "me@example.com"]
        self._monkeypatch.setattr(sys, "argv", ["mailcrm", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        written = self._capsys.readouterr()
        return int(stop.value.code or 0), written.out, written.err


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, monkeypatch, capsys)


#: What another program exported, with a row that is no good among the contacts.
EXPORTED = Path(__file__).parent / "shapes" / "pipedrive"

#: Each command once, in an order in which it finds what it needs.
STORY = """\
init --address me@example.com
store migrate
connect me@example.com --imap-host imap.example.com --password-command 'echo secret' --no-check
account list
account show
account set --visibility shared
account folders
status
inbox --unknown
org create Example --domain example.kr
org edit 1 --notes 'A maker of sensors'
org list
pipeline create Service --stage Asked --stage Sent
pipeline list
pipeline rename Service Repairs
pipeline add-stage Repairs Done
pipeline rename-stage Repairs Sent Repaired
pipeline remove-stage Repairs Asked
contact create 'Minsu Kim' --address minsu.kim@example.kr
contact create --from 1 --address jane@example.kr
contact list
deal create '120 sensors' --contact 1 --value 18000000 --currency KRW
link auto --dry-run
deal create 'Spare parts' --contact 1
lead create Cables --contact 1 --label fair
lead create Gloves --contact 1
deal list
lead list
contact edit 1 --name 'M. Kim' --address minsu@example.kr
deal edit 2 --title Spares --value 5 --currency eur --contact 1
lead edit 1 --title Wires
link auto --dry-run
link auto
link suggestions
link dismiss 1
lead create Hats --contact 1
link auto
link accept 2 Hats
unlink lead 1 3
contact list
contact show 1
link lead 1 1
unlink lead 1 1
lead archive 2
lead unarchive 2
lead convert 1
lead show 1
lead delete 2 --yes
link contact 1 1
unlink contact 1 1
link deal 1 2
unlink deal 1 2
deal lost 2
deal reopen 2
deal won 2
link contact 1 1
link deal 1 1
deal show 1
org show 1
inbox
search quotation
thread split 1 2
thread merge 1 2
thread label 1 --add fair
thread archive 1
thread unarchive 1
thread show 1
thread show 1 --history
thread attachments 1 --save {folder}
label create urgent
label rename urgent soon
label list
label delete soon --yes
store reparse
store export {folder}
thread why 1
share 1
share --query from:minsu.kim --yes
privatize 1
contact create 'Jane Park' --address jane.park@example.kr
contact merge 1 2
contact export {folder}/people.csv
contact import {files}/persons.csv --yes
org import {files}/organizations.csv --yes
deal import {files}/deals.csv --yes
lead import {files}/leads.csv --yes
deal delete 2 --yes
contact delete 1 --yes
org delete 1 --yes
pipeline delete Repairs --yes
block add @example.kr --dry-run
block add @example.kr --apply --yes
block list
block remove @example.kr
member create bob@example.com --name Bob
member edit bob --role admin
member show bob
member list
member deactivate bob
member reactivate bob
team create Sales
team add Sales bob
team remove Sales bob
team list
provider list
provider show gmail
provider detect me@gmail.com
account oauth-setup google --client-id x.apps.googleusercontent.com --client-secret-command 'echo secret'
account disconnect me@example.com
""".splitlines()

WITH_A_SERVER = """\
sync --dry-run
sync
account check
account reauth --password-command 'echo {password}'
""".splitlines()


def command_of(line: str) -> str:
    words = line.split()
    return " ".join(words[:2]) if " ".join(words[:2]) in commands() else words[0]


def test_the_tests_of_json_run_every_command() -> None:
    run = {command_of(line) for line in (*STORY, *WITH_A_SERVER)}
    assert run == commands().keys() - {"", "demo"}


def receive(url: str, *letters: bytes) -> None:
    """Store emails of the account, as a sync would, and an email that could not be fetched."""
    db = open_database(url, viewer=None)
    account = accounts.account(db, None)
    folders.save_folder(
        db, account, path="INBOX", name="INBOX", role=model.FolderRole.INBOX, usual=True, selected=True
    )
    (inbox,) = folders.folders(db, account)
    now = datetime(2026, 6, 15, tzinfo=UTC)
    new = []
    for uid, raw in enumerate(letters, start=1):
        arrival = Arrival(
            uid=uid,
            identity=f"?{uid}",
            size=len(raw),
            received_at=now,
            sent_at=None,
            flags=frozenset(("\\Seen",)),
        )
        read = dataclasses.replace(mime.parse(raw), **(EVERYTHING if raw is LETTER else {}))
        new.append(
            emails.NewEmail(
                source=emails.source(arrival, raw, truncated=False),
                content=contents.content(read, Direction.IN),
            )
        )
    emails.save_batch(db, account, inbox, 1, new)
    folders.record_failure(db, inbox, 1, len(letters) + 1, "The mail server left this email out.", at=now)
    db.close()


def test_every_object_that_a_command_writes_is_in_the_document(program: Program, tmp_path: Path) -> None:
    described = set(shapes().values())
    seen: set[frozenset[str]] = set()
    for line in STORY:
        code, out, err = program.run(
            line.format(folder=shlex.quote(str(tmp_path / "files")), files=shlex.quote(str(EXPORTED)))
        )
        assert out, (line, err)
        result = json.loads(out)
        # An email that could not be fetched makes `status` end with 1, a row that is no good an import.
        lacks = line == "status" or (isinstance(result, dict) and result.get("bad_rows"))
        assert code == (1 if lacks else 0), (line, err)
        for found in objects(result):
            assert frozenset(found) in described, (line, sorted(found))
            seen.add(frozenset(found))
        if line.startswith("connect"):
            receive(program.url, LETTER, ANSWER)
    # A server is what the network answers to `provider detect`.
    elsewhere = {shapes()[one.__name__] for one in (*get_args(events.SyncEvent), Server)}
    elsewhere |= {shapes()["account check"], shapes()["error"]}
    assert described - seen == elsewhere


def test_every_object_that_a_command_with_a_server_writes_is_in_the_document(
    program: Program, dovecot: DovecotServer
) -> None:
    dovecot.deliver("me@example.com", "INBOX", LETTER)
    code, _, err = program.run(
        f"connect me@example.com --imap-host localhost --imap-port {dovecot.tls_port} "
        f"--ca-file {dovecot.ca_file} --password-command 'echo {dovecot.password}'"
    )
    assert code == 0, err
    described = set(shapes().values())
    for line in WITH_A_SERVER:
        code, out, err = program.run(line.format(password=dovecot.password))
        assert code == 0, err
        if line != "sync":
            assert {frozenset(found) for found in objects(json.loads(out))} <= described, line
            continue
        for event in map(json.loads, out.splitlines()):
            name = "".join(word.capitalize() for word in event.pop("event").split("_"))
            assert shapes()[name] == event.keys()


def test_an_error_has_the_keys_of_the_document(program: Program) -> None:
    program.run("init --address me@example.com")
    code, out, err = program.run("thread show 7")
    assert (code, out) == (66, "")
    assert json.loads(err)["error"].keys() == shapes()["error"]


# The rules


def told_rules() -> list[str]:
    """Return the ids of the rules that docs/rules.md tells, as often as it has them."""
    return [cells[0] for cells in rows((DOCS / "rules.md").read_text("utf-8"))]


def marked_rules(tree: ast.Module) -> Iterator[str]:
    """Yield the ids in the marks of a test file, also those that a function of it takes as an argument."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if ast.unparse(call.func) == "pytest.mark.rule" and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for place, parameter in enumerate(function.args.args):
            if f"pytest.mark.rule({parameter.arg})" in ast.unparse(function):
                for call in calls:
                    if isinstance(call.func, ast.Name) and call.func.id == function.name:
                        yield str(ast.literal_eval(call.args[place]))


@cache
def held_rules() -> Mapping[str, frozenset[str]]:
    """Return the ids of the rules that tests name, and the files of these tests."""
    held: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for rule in marked_rules(ast.parse(path.read_text("utf-8"))):
            held.setdefault(rule, set()).add(str(path.relative_to(ROOT)))
    return {rule: frozenset(files) for rule, files in held.items()}


def test_a_rule_has_a_name_of_its_own() -> None:
    told = told_rules()
    assert len(told) > 50
    assert sorted(set(told)) == sorted(told)


def test_every_rule_is_held_by_a_test() -> None:
    assert [rule for rule in told_rules() if rule not in held_rules()] == []


def test_no_test_holds_a_rule_that_is_not_told() -> None:
    assert {rule: files for rule, files in held_rules().items() if rule not in told_rules()} == {}


# Words and links


def test_the_glossary_has_every_noun_of_the_model() -> None:
    text = (DOCS / "glossary.md").read_text("utf-8")
    nouns = [
        noun for _, noun in inspect.getmembers(model, inspect.isclass) if noun.__module__ == model.__name__
    ]
    assert [noun.__name__ for noun in nouns if f"`{noun.__name__}`" not in text] == []


@pytest.mark.parametrize("decision", DECISIONS, ids=ids)
def test_a_decision_is_short_and_says_what_would_change_it(decision: Path) -> None:
    text = decision.read_text("utf-8")
    assert len(text.splitlines()) <= 30
    assert list(sections(decision))[1:] == ["Context", "Decision", "What would change our mind"]
    assert text.startswith(f"# {decision.name[:4]} ")


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(decision.name[:4]) for decision in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_no_link_of_a_document_leads_nowhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, fragment = target.partition("#")
        found = document.parent / path if path else document
        assert found.exists(), target
        if fragment:
            assert fragment in {anchor(heading) for heading in sections(found)}, target


def sources() -> Iterator[tuple[str, str]]:
    """Yield name and text of each module of the program."""
    for path in sorted((ROOT / "mailcrm").rglob("*.py")):
        yield str(path.relative_to(ROOT)), path.read_text("utf-8")


def test_every_document_that_the_source_names_is_there() -> None:
    named = {(name, found) for name, text in sources() for found in re.findall(r"\bdocs/[\w/.]*\w", text)}
    # A decision is named by its number.
    assert {(name, found) for name, found in named if not list(ROOT.glob(f"{found}*"))} == set()


def test_every_command_that_the_program_tells_somebody_to_run_is_there() -> None:
    groups = {name.split()[0] for name in commands() if " " in name}
    named = {
        (name, f"{first} {second}")
        for name, text in sources()
        for first, second in re.findall(r"mailcrm ([a-z]+) ([a-z]+(?:-[a-z]+)*)", text)
        if first in groups
    }
    assert {(name, command) for name, command in named if command not in commands()} == set()
