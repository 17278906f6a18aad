"""`kithd admin create`: an administrator made with the server stopped, or a text that says why not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kithd import Account, Kithd, Problem, program
from trace import strace

PASSWORD = "correct horse battery"


def create(data: Path, name: str, password: str | bytes | None, *flags: str,
           wrapper: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """password: None gives no line at all, bytes are given as they are."""
    line = b"" if password is None else password if isinstance(password, bytes) else password.encode() + b"\n"
    done = subprocess.run([*(wrapper or []), str(program("kithd")), "admin", "create", name, "--data", str(data), *flags],
                          input=line, capture_output=True, timeout=60, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def login(kithd: Kithd, name: str, password: str) -> Account:
    return kithd.login(Account("", "", "", "", name, password))


def refused(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert done.returncode == code and done.stdout == "", done
    for part in parts:
        assert part in done.stderr, done.stderr


def talk(kithd: Kithd) -> None:
    """So that there is something in the log to be replayed; the killed server leaves its tail unproven."""
    ann, bob = kithd.people("ann", "bob")
    kithd.chat(ann, bob)
    kithd.kill9()




def test_an_administrator_is_made_and_can_sign_in(make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    done = create(tmp_path / "data", "Ada", PASSWORD)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ada is an administrator now.\n", "")
    kithd = make_kithd("--registration", "closed", data=tmp_path / "data")
    ada = login(kithd, "ada", PASSWORD)
    assert kithd.rest("GET", "/users/me", token=ada.access_token)["role"] == "admin"
    assert kithd.invite is None  # the first administrator is there


def test_one_is_made_beside_people_and_a_taken_name_is_refused(kithd: Kithd) -> None:
    talk(kithd)
    refused(create(kithd.data, "BOB", PASSWORD), 1, "name")
    assert create(kithd.data, "ada", PASSWORD).returncode == 0
    refused(create(kithd.data, "ada", PASSWORD), 1, "name")
    kithd.start()
    ada = login(kithd, "ada", PASSWORD)
    assert kithd.rest("GET", "/users/me", token=ada.access_token)["role"] == "admin"
    with pytest.raises(Problem) as problem:
        login(kithd, "bob", PASSWORD)
    assert problem.value.code == "BAD_CREDENTIALS"


@pytest.mark.parametrize("password", [
    pytest.param("x" * 1024, id="of 1024 bytes"),
    pytest.param("ä" * 512, id="of 1024 bytes in 512 characters"),
    pytest.param("äöüßéèàñ", id="of 8 characters"),
    pytest.param(b"without an end of line", id="without an end of line"),
    pytest.param(b"the first line\nanother one\n", id="and another line"),
])
def test_a_password_at_its_limits_is_taken_whole(make_kithd: Callable[..., Kithd], tmp_path: Path,
                                                 password: str | bytes) -> None:
    done = create(tmp_path / "data", "ada", password)
    assert done.returncode == 0, done.stderr
    kithd = make_kithd("--registration", "closed", data=tmp_path / "data")
    login(kithd, "ada", password if isinstance(password, str) else password.decode().split("\n")[0])


@pytest.mark.parametrize("password, said", [
    pytest.param(None, "No password", id="none"),
    pytest.param("", "No password", id="an empty line"),
    pytest.param("seven c", "The password is too short", id="of 7 characters"),
    pytest.param("äöüßéèà", "The password is too short", id="of 7 characters in 14 bytes"),
    pytest.param("x" * 1025, "The password is too long", id="of 1025 bytes"),
    pytest.param(b"x" * 100_000, "The password is too long", id="without end"),
    pytest.param(b"latin\xe4 one\n", "The password is not valid UTF-8", id="in Latin-1"),
])
def test_a_bad_password_is_refused_before_anything_is_made(tmp_path: Path, password: str | bytes | None,
                                                           said: str) -> None:
    refused(create(tmp_path / "data", "ada", password), 1, said)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name, said", [
    pytest.param("a" * 65, "The name is too long", id="of 65 bytes"),
    pytest.param("1ada", "A name is a letter", id="that begins with a digit"),
    pytest.param("a", "A name is a letter", id="of one letter"),
    pytest.param("", "A name is a letter", id="that is empty"),
])
def test_a_bad_name_is_refused_before_anything_is_made(tmp_path: Path, name: str, said: str) -> None:
    refused(create(tmp_path / "data", name, PASSWORD), 1, said)
    assert not (tmp_path / "data").exists()


def test_without_a_name_or_with_two_it_is_wrong_use(tmp_path: Path) -> None:
    refused(create(tmp_path / "data", "ada", PASSWORD, "eve"), 2, "one NAME")
    done = subprocess.run([str(program("kithd")), "admin", "create", "--data", str(tmp_path / "data")], timeout=60,
                          input=b"", capture_output=True, check=False)
    assert done.returncode == 2 and b"one NAME" in done.stderr


def test_a_running_server_keeps_its_folder(kithd: Kithd) -> None:
    refused(create(kithd.data, "ada", PASSWORD), 1, f"another kithd is using the data folder {kithd.data}")
    kithd.rest("GET", "/readyz")


def test_a_damaged_log_is_named(kithd: Kithd) -> None:
    talk(kithd)
    [segment, *_] = sorted(f for f in (kithd.data / "log").iterdir() if f.is_file())
    content = bytearray(segment.read_bytes())
    content[8] ^= 0x55
    segment.write_bytes(bytes(content))
    refused(create(kithd.data, "ada", PASSWORD), 1, segment.name)


def test_a_log_that_fails_before_its_replay_ends_it(kithd: Kithd, tmp_path: Path) -> None:
    talk(kithd)
    failing = strace("-y", "-o", str(tmp_path / "trace"), "-e", "trace=fdatasync", "-P",
                     str(min((kithd.data / "log").iterdir())), "-e", "inject=fdatasync:error=EIO")
    refused(create(kithd.data, "ada", PASSWORD, wrapper=failing), 1, "the command log cannot be replayed", "sync")
    assert "INJECTED" in (tmp_path / "trace").read_text()
    assert create(kithd.data, "ada", PASSWORD).returncode == 0
