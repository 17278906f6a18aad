"""The history checker as a program: its two ways to start, its output, its exit codes, the files it reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

from check_history.generate import generate, write_history
from check_history.inject import broken


def run(*arguments: object, module: bool = False) -> tuple[int, str]:
    start = ["-m", "check_history"] if module else [str(TOOLS / "check_history")]
    environment = {**os.environ, "PYTHONPATH": str(TOOLS)} if module else {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run([sys.executable, *start, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("module", [True, False])
def test_check_history__says_valid(tmp_path: Path, module: bool) -> None:
    write_history(generate(1), tmp_path / "run")
    code, output = run(tmp_path / "run", "--seed", "77", "--commit", "abc", module=module)
    lines = output.splitlines()
    assert (code, lines[0]) == (0, "valid")
    assert "seed: 77" in lines and "commit: abc" in lines and "torn_lines: 0" in lines
    assert any(line.startswith("ops: ") and "send ok" in line for line in lines)


@pytest.mark.parametrize("module", [True, False])
def test_check_history__says_invalid_with_a_witness(tmp_path: Path, module: bool) -> None:
    write_history(broken("lost_without_a_trace", 1), tmp_path)
    code, output = run(tmp_path, module=module)
    lines = output.splitlines()
    assert (code, lines[0]) == (1, "invalid: lost")
    count = int(lines[2].removeprefix("witness (").removesuffix(" ops):"))
    witness = [json.loads(line) for line in lines[3 : 3 + count]]
    assert 1 <= count <= 20 and all(Path(line["file"]).parent == tmp_path for line in witness)


def test_check_history__prints_one_object(tmp_path: Path) -> None:
    write_history(broken("applied_twice", 1), tmp_path)
    code, output = run(tmp_path, "--json", "--seed", "5")
    result = json.loads(output)
    assert (code, result["verdict"], result["name"], result["seed"]) == (1, "invalid", "duplicated to user", "5")
    assert len(result["witness"]) == 2 and result["found"] == {"duplicated to user": 1}
    assert result["counters"]["acked"] > 0


def test_check_history__says_unknown(tmp_path: Path) -> None:
    write_history(generate(1), tmp_path)
    code, output = run(tmp_path, "--min-acked", "1000000")
    assert code == 2 and output.startswith("unknown: ") and "at least 1000000" in output
    assert run(tmp_path / "nowhere")[0] == 2
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty")[0] == 2


def test_check_history__leaves_out_a_torn_last_line(tmp_path: Path) -> None:
    write_history(generate(1), tmp_path)
    log = next(tmp_path.glob("client-*.jsonl"))
    whole = log.read_text()
    log.write_text(whole + '{"f":"appl')
    code, output = run(tmp_path)
    assert code == 0 and "torn_lines: 1" in output
    log.write_text(whole + '{"f":"appl\n')
    code, output = run(tmp_path)
    assert code == 2 and f"{log}@{len(whole.encode())}" in output
    log.write_text(whole + "{} {}\n")
    code, output = run(tmp_path)
    assert code == 2 and "more after the object" in output


def test_check_history__reads_the_cycles_of_one_life_together(tmp_path: Path) -> None:
    """A device that goes on in another folder, under the same or another file name, is the same device."""
    for name, lines in generate(1).items():
        half = len(lines) // 2
        parts = {"a": lines[:half], "b": lines[half:]} if name.startswith("client") else {"a": lines}
        for folder, part in parts.items():
            write_history({name: part}, tmp_path / folder)
    assert run(tmp_path)[0] == 0
    assert run(tmp_path / "a", tmp_path / "b")[0] == 0
    code, output = run(tmp_path / "a")
    assert code == 1, output


@pytest.mark.parametrize(("program", "arguments", "last"), [
    ("generate.py", ["--seeds", "3", "--jobs", "1"], "3 valid histories, 0 false alarms"),
    ("inject.py", ["--seeds", "1", "--kind", "applied_twice", "--jobs", "1"], "1 kinds, 1 injections, 0 wrong"),
    ("inject.py", ["--list"], "kinds, "),
])  # fmt: skip
def test_check_history__checks_itself(program: str, arguments: list[str], last: str) -> None:
    done = subprocess.run([sys.executable, str(TOOLS / "check_history" / program), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert last in done.stdout.splitlines()[-1]
