"""`mailcrm demo`: the main job on a real mail server, every command printed before it runs."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import typer

from mailcrm.commands.invocation import Invocation
from mailcrm.keychain import environment_name, without_secrets


def add_to(app: typer.Typer) -> None:
    """Hang the command into the program."""
    app.command("demo")(demo)


def demo(context: typer.Context) -> None:
    """Show the main job in a minute: connect, sync, link, share, on a mail server of its own.

    Everything happens in a folder that is gone at the end; your own store is not touched.
    """
    from mailcrm.commands.demo_letters import read_letters
    from mailcrm.commands.demo_server import demo_mail_server

    invocation: Invocation = context.obj
    letters = read_letters(invocation.now().astimezone())
    with tempfile.TemporaryDirectory(prefix="mailcrm-demo-") as folder, demo_mail_server(letters) as login:
        stage = _Stage(Path(folder), login.username, login.password)
        stage.say(f"A mail server with {len(letters)} letters runs on {login.host}:{login.port}.")
        stage.run(
            f"connect {login.username} --imap-host {login.host} --imap-port {login.port} "
            "--imap-security none --no-input"
        )
        stage.say("The mail comes in, Korean and English.")
        stage.run("sync")
        stage.run("inbox")
        stage.say("A customer and a deal.")
        stage.run("contact create 김민수 --address minsu.kim@example.kr")
        stage.run(
            'deal create "예시정밀: temperature sensors" --contact 김민수 --value 18000000 --currency KRW'
        )
        stage.say("The automatic rule links what is already here: one open deal, so it is not guessed.")
        stage.run("link auto")
        stage.run("inbox")
        stage.say("A colleague works in the same store.")
        stage.run("member create colleague@example.com --name Colleague")
        stage.say("The conversation is private: the colleague sees the deal, but none of the mail.")
        stage.run("deal show 1 --as colleague@example.com")
        shared = stage.threads_of_deal()
        stage.say("Shared, and linked to the deal, the same mail is there for the colleague.")
        stage.run(f"share {' '.join(shared)} --as {login.username}")
        stage.run("deal show 1 --as colleague@example.com")
        stage.say("What was not shared does not exist for the colleague.")
        stage.run("search dentist --as colleague@example.com")
    stage.say("That was all. For your own mailbox: mailcrm connect YOUR-ADDRESS")


class _Stage:
    """Runs mailcrm as a person would, in a store and a configuration of its own."""

    def __init__(self, folder: Path, address: str, password: str) -> None:
        self._environment = {
            **without_secrets(os.environ),
            "MAILCRM_STORE": f"sqlite:///{folder / 'mailcrm.db'}",
            "MAILCRM_CONFIG": str(folder / "config.toml"),
            "MAILCRM_MEMBER": address,
            environment_name(address): password,
        }

    def say(self, sentence: str) -> None:
        """Write a line of the story."""
        print(f"\n# {sentence}", flush=True)

    def run(self, words: str) -> None:
        """Print one command and run it; its failure ends the demo."""
        print(f"$ mailcrm {words}", flush=True)
        done = subprocess.run(self._command(words), env=self._environment, check=False)  # noqa: S603 (our own program)
        if done.returncode:
            raise typer.Exit(done.returncode)

    def threads_of_deal(self) -> list[str]:
        """Return the numbers of the threads that the deal's timeline shows."""
        import json

        done = subprocess.run(  # noqa: S603 (our own program)
            self._command("deal show 1 --json"), env=self._environment, check=True, capture_output=True
        )
        return sorted({str(email["thread_id"]) for email in json.loads(done.stdout)["emails"]}, key=int)

    def _command(self, words: str) -> list[str]:
        return [sys.executable, "-m", "mailcrm", *shlex.split(words)]
