"""A secret is kept in one place, for its name and host; the keyring of the desktop is played here."""

import json
import os
import shlex
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.chainer
import keyring.backends.fail
import keyring.backends.null
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keyring.errors import KeyringLocked

from mailcrm import keychain
from mailcrm.core.errors import ConfigError, CredentialMissing, KeyringClosed
from mailcrm.keychain import (
    SecretKind,
    SecretName,
    SecretPlace,
    client_secret_of,
    environment_name,
    find_password,
    forget,
    keep,
    password_of,
    replace,
    run_command,
    stored,
    tokens_of,
    without_secrets,
)
from tests.keyrings import Keyring, Untrusted

ANN = "ann@example.com"
HOST = "imap.example.com"
NAME = password_of(ANN, HOST)
TOKENS = tokens_of(ANN, HOST)
CLIENT = client_secret_of("google", "1234-abcd.apps.example.com")

#: As long as Microsoft's: an access token of 3 KB and a refresh token of 2 KB, as JSON.
LONG = json.dumps({"access_token": "a" * 3_000, "refresh_token": "r" * 2_000})

#: Put together, because a traceback shows source lines, too.
PLANTED = "".join(reversed("terces-detnalp"))


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    found = Keyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: found)
    return found


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secrets"


def found_at(secrets: Path, host: str = HOST) -> str:
    return find_password(ANN, host, command=None, environ={}, secrets=secrets)


def files(secrets: Path) -> list[str]:
    return sorted(path.name for path in secrets.iterdir())


def test_the_newest_password_counts_whichever_place_had_the_old_one(desktop: Keyring, secrets: Path) -> None:
    keep(NAME, "first", place=SecretPlace.KEYRING, secrets=secrets)
    assert found_at(secrets) == "first"
    keep(NAME, "second", place=SecretPlace.FILE, secrets=secrets)
    assert found_at(secrets) == "second"
    assert desktop.passwords == {}
    keep(NAME, "third", place=SecretPlace.KEYRING, secrets=secrets)
    assert found_at(secrets) == "third"
    assert files(secrets) == []


@pytest.mark.parametrize("place", SecretPlace)
def test_a_password_is_for_one_host_until_it_is_forgotten(
    desktop: Keyring, secrets: Path, place: SecretPlace
) -> None:
    keep(NAME, "secret", place=place, secrets=secrets)
    with pytest.raises(CredentialMissing):
        found_at(secrets, "imap.example.org")
    forget(password_of(ANN, "imap.example.org"), secrets=secrets)
    assert found_at(secrets) == "secret"
    forget(NAME, secrets=secrets)
    with pytest.raises(CredentialMissing):
        found_at(secrets)
    assert desktop.passwords == {}


@pytest.mark.parametrize("place", SecretPlace)
def test_each_kind_of_secret_is_kept_beside_the_others(
    desktop: Keyring, secrets: Path, place: SecretPlace
) -> None:
    kept = {NAME: "password", TOKENS: LONG, CLIENT: "client secret"}
    for name, secret in kept.items():
        keep(name, secret, place=place, secrets=secrets)
    assert {name: stored(name, secrets=secrets) for name in kept} == {
        name: (secret, place) for name, secret in kept.items()
    }
    forget(TOKENS, secrets=secrets)
    assert stored(TOKENS, secrets=secrets) is None
    assert stored(NAME, secrets=secrets) == ("password", place)


def test_the_names_in_the_keyring_say_what_is_there(desktop: Keyring, secrets: Path) -> None:
    for name in (NAME, TOKENS, CLIENT):
        keep(name, "secret", place=SecretPlace.KEYRING, secrets=secrets)
    assert set(desktop.passwords) == {
        ("mailcrm:imap.example.com", ANN),
        ("mailcrm-oauth2:imap.example.com", ANN),
        ("mailcrm-oauth2-client:google", "1234-abcd.apps.example.com"),
    }


@pytest.mark.parametrize("place", SecretPlace)
def test_a_secret_is_replaced_where_it_is_and_the_other_place_is_left_alone(
    desktop: Keyring, secrets: Path, place: SecretPlace
) -> None:
    keep(TOKENS, "old", place=place, secrets=secrets)
    desktop.locked = place is SecretPlace.FILE
    replace(TOKENS, "new", place=place, secrets=secrets)
    assert stored(TOKENS, secrets=secrets) == ("new", place)


