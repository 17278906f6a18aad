"""The history checker at each of its limits and one past it, and in cases too rare for the generator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_history.checker import Result, check
from check_history.reader import MemorySource
from history_by_hand import SECOND, Logs

Files = dict[str, list[dict[str, Any]]]


def verdict(files: Files, acked_min: int | None = None) -> str:
    return said(check(MemorySource(files), acked_min))


def said(result: Result) -> str:
    return result.name or f"{result.verdict} {result.why}".strip()


def test_check_history__accepts_the_smallest_history() -> None:
    logs = Logs()
    logs.message("ann", "k1", 10, 20)
    assert verdict(logs.end(100)) == "valid"


# ---------------------------------------------------------------------------------------------- limits in time


@pytest.mark.parametrize(("late", "expected"), [(5 * SECOND, "valid"), (5 * SECOND + 1, "stale access")])
def test_check_history__lets_five_seconds_pass_after_a_revocation(late: int, expected: str) -> None:
    logs = Logs(people=("ann", "bob"))
    logs.two("connect", "ann-phone", 7, 8)
    logs.two("resume", "ann-phone", 8, 9)
    logs.deliver("chat", 1, 9, to=("ann-phone",), type="created", event={"members": ["ann", "bob"]})
    logs.two("auth", "ann", 10, 20, extra={"op": "revoke", "ends": ["ann-phone"]})
    logs.message("bob", "k1", 30, 40)
    logs.frame("ann-phone", "chat", 2, 20 + late, "k1", "h-k1")
    logs.line("ann-phone", "close", "ok", t1=20 + late, extra={"reason": "revoked"})
    assert verdict(logs.end(20 * SECOND)) == expected


@pytest.mark.parametrize(("late", "expected"), [(5 * SECOND, "valid"), (5 * SECOND + 1, "stale access")])
def test_check_history__grants_nothing_that_began_five_seconds_after_a_logout(late: int, expected: str) -> None:
    logs = Logs()
    logs.line("ann-phone", "auth", "invoke", op=900, t0=0, extra={"op": "login"})
    logs.line("ann-phone", "auth", "ok", op=900, t1=1)
    logs.two("auth", "ann-phone", 10, 20, extra={"op": "logout", "ends": ["ann-phone"]})
    logs.two("history", "ann-phone", 20 + late, 30 * SECOND, c="chat", extra={"after": 0, "limit": 9},
             ok={"extra": {"got": [], "head": None}})  # fmt: skip
    assert verdict(logs.end(20 * SECOND)) == expected


@pytest.mark.parametrize(("length", "down", "expected"), [
    (10 * SECOND, 0, "valid"), (10 * SECOND + 1, 0, "availability"),
    (12 * SECOND, 2 * SECOND, "valid"), (12 * SECOND + 1, 2 * SECOND, "availability"),
])  # fmt: skip
def test_check_history__lets_writes_fail_for_ten_seconds(length: int, down: int, expected: str) -> None:
    logs = Logs()
    logs.message("ann", "k1", 10, 20)
    if down:
        logs.fault("kill", 40, 40 + down, down=True)
    for t in range(30, 30 + length - 10, 4 * SECOND):
        logs.send("ann", "k2", t, t + 5, kind="fail", retryable=True)
    logs.send("ann", "k2", 30 + length - 10, 30 + length, kind="info")
    logs.message("ann", "k3", 31 + length, 32 + length)
    assert verdict(logs.end(60 * SECOND)) == expected


@pytest.mark.parametrize(("idle", "expected"), [(5 * SECOND, "availability"), (5 * SECOND + 1, "valid")])
def test_check_history__joins_failures_that_are_five_seconds_apart(idle: int, expected: str) -> None:
    logs = Logs()
    for number in range(4):
        logs.send("ann", "k1", 10 + number * idle, 10 + number * idle, kind="fail", retryable=True)
    assert verdict(logs.end(60 * SECOND)) == expected


@pytest.mark.parametrize(("length", "extra", "expected"), [
    (10 * SECOND, {}, "valid"), (10 * SECOND + 1, {}, "availability"), (20 * SECOND, {"retryable": False}, "valid"),
])  # fmt: skip
def test_check_history__lets_connects_fail_for_ten_seconds(length: int, extra: dict[str, Any], expected: str) -> None:
    logs = Logs()
    logs.line("bob", "close", "ok", t1=20, extra={"reason": "reset"})
    for number, t in enumerate((*range(30, 30 + length - 10, 4 * SECOND), 30 + length - 10)):
        logs.two("connect", "bob", t, min(t + SECOND, 30 + length), "fail", ok={"extra": extra}, conn=2 + number)
    assert verdict(logs.end(60 * SECOND)) == expected


def test_check_history__counts_a_refusal_for_good_as_no_failure_to_write() -> None:
    logs = Logs()
    logs.send("ann", "k1", 10, 20, kind="fail")
    logs.send("ann", "k1", 50 * SECOND, 51 * SECOND, kind="fail")
    assert verdict(logs.end(60 * SECOND)) == "valid"


@pytest.mark.parametrize(("failed", "sends", "expected"), [(1, 1000, "valid"), (2, 1000, "availability"), (2, 999, "valid")])
def test_check_history__wants_999_of_1000_after_healing(failed: int, sends: int, expected: str) -> None:
    logs = Logs()
    logs.fault("kill", 10, 20)
    t = 20 + 30 * SECOND
    for number in range(sends):
        if number < failed:
            logs.send("ann", f"k{number}", t + number * 10, t + number * 10 + 5, kind="fail", retryable=True)
        else:
            logs.message("ann", f"k{number}", t + number * 10, t + number * 10 + 5)
    assert verdict(logs.end(60 * SECOND)) == expected


@pytest.mark.parametrize(("stays", "expected"), [(5 * SECOND, "valid"), (5 * SECOND + 1, "ack while read-only")])
def test_check_history__lets_the_banner_go_five_seconds_late(stays: int, expected: str) -> None:
    logs = Logs()
    logs.line("ann", "mode", "ok", t1=10, extra={"mode": "read-only"})
    logs.message("ann", "k1", 11, 20)
    logs.line("ann", "mode", "ok", t1=20 + stays, extra={"mode": "normal"})
    assert verdict(logs.end(60 * SECOND)) == expected


def test_check_history__lets_a_repeat_be_answered_in_read_only_mode() -> None:
    logs = Logs()
    logs.two("send", "ann", 8, 9, "info", c="chat", k="k1", hash="h-k1")
    logs.line("ann", "mode", "ok", t1=10, extra={"mode": "read-only"})
    logs.message("ann", "k1", 11, 20)
    assert verdict(logs.end(60 * SECOND)) == "valid"


@pytest.mark.parametrize(("before", "expected"), [(60 * SECOND, "valid"), (60 * SECOND + 1, "region loss")])
def test_check_history__lets_a_region_take_its_last_minute(before: int, expected: str) -> None:
    logs = Logs()
    logs.message("ann", "k1", 10, 20)
    logs.send("ann", "k2", 30, 40)
    logs.files["dump.jsonl"].pop()
    logs.fault("region", 40 + before, None)
    assert verdict(logs.end(200 * SECOND)) == expected


@pytest.mark.parametrize(("late", "expected"), [(45 * SECOND, "valid"), (45 * SECOND + 1, "presence")])
def test_check_history__shows_nobody_online_for_longer_than_45_seconds(late: int, expected: str) -> None:
    logs = Logs()
    logs.line("bob", "close", "ok", t1=20, extra={"reason": "retired"})
    logs.line("ann", "presence_in", "ok", t1=20 + late, extra={"user": "bob", "online": True})
    logs.people = ("ann",)
    assert verdict(logs.end(60 * SECOND)) == expected


@pytest.mark.parametrize(("reason", "late", "expected"), [
    ("clean", 5 * SECOND, "valid"), ("clean", 5 * SECOND + 1, "presence"),
    ("reset", 45 * SECOND, "valid"), ("reset", 45 * SECOND + 1, "presence"),
])  # fmt: skip
def test_check_history__shows_offline_in_time(reason: str, late: int, expected: str) -> None:
    logs = Logs()
    logs.line("ann", "presence_in", "ok", t1=10, extra={"user": "bob", "online": True})
    logs.line("bob", "close", "ok", t1=20, extra={"reason": reason})
    logs.line("ann", "presence_in", "ok", t1=20 + late, extra={"user": "bob", "online": False})
    logs.two("connect", "bob", 50 * SECOND, 50 * SECOND + 1, conn=2)
    logs.line("ann", "presence_in", "ok", t1=50 * SECOND + 2, extra={"user": "bob", "online": True})
    for line in logs.files["bob.jsonl"][-2:]:
        line["conn"] = 2
    files = logs.end(60 * SECOND)
    files["bob.jsonl"][-1]["conn"] = 2
    assert verdict(files) == expected


@pytest.mark.parametrize(("late", "expected"), [(2 * SECOND, "valid"), (2 * SECOND + 1, "presence")])
def test_check_history__shows_online_in_two_seconds(late: int, expected: str) -> None:
    logs = Logs()
    logs.line("ann", "presence_in", "ok", t1=10, extra={"user": "bob", "online": False})
    logs.two("connect", "bob-phone", 20, 30)
    logs.line("ann", "presence_in", "ok", t1=30 + late, extra={"user": "bob", "online": True})
    assert verdict(logs.end(60 * SECOND)) == expected


# ---------------------------------------------------------------------------------------------- rare cases


def test_check_history__finds_a_circle_over_two_chats() -> None:
    """Ann reads q in one chat and answers in the other; Bob reads the answer, writes in the first, and gets the number below q."""
    logs = Logs(chats=("one", "two"), people=("ann", "bob", "eve"))
    logs.send("eve", "q", 10, 90, "one", s=3, kind="info")
    logs.stored("one", 3, "q", "h-q")
    logs.deliver("one", 3, 20, "q", "h-q", to=("ann",))
    answer = logs.message("ann", "answer", 30, 40, "two")
    logs.send("bob", "x", 50, 60, "one", s=2)
    assert answer == 2
    logs.deliver("one", 2, 70, "x", "h-x")
    logs.deliver("one", 3, 80, "q", "h-q", to=("bob", "eve"))
    result = check(MemorySource(logs.end(100)))
    assert said(result) == "causal violation"
    shown = {(line["f"], line.get("k")) for line in result.witness}
    assert {("send", "answer"), ("send", "x")} <= shown


def test_check_history__takes_answers_in_order_for_no_circle() -> None:
    logs = Logs(chats=("one", "two"), people=("ann", "bob", "eve"))
    logs.message("eve", "q", 10, 20, "one")
    logs.message("ann", "answer", 30, 40, "two")
    logs.message("bob", "x", 50, 60, "one")
    assert verdict(logs.end(100)) == "valid"


@pytest.mark.parametrize(("after", "expected"), [(None, "valid"), ("k1", "FIFO")])
def test_check_history__binds_a_refused_message_only_by_after(after: str | None, expected: str) -> None:
    """The first was refused and sent again while the second was taken: without `after` that is allowed."""
    logs = Logs()
    extra = {} if after is None else {"after": after}
    logs.send("ann", "k1", 10, 20, kind="fail", retryable=True)
    logs.send("ann", "k2", 15, 60, s=2, **extra)
    logs.deliver("chat", 2, 60, "k2", "h-k2")
    logs.send("ann", "k1", 30, 70, s=3)
    logs.deliver("chat", 3, 70, "k1", "h-k1")
    assert verdict(logs.end(100)) == expected


def test_check_history__accepts_a_new_epoch_and_its_recorded_gap() -> None:
    logs = Logs()
    logs.message("ann", "k1", 10, 20)
    logs.files["dump.jsonl"].append({"c": "chat", "s": 1002, "e": 2, "type": "gap", "gap_from": 3})
    for person in logs.people:
        logs.line(person, "frame", "ok", c="chat", s=1002, e=2, t1=30, extra={"type": "gap", "gap_from": 3})
    logs.send("bob", "k2", 40, 50, s=1003)
    logs.deliver("chat", 1003, 60, "k2", "h-k2")
    assert verdict(logs.end(100)) == "valid"
    logs.files["dump.jsonl"] = [line for line in logs.files["dump.jsonl"] if line.get("type") != "gap"]
    assert verdict(logs.files) == "gap/stuck"


def test_check_history__takes_a_message_without_answer_as_right_either_way() -> None:
    logs = Logs()
    logs.send("ann", "absent", 10, None, kind="info")
    logs.send("ann", "present", 30, None, kind="info")
    logs.stored("chat", 2, "present", "h-present")
    logs.deliver("chat", 2, 40, "present", "h-present")
    result = check(MemorySource(logs.end(100)))
    assert said(result) == "valid"
    assert (result.counters["unknown_present"], result.counters["unknown_absent"]) == (1, 1)


def test_check_history__wants_no_body_of_what_was_deleted_only() -> None:
    logs = Logs()
    logs.message("ann", "k1", 10, 20)
    read = {"c": "chat", "extra": {"after": 1, "limit": 1}}
    logs.two("history", "bob", 50, 60, ok={"extra": {"got": [[2, 1, "k1", "", {"body": "deleted"}]], "head": 3}}, **read)
    files = logs.end(100)
    assert verdict(files) == "corrupt"
    logs.two("delete", "ann", 30, None, c="chat", extra={"target": 2})
    assert verdict(files) == "valid"


@pytest.mark.parametrize(("own", "expires", "sealed", "expected"), [
    (True, False, False, "valid"), (False, True, False, "valid"), (False, False, True, "corrupt"), (False, False, False, "corrupt"),
])  # fmt: skip
def test_check_history__knows_the_reasons_for_a_missing_body(own: bool, expires: bool, sealed: bool, expected: str) -> None:
    logs = Logs()
    s = logs.send("ann", "k1", 10, 20, **({"expires_at": "soon"} if expires else {}))
    logs.deliver("chat", s, 20, "k1", "h-k1", to=("bob" if own else "ann",))
    logs.frame("ann" if own else "bob", "chat", s, 20, "k1", "", **({"body": "sealed"} if sealed else {}))
    logs.apply("ann" if own else "bob", "chat", s, 20)
    files = logs.end(100)
    assert verdict(files) == expected
    for line in files["ann.jsonl"]:
        if line["f"] == "member" and line["type"] == "invoke":
            line["extra"]["encrypted"] = True
    assert verdict(files) == ("valid" if sealed else expected)


def test_check_history__takes_the_history_of_a_left_chat_up_to_the_leaving() -> None:
    logs = Logs()
    logs.message("ann", "k1", 10, 20)
    leave = {"op": "leave", "user_id": "bob"}
    logs.two("member", "bob", 30, 40, c="chat", extra=leave, ok={"s": 3})
    logs.stored("chat", 3, "", "", type="member", event=leave)
    logs.deliver("chat", 3, 40, type="member", event=leave)
    logs.send("ann", "k2", 50, 60)
    logs.deliver("chat", 4, 60, "k2", "h-k2", to=("ann",))
    got = [[1, 1, "", "", {"type": "created", "event": {"members": ["ann", "bob"]}}], [2, 1, "k1", "h-k1"],
           [3, 1, "", "", {"type": "member", "event": leave}]]  # fmt: skip
    read = {"c": "chat", "extra": {"after": 0, "limit": 9}}
    logs.two("history", "bob", 70, 80, ok={"extra": {"got": got, "head": 3}}, **read)
    files = logs.end(100)
    assert verdict(files) == "valid"
    got.append([4, 1, "k2", "h-k2"])
    assert verdict(files) == "leak"


def test_check_history__takes_no_view_for_the_end_that_could_not_show_it() -> None:
    """Without a dump, only a final reader who may see a message can say that it is lost."""
    logs = Logs()
    leave = {"op": "leave", "user_id": "bob"}
    logs.two("member", "bob", 30, 40, c="chat", extra=leave, ok={"s": 2})
    logs.deliver("chat", 2, 40, type="member", event=leave)
    logs.send("ann", "k1", 50, 60, s=3)
    logs.deliver("chat", 3, 60, "k1", "h-k1", to=("ann",))
    got = [[1, 1, "", "", {"type": "created", "event": {"members": ["ann", "bob"]}}],
           [2, 1, "", "", {"type": "member", "event": leave}]]  # fmt: skip
    files = logs.end(100)
    del files["dump.jsonl"]
    read = {"c": "chat", "extra": {"after": 0, "limit": 9}}
    logs.two("history", "bob-fresh", 200, 210, ok={"extra": {"got": got, "head": 2}}, **read)
    assert verdict(files) == "valid"
    logs.two("history", "ann-fresh", 200, 210, ok={"extra": {"got": got, "head": 2}}, **read)
    assert verdict(files) == "lost"


def test_check_history__finds_a_watermark_that_a_lost_region_does_not_explain() -> None:
    logs = Logs()
    logs.message("ann", "k1", 10, 20)
    logs.two("ackpos", "bob", 30, 40, c="chat", s=2)
    logs.line("ann", "receipt_in", "ok", c="chat", t1=50, extra={"user": "bob", "delivered": 2, "read": 0})
    logs.line("ann", "receipt_in", "ok", c="chat", t1=70, extra={"user": "bob", "delivered": 1, "read": 0})
    files = logs.end(100)
    assert verdict(files) == "receipts"
    logs.fault("region", 60, None)
    assert verdict(files) == "valid"


def test_check_history__shows_at_most_twenty_lines() -> None:
    logs = Logs()
    logs.fault("kill", 10, 20)
    t = 20 + 30 * SECOND
    for number in range(1000):
        logs.send("ann", f"k{number}", t + number, t + number + 1, kind="fail", retryable=True)
    result = check(MemorySource(logs.end(60 * SECOND)))
    assert said(result) == "availability"
    assert len(result.witness) == 20


def test_check_history__leaves_refusals_for_good_out_of_the_success_ratio() -> None:
    logs = Logs()
    logs.fault("kill", 10, 20)
    t = 20 + 30 * SECOND
    for number in range(1000):
        logs.message("ann", f"k{number}", t + number * 10, t + number * 10 + 5)
    for number in range(10):
        logs.send("ann", f"refused{number}", t + 20_000 + number, t + 20_001 + number, kind="fail")
    assert verdict(logs.end(60 * SECOND)) == "valid"


def test_check_history__compares_the_sender_in_the_dump() -> None:
    logs = plain()
    logs.files["dump.jsonl"][-1]["sender"] = "ann"
    assert verdict(logs.end(1000)) == "valid"
    logs.files["dump.jsonl"][-1]["sender"] = "bob"
    assert verdict(logs.files) == "corrupt"


# ---------------------------------------------------------------------------------------------- unknown


def unknown(files: Files, acked_min: int | None = None) -> str:
    result = check(MemorySource(files), acked_min)
    assert result.verdict == "unknown", said(result)
    return result.why


def plain(messages: int = 3) -> Logs:
    logs = Logs()
    for number in range(messages):
        logs.message("ann", f"k{number}", 10 + 20 * number, 20 + 20 * number)
    return logs


def planned(logs: Logs, **extra: Any) -> Logs:
    logs.files["nemesis.jsonl"][0]["extra"] = {"acks_in_faults": 0, **extra}
    return logs


def test_check_history__is_unknown_below_nine_tenths_of_the_plan() -> None:
    assert verdict(planned(plain(9), ops={"send": 10}).end(1000)) == "valid"
    assert unknown(planned(plain(8), ops={"send": 9}).end(1000)) == "8 of 9 planned send operations ran"


def test_check_history__is_unknown_when_a_planned_fault_never_fired() -> None:
    logs = planned(plain(), faults={"kill": 2})
    logs.fault("kill", 10, 20)
    assert unknown(logs.end(1000)) == "1 of 2 planned faults of kind kill fired"
    logs.fault("kill", 30, 40)
    assert verdict(logs.files) == "valid"


def test_check_history__is_unknown_with_too_few_acks_under_faults() -> None:
    logs = planned(plain(), acks_in_faults=2)
    logs.fault("slow", 15, 35)
    assert verdict(logs.end(1000)) == "valid"
    planned(logs, acks_in_faults=3)
    assert unknown(logs.files) == "2 acknowledgements came inside fault windows, 3 were planned"
    del logs.files["nemesis.jsonl"][0]["extra"]["acks_in_faults"]
    planned(logs, faults={"slow": 1})
    del logs.files["nemesis.jsonl"][0]["extra"]["acks_in_faults"]
    assert unknown(logs.files).endswith("1000 were planned")


def test_check_history__adds_up_the_plans_of_several_runs() -> None:
    logs = planned(plain(8), ops={"send": 4}, faults={"kill": 1}, acks_in_faults=1)
    logs.fault("kill", 10, 30)
    more = {"ops": {"send": 4}, "faults": {"kill": 1}, "acks_in_faults": 1}
    logs.nemesis("plan", "ok", 40, extra=more)
    logs.fault("kill", 50, 70)
    assert verdict(logs.end(1000)) == "valid"
    more["faults"] = {"kill": 2}
    assert unknown(logs.files) == "2 of 3 planned faults of kind kill fired"
    more["faults"] = {"kill": 1}
    more["ops"] = {"send": 5}
    assert unknown(logs.files) == "8 of 9 planned send operations ran"
    more["ops"] = {"send": 4}
    more["acks_in_faults"] = 8
    assert unknown(logs.files).endswith("9 were planned")


def test_check_history__is_unknown_with_too_few_devices() -> None:
    assert unknown(planned(plain(), devices=3).end(1000)) == "2 of 3 planned devices connected"


def test_check_history__is_unknown_below_min_acked() -> None:
    assert verdict(plain().end(1000), acked_min=3) == "valid"
    assert unknown(plain().end(1000), acked_min=4) == "3 messages were acknowledged, at least 4 were asked for"


def test_check_history__is_unknown_without_a_plan() -> None:
    files = plain().end(1000)
    files["nemesis.jsonl"].pop(0)
    assert unknown(files).startswith("no plan record")
    assert verdict(files, acked_min=1) == "valid"


def test_check_history__is_unknown_when_a_device_did_not_drain() -> None:
    files = plain().end(1000)
    files["bob.jsonl"][-1]["extra"]["reason"] = "reset"
    assert unknown(files) == "bob neither drained nor retired (last close: reset)"
    files["ann.jsonl"][-1]["extra"]["reason"] = files["bob.jsonl"][-1]["extra"]["reason"] = "retired"
    assert unknown(files).startswith("no device drained")


def test_check_history__is_unknown_without_a_view_of_the_end() -> None:
    files = plain().end(1000)
    del files["dump.jsonl"]
    assert unknown(files).startswith("no view of chat from the end of the run")


def test_check_history__is_unknown_when_nothing_says_who_is_in_a_chat() -> None:
    files = plain().end(1000)
    for name, lines in files.items():
        files[name] = [{**line, "event": {}} if "event" in line else line for line in lines if line.get("f") != "member"]
        for line in files[name]:
            if "event" in line.get("extra", {}):
                line["extra"] = {"type": "created"}
    assert unknown(files).startswith("nothing says who was in chat")


def test_check_history__is_unknown_without_clients() -> None:
    assert "no client log" in unknown({"nemesis.jsonl": plain().files["nemesis.jsonl"]})


@pytest.mark.parametrize(("line", "what"), [
    ({"f": "send", "type": "invoke", "dev": "ann", "user": "ann", "op": 990, "t0": 1, "k": "k", "c": "chat"}, "no field 'hash'"),
    ({"f": "send", "type": "ok", "dev": "ann", "user": "ann", "op": 991, "t1": 1, "s": 1, "e": 1}, "not begun"),
    ({"f": "sent", "type": "ok", "dev": "ann", "user": "ann"}, "f 'sent'"),
    ({"f": "send", "type": "done", "dev": "ann", "user": "ann"}, "type 'done'"),
    ({"f": "connect", "type": "invoke", "dev": "ann", "user": "ann", "op": 992, "t0": 1, "conn": 1}, "opened twice"),
    ({"f": "mode", "type": "ok", "dev": "ann", "user": "ann", "conn": 1, "t1": 1, "extra": {"mode": "slow"}}, "mode 'slow'"),
    ({"f": "frame", "type": "ok", "dev": "ann", "user": "ann", "conn": 1, "t1": 1, "c": "chat", "s": 0, "e": 1, "k": "k"}, "s 0"),
    ({"f": "frame", "type": "ok", "dev": "ann", "user": "ann", "conn": 1, "t1": 1, "c": "chat", "s": 9, "e": 1}, "without k"),
    ({"f": "send", "type": "invoke", "dev": "bob", "user": "bob", "op": 993, "t0": 1, "k": "k1", "c": "chat", "hash": "h"},
     "another device"),
])  # fmt: skip
def test_check_history__is_unknown_with_a_malformed_line(line: dict[str, Any], what: str) -> None:
    files = plain().end(1000)
    files["ann.jsonl"].append(line)
    assert what in unknown(files)


def test_check_history__prefers_invalid_to_unknown() -> None:
    files = plain().end(1000)
    files["ann.jsonl"].append({"f": "sent"})
    files["bob.jsonl"] = [line for line in files["bob.jsonl"] if line["f"] != "apply" or line["s"] != 3]
    assert verdict(files) == "undelivered"
