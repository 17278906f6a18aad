"""kithd's own commands, and what it refuses to start with: each time with a text that says what is wrong."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from kithd import Kithd, program


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(program("kithd")), *arguments], capture_output=True, text=True, timeout=60, cwd=cwd,
                          check=False)


def test_the_defaults_are_a_good_configuration(tmp_path: Path) -> None:
    defaults = run("config", "defaults", cwd=tmp_path)
    assert defaults.returncode == 0 and "segment_bytes" in defaults.stdout
    file = tmp_path / "kith.yaml"
    file.write_text(defaults.stdout)
    checked = run("config", "check", "--config", str(file), cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "good" in checked.stdout


def test_a_flag_beats_the_file_and_origin_says_so(tmp_path: Path) -> None:
    file = tmp_path / "kith.yaml"
    file.write_text("registration: closed\nlog:\n  keep: 3d\n")
    shown = run("config", "show", "--origin", "--config", str(file), "--registration", "open", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    lines = {line.split(":")[0].strip(): line for line in shown.stdout.splitlines() if ":" in line}
    assert "open" in lines["registration"] and "flag" in lines["registration"]
    assert "3d" in lines["keep"] and "file" in lines["keep"]


def test_an_unknown_key_is_named_with_its_line_and_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "kith.yaml"
    file.write_text("listen: 127.0.0.1:0\nregistraton: open\n")
    refused = run("config", "check", "--config", str(file), cwd=tmp_path)
    assert refused.returncode != 0
    for part in (str(file), "2", "registraton", "registration"):
        assert part in refused.stderr, refused.stderr
    by_flag = run("--registraton", "open", cwd=tmp_path)
    assert by_flag.returncode != 0 and "registration" in by_flag.stderr


@pytest.mark.parametrize("command", ["serve", "config check", "config show", "config show --origin", "config defaults",
                                     "log verify", "version", "help"])
def test_a_word_too_many_is_wrong_use(command: str, tmp_path: Path) -> None:
    refused = run(*command.split(), "kith.yaml", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "") and "'kith.yaml'" in refused.stderr, refused
    assert not list(tmp_path.iterdir())


def test_a_long_public_url_is_shown_whole_and_one_that_is_too_long_refused(tmp_path: Path) -> None:
    url = f"https://{'long.' * 200}example:8443"
    server = Kithd(tmp_path / "data", "--public_url", url).start(wait=False)
    deadline = time.monotonic() + 60
    while "--invite" not in server.text():
        assert server.process is not None and server.process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    assert f"running at {url}\n" in server.text() and f"--server {url} --invite" in server.text()
    assert server.stop() == 0
    refused = run("--data", str(tmp_path / "other"), "--public_url", "x" * 2049, cwd=tmp_path)
    assert refused.returncode == 2 and "public_url: more than 2048 bytes" in refused.stderr, refused.stderr


def test_a_data_folder_that_is_too_long_is_refused_and_not_cut(tmp_path: Path) -> None:
    refused = run("--data", "x" * 2049, cwd=tmp_path)
    assert refused.returncode == 2 and "data: more than 2048 bytes" in refused.stderr, refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_second_server_on_the_same_folder_is_refused(kithd: Kithd, tmp_path: Path) -> None:
    second = run("--data", str(kithd.data), "--listen", "127.0.0.1:0", cwd=tmp_path)
    assert second.returncode != 0
    assert f"another kithd is using the data folder {kithd.data}" in second.stderr
    kithd.rest("GET", "/readyz")


def test_a_newer_directory_is_refused(kithd: Kithd, tmp_path: Path) -> None:
    assert kithd.stop() == 0
    [file] = [f for f in kithd.data.rglob("*") if f.is_file() and f.read_bytes()[:15] == b"SQLite format 3"]
    with sqlite3.connect(file) as directory:
        directory.execute("PRAGMA user_version = 9999")
    directory.close()
    refused = run("--data", str(kithd.data), "--listen", "127.0.0.1:0", cwd=tmp_path)
    assert refused.returncode != 0
    assert "9999" in refused.stderr and "newer" in refused.stderr, refused.stderr