WORDS = st.text(st.sampled_from("aA@.+-_~%=/\\:; \n\0é가\u202e"), max_size=12) | st.text(max_size=400)
NAMES = st.builds(SecretName, kind=st.sampled_from(SecretKind), name=WORDS, host=WORDS)


@settings(max_examples=200, deadline=None)
@given(names=st.sets(NAMES, min_size=2, max_size=6))
@example(names={password_of("o/b@x", "y"), password_of("o_b@x", "y"), password_of("o%2Fb@x", "y")})
@example(names={password_of("", ""), tokens_of("", ""), password_of("..", "/.."), tokens_of("../../x", "")})
@example(names={password_of("a" * 300, "x"), password_of("a" * 301, "x"), tokens_of("a" * 300, "x")})
@example(names={password_of("a@b", "c"), password_of("a", "b@c"), password_of("mailcrm-oauth2=a@b", "c")})
def test_no_two_secrets_share_a_file_and_none_is_outside_the_folder(
    tmp_path_factory: pytest.TempPathFactory, names: set[SecretName]
) -> None:
    secrets = tmp_path_factory.mktemp("home") / "secrets"
    order = sorted(names, key=repr)
    for number, name in enumerate(order):
        replace(name, str(number), place=SecretPlace.FILE, secrets=secrets)
    assert len(files(secrets)) == len(order)
    assert files(secrets.parent) == ["secrets"]
    keyless = [keychain._read_file(secrets / keychain._file_name(name)) for name in order]
    assert keyless == [str(number) for number in range(len(order))]


@pytest.mark.parametrize("name", [NAME, TOKENS, CLIENT])
@pytest.mark.parametrize(
    "use",
    [
        lambda name, secrets: stored(name, secrets=secrets),
        lambda name, secrets: keep(name, "new", place=SecretPlace.KEYRING, secrets=secrets),
        lambda name, secrets: replace(name, "new", place=SecretPlace.KEYRING, secrets=secrets),
        lambda name, secrets: forget(name, secrets=secrets),
    ],
)
def test_a_locked_keyring_is_said_in_a_sentence(
    desktop: Keyring, secrets: Path, name: SecretName, use: Callable[[SecretName, Path], object]
) -> None:
    keep(name, "secret", place=SecretPlace.KEYRING, secrets=secrets)
    desktop.locked = True
    with pytest.raises(CredentialMissing, match="may be locked") as raised:
        use(name, secrets)
    assert str(name) in str(raised.value)
    assert list(desktop.passwords.values()) == ["secret"]


def test_a_file_works_beside_a_keyring_that_never_opens(desktop: Keyring, secrets: Path) -> None:
    desktop.passwords["mailcrm:imap.example.com", ANN] = "old"
    desktop.locked = True
    keep(NAME, "new", place=SecretPlace.FILE, secrets=secrets)
    assert found_at(secrets) == "new"
    desktop.locked = False
    assert found_at(secrets) == "new"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"{PLANTED} is not a D-Bus string"),
        OSError(5, PLANTED),
        UnicodeEncodeError("utf-8", PLANTED, 0, 1, PLANTED),
        KeyringLocked(PLANTED),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(
    "use",
    [
        lambda secrets: stored(TOKENS, secrets=secrets),
        lambda secrets: keep(TOKENS, PLANTED, place=SecretPlace.KEYRING, secrets=secrets),
        lambda secrets: forget(TOKENS, secrets=secrets),
    ],
)
def test_what_a_keyring_says_of_a_secret_is_not_passed_on(
    desktop: Keyring,
    secrets: Path,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    use: Callable[[Path], object],
) -> None:
    desktop.raises = error
    with caplog.at_level("DEBUG"), pytest.raises(CredentialMissing) as raised:
        use(secrets)
    # What -vv prints.
    assert PLANTED not in "".join(traceback.format_exception(raised.value))
    assert PLANTED not in caplog.text


def test_a_secret_that_is_no_text_is_not_quoted(desktop: Keyring, secrets: Path) -> None:
    # As it comes from a terminal or a variable in another character set.
    with pytest.raises(ConfigError, match="Unicode") as raised:
        keep(NAME, f"{PLANTED}\udcff", place=SecretPlace.FILE, secrets=secrets)
    assert PLANTED not in "".join(traceback.format_exception(raised.value))
    assert files(secrets) == []


