"""The test runner itself: what it counts, in which order it runs, what it does when something is broken."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "dev"))
import gates  # noqa: E402
import test as runner  # noqa: E402


def item(name, ok=True, after=(), weight=1, log=None):
    def action(_folder):
        if log is not None:
            log.append(name)
        return gates.Result(ok, "said something")
    return gates.Item(name, action, after=list(after), weight=weight)


def results(items):
    return {r.name: (r.passed, r.failed) for r in runner.Runner(items).run()}


def test_each_item_counts_as_one(capsys):
    assert results([item("a"), item("b", ok=False)]) == {"a": (1, 0), "b": (0, 1)}
    output = capsys.readouterr().out
    assert "ok  " in output and "FAIL" in output and "    said something" in output


def test_an_item_waits_for_what_it_comes_after():
    log = []
    results([item("build", weight=2, log=log), item("test", after=["build"], log=log), item("other", log=log)])
    assert log.index("build") < log.index("test")


def test_a_broken_gate_fails_and_the_rest_runs():
    def broken(_folder):
        raise OSError("no such program")
    assert results([gates.Item("broken", broken), item("a")]) == {"broken": (0, 1), "a": (1, 0)}


@pytest.mark.parametrize("command, passed", [(["true"], 1), (["false"], 0), (["sleep", "5"], 0)])
def test_a_program_fails_by_its_exit_code_or_by_time(tmp_path, command, passed):
    assert gates.run(command, tmp_path, 0.5).passed == passed


def junit(tmp_path, cases):
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return report


def test_pytest_cases_count_one_by_one(tmp_path):
    cases = "<testcase/><testcase/><testcase><failure/></testcase><testcase><error/></testcase><testcase><skipped/></testcase>"
    result = gates.read_junit(gates.Result(False), junit(tmp_path, cases))
    assert (result.passed, result.failed, result.skipped) == (2, 2, 1)


def test_a_pytest_that_died_without_a_failed_case_is_a_failure(tmp_path):
    assert gates.read_junit(gates.Result(False), junit(tmp_path, "<testcase/>")).failed == 1
    assert gates.read_junit(gates.Result(False), tmp_path / "none.xml").failed == 1


def test_names_match_with_and_without_prefix_and_by_pattern():
    keys = gates.pytest_keys([gates.ROOT / "tests/tools/test_gates.py"])
    for name in ("gates", "test_gates", "tests/tools/test_gates.py", "gat*"):
        assert gates.matches(keys, [name])
    assert not gates.matches(keys, ["gate"])
