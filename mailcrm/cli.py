"""The command line: global options, the table of commands, and the one place where errors become words.

A command's module is imported when it is asked for, and imports nothing heavy at its top, so that
`mailcrm --help`, which asks for all, answers at once; what a command does is left to `commands`.
"""

import atexit
import gc
import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from mailcrm import __version__
from mailcrm.commands.invocation import Invocation, hoist
from mailcrm.core.errors import MailcrmError, UsageError
from mailcrm.render import Display

#: The exit code after Ctrl-C, which Typer gives: 128 and the number of SIGINT.
INTERRUPTED = 130

#: What Typer raises for a command line that it cannot read; it has no name for all of them.
_NotUnderstood: Any = typer.BadParameter.__base__

#: EX_SOFTWARE of sysexits.h.
UNFORESEEN = 70

#: The commands, in the order of the help, and the module of `mailcrm.commands` that has each.
COMMANDS = {
    "connect": "connect",
    "sync": "sync",
    "inbox": "inbox",
    "search": "search",
    "thread": "thread",
    "link": "link",
    "unlink": "unlink",
    "share": "share",
    "privatize": "share",
    "status": "status",
    "contact": "contact",
    "org": "org",
    "deal": "deal",
    "lead": "lead",
    "pipeline": "pipeline",
    "label": "label",
    "account": "account",
    "block": "block",
    "member": "member",
    "team": "team",
    "provider": "provider",
    "store": "store",
    "init": "init",
    "demo": "demo",
}


def program(words: Sequence[str]) -> typer.Typer:
    """Return the program for a command line without global options.

    It has the command that `words` begin with, because making all of them takes longer than most commands
    do; it has all of them, for help and completion, where they begin with none.
    """
    app = typer.Typer(
        name="mailcrm",
        help="Your mailbox, linked to contacts and deals. Start with: mailcrm connect YOUR-ADDRESS",
        epilog="The options above may stand before or after the command. Manual: docs/quickstart.md",
        no_args_is_help=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(take_global_options)
    named = [COMMANDS[word] for word in words[:1] if word in COMMANDS]
    for module in named or dict.fromkeys(COMMANDS.values()):
        import_module(f"mailcrm.commands.{module}").add_to(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mailcrm {__version__}")
        raise typer.Exit


def take_global_options(
    context: typer.Context,
    store_url: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="sqlite:///FILE or postgresql://… (MAILCRM_STORE)"),
    ] = None,
    member_name: Annotated[
        str | None,
        typer.Option("--as", metavar="MEMBER", help="who you are, on SQLite (MAILCRM_MEMBER)"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="another config.toml (MAILCRM_CONFIG)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="say only what went wrong")] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="log to standard error; -vv: more")
    ] = 0,
    no_color: Annotated[bool, typer.Option("--no-color", help="no colours (NO_COLOR)")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="never ask")] = False,
    version: Annotated[  # noqa: ARG001 (answered by its callback)
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Take the options that hold for every command."""
    if verbose:
        level = logging.INFO if verbose == 1 else logging.DEBUG
        logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("imapclient").setLevel(logging.WARNING)
    context.obj = Invocation(
        store=store_url,
        member=member_name,
        config_path=config,
        ask=not no_input,
        display=Display(as_json=as_json, quiet=quiet, color=not no_color),
    )
    if context.invoked_subcommand is None:
        from mailcrm.commands import status

        status.show_next_step(context.obj)


def main() -> None:
    """Run one command and end the process with its exit code."""
    words = sys.argv[1:]
    # On its way out Python looks through all modules for garbage, which goes with the process anyway.
    atexit.register(gc.freeze)
    # A terminal that cannot show a character shows its escape; nobody's mail ends a command.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            front, rest = hoist(words)
            code = program(rest)([*front, *rest], prog_name="mailcrm", standalone_mode=False)
        finally:
            # What is still buffered fails here, where it can be told, and not after the last line.
            sys.stdout.flush()
    except MailcrmError as error:
        _fail(error, words)
    except _NotUnderstood as error:
        if type(error).show is not _NotUnderstood.show:
            # A group without a command has its help to show.
            error.show()
            sys.exit(error.exit_code)
        path = error.ctx.command_path if error.ctx is not None else "mailcrm"
        _fail(UsageError(error.format_message(), hint=f"See `{path} --help`."), words)
    except typer.Abort:
        # Ctrl-C or Ctrl-D at a question, which stands before anything is stored.
        print("\nmailcrm: stopped; nothing was stored.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has seen enough (| head); Python would complain on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        # The last boundary: a fault of the program is one sentence, too. Its text may hold anything,
        # so only its kind is told.
        if "-vv" in words:
            raise
        what = os.strerror(error.errno or 0) if isinstance(error, OSError) else type(error).__name__
        print(f"mailcrm: {what}. Run it again with -vv to see where.", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNFORESEEN)
    else:
        if code == INTERRUPTED:
            print("mailcrm: stopped; what was done is kept.", file=sys.stderr)
        sys.exit(code)


def _fail(error: MailcrmError, words: list[str]) -> NoReturn:
    """Say what went wrong, and end the process with the error's exit code."""
    if "-vv" in words:
        traceback.print_exception(error)
    Display(as_json="--json" in words, quiet=False, color=True).error(error)
    sys.exit(error.exit_code)