@pytest.mark.parametrize(
    "backend",
    [
        Untrusted(),
        keyring.backends.fail.Keyring(),  # type: ignore[no-untyped-call] # keyring's
        keyring.backends.null.Keyring(),  # type: ignore[no-untyped-call] # likewise
    ],
    ids=lambda backend: type(backend).__module__,
)
def test_a_keyring_that_nobody_vouches_for_is_not_used(
    monkeypatch: pytest.MonkeyPatch, secrets: Path, backend: object
) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    with pytest.raises(ConfigError, match="no keyring that mailcrm trusts"):
        keep(NAME, "secret", place=SecretPlace.KEYRING, secrets=secrets)
    with pytest.raises(ConfigError, match="no keyring that mailcrm trusts"):
        keychain.require_keyring()
    assert stored(NAME, secrets=secrets) is None
    keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    assert found_at(secrets) == "secret"
    forget(NAME, secrets=secrets)
    assert stored(NAME, secrets=secrets) is None
    assert getattr(backend, "passwords", {}) == {}


def test_of_several_keyrings_only_one_that_is_trusted_gets_a_secret(
    monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    plain, trusted = Untrusted(), Keyring()
    monkeypatch.setattr(keyring.backend, "get_all_keyring", lambda: {plain, trusted})
    monkeypatch.setattr(keyring, "get_keyring", keyring.backends.chainer.ChainerBackend)
    keep(NAME, "secret", place=SecretPlace.KEYRING, secrets=secrets)
    assert (plain.passwords, list(trusted.passwords.values())) == ({}, ["secret"])
    assert found_at(secrets) == "secret"


def test_a_keyring_that_cannot_be_loaded_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "nobody_has_this.Keyring")
    with pytest.raises(KeyringClosed, match="could not be loaded"):
        stored(NAME, secrets=secrets)
    keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    assert found_at(secrets) == "secret"


