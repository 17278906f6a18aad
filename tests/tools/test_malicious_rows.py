"""The rows of tests/malicious: each has a test, each test has a row, rows.md has them all, and they run natively and as WebAssembly."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/dev"), str(ROOT / "tests/malicious")]
import gates  # noqa: E402
import rows  # noqa: E402


def test_each_row_has_a_test_and_each_test_a_row():
    assert {row for row, _, _ in rows.tests()} == set(rows.rows())


def test_the_table_has_the_tests_that_there_are():
    assert rows.shown() == [(row, name) for row, name, _ in rows.tests()], "run tests/malicious/rows.py"


def test_every_program_runs_on_both():
    names = {item.name for item in gates.candidates("all", [])}
    for _, _, program in rows.tests():
        assert {f"debug {program}", f"asan {program}", f"wasm {program}"} <= names