def test_a_secret_file_that_cannot_be_used_is_said_in_a_sentence(desktop: Keyring, secrets: Path) -> None:
    keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    (kept,) = secrets.iterdir()
    kept.write_bytes(PLANTED.encode() + b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        found_at(secrets)
    assert PLANTED not in "".join(traceback.format_exception(raised.value))
    desktop.set_password(f"mailcrm:{HOST}", ANN, "old")
    with pytest.raises(ConfigError, match="cannot be written"):
        keep(NAME, "new", place=SecretPlace.FILE, secrets=kept)
    assert desktop.passwords, "what is there stays until the new one is kept"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_read_or_write_is_refused(desktop: Keyring, secrets: Path, mode: int) -> None:
    keep(TOKENS, LONG, place=SecretPlace.FILE, secrets=secrets)
    (kept,) = secrets.iterdir()
    kept.chmod(mode)
    with pytest.raises(ConfigError, match="Other users can read") as raised:
        stored(TOKENS, secrets=secrets)
    subprocess.run(shlex.split(raised.value.hint.removeprefix("Run: ")), check=True)
    assert stored(TOKENS, secrets=secrets) == (LONG, SecretPlace.FILE)


def test_a_folder_that_others_can_look_into_is_refused(desktop: Keyring, tmp_path: Path) -> None:
    secrets = tmp_path / "Application Support" / "secrets"
    secrets.mkdir(parents=True, mode=0o755)
    with pytest.raises(ConfigError, match="Other users can read") as raised:
        keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    assert files(secrets) == []
    subprocess.run(shlex.split(raised.value.hint.removeprefix("Run: ")), check=True)
    keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    secrets.chmod(0o711)
    with pytest.raises(ConfigError, match="Other users can read"):
        stored(NAME, secrets=secrets)


def test_a_secret_file_is_ours_alone_whatever_the_umask(desktop: Keyring, secrets: Path) -> None:
    before = os.umask(0)
    try:
        keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    finally:
        os.umask(before)
    (kept,) = secrets.iterdir()
    assert (secrets.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_link_in_the_place_of_a_secret_file_is_not_followed(desktop: Keyring, secrets: Path) -> None:
    keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    (kept,) = secrets.iterdir()
    elsewhere = secrets.parent / "elsewhere"
    elsewhere.write_text("theirs", "utf-8")
    elsewhere.chmod(0o600)
    kept.unlink()
    kept.symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="is not a file"):
        stored(NAME, secrets=secrets)
    keep(NAME, "new", place=SecretPlace.FILE, secrets=secrets)
    assert elsewhere.read_text("utf-8") == "theirs"
    assert stored(NAME, secrets=secrets) == ("new", SecretPlace.FILE)


def test_a_pipe_in_the_place_of_a_secret_file_keeps_nobody_waiting(desktop: Keyring, secrets: Path) -> None:
    keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    (kept,) = secrets.iterdir()
    kept.unlink()
    os.mkfifo(kept, 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        stored(NAME, secrets=secrets)


def test_who_reads_while_others_write_sees_a_whole_secret(desktop: Keyring, secrets: Path) -> None:
    written = ["a" * 5_000, "b" * 5_000]
    keep(TOKENS, written[0], place=SecretPlace.FILE, secrets=secrets)

    def write(secret: str) -> None:
        for _ in range(30):
            replace(TOKENS, secret, place=SecretPlace.FILE, secrets=secrets)

    threads = [threading.Thread(target=write, args=(secret,)) for secret in written]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        found = stored(TOKENS, secrets=secrets)
        assert found is not None
        seen.add(found[0])
    assert seen <= set(written)
    assert len(files(secrets)) == 1


def test_what_a_killed_process_left_is_forgotten_too(desktop: Keyring, secrets: Path) -> None:
    keep(NAME, "secret", place=SecretPlace.FILE, secrets=secrets)
    keep(TOKENS, "tokens", place=SecretPlace.FILE, secrets=secrets)
    (kept,) = (path for path in secrets.iterdir() if path.name.startswith("ann"))
    # As `replace` names it until it is whole.
    (secrets / f"{kept.name}=newab12cd34").write_text("half", "utf-8")
    forget(NAME, secrets=secrets)
    assert [name.split("=")[0] for name in files(secrets)] == ["mailcrm-oauth2"]


PLANTED_ENVIRONMENT = {
    environment_name(ANN): PLANTED,
    "MAILCRM_STORE": f"postgresql://ann:{PLANTED}@db.example.com/crm",
    "PGPASSWORD": PLANTED,
}


def test_a_child_process_gets_no_secret_and_all_else() -> None:
    around = {"PATH": "/bin", "GNUPGHOME": "/gpg", "CREDENTIALS_DIRECTORY": "/run/credentials"}
    assert without_secrets(around | PLANTED_ENVIRONMENT) == around


def test_a_command_gets_no_secret_from_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key, value in PLANTED_ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    seen = tmp_path / "environ"
    assert run_command(f"env > {seen}; echo secret") == "secret"
    assert "PATH=" in seen.read_text()
    assert PLANTED not in seen.read_text()


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


@pytest.mark.parametrize("key", ["password_command", "token_command", "client_secret_command"])
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (f"echo {PLANTED}; exit 3", "failed with exit code 3"),
        ("true", "printed nothing"),
        (f"echo; echo {PLANTED}", "printed nothing"),
        (python(f"import os; os.write(1, b'{PLANTED}' + bytes([255]))"), "something else than UTF-8 text"),
    ],
)
def test_a_command_that_fails_is_named_and_its_output_is_not(key: str, command: str, sentence: str) -> None:
    with pytest.raises(CredentialMissing, match=f"{key} .*{sentence}") as raised:
        run_command(command, key)
    assert PLANTED not in "".join(traceback.format_exception(raised.value))


def test_a_command_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keychain, "_COMMAND_SECONDS", 0.2)
    with pytest.raises(CredentialMissing, match="token_command took more than") as raised:
        run_command(f"echo {PLANTED}; exec sleep 20", "token_command")
    assert PLANTED not in "".join(traceback.format_exception(raised.value))


def test_addresses_that_differ_in_dots_and_dashes_share_a_variable() -> None:
    assert environment_name("a.b@example.com") == environment_name("a-b@example.com")
    assert environment_name("a.b@example.com") == "MAILCRM_PASSWORD_A_B_EXAMPLE_COM"
