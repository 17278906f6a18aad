"""What tools/crash.py is made of: the client process, the nemesis log, the readers of history."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import random
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from kithd import Account, Kithd

STATUS_TIMEOUT_S = 60.0
PAGE_LIMIT = 200
# Below the range that outgoing connections take theirs from: the port must stay ours while the server is down, and a
# client that dials a free port of that range may meet itself.
PORTS = range(20000, 32000)


class Failure(Exception):
    """The run has failed; the text says what was seen."""


def free_port(rng: random.Random) -> int:
    for _ in range(100):
        port = rng.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failure("no free port")


class Lines:
    """A JSONL file, one write a line."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def put(self, line: dict[str, Any]) -> None:
        os.write(self.file, json.dumps(line, separators=(",", ":")).encode() + b"\n")


class Nemesis:
    def __init__(self, folder: Path, run: str) -> None:
        self.run = run
        self.folder = folder
        self.lines = Lines(folder / "nemesis.jsonl")
        self.op = 0
        self.open: list[int] = []

    def plan(self, sends: int, kills: int, devices: int) -> None:
        """The plan so far; a later one takes its place. Nothing can be acknowledged by a dead server, hence the 0."""
        extra = {"ops": {"send": sends}, "faults": {"kill": kills}, "acks_in_faults": 0, "devices": devices}
        line = {"run": self.run, "f": "plan", "type": "ok", "t1": time.monotonic_ns(), "extra": extra}
        (self.folder / "nemesis-0-plan.jsonl").write_text(json.dumps(line) + "\n")

    def kill_starts(self, kind: str) -> None:
        self.op += 1
        self.open.append(self.op)
        self._fault("start", self.op, {"kind": kind, "down": True})

    def kills_stop(self) -> None:
        for op in self.open:
            self._fault("stop", op, {})
        self.open.clear()

    def _fault(self, kind: str, op: int, extra: dict[str, Any]) -> None:
        self.lines.put({"run": self.run, "f": "fault", "type": kind, "op": op, "t1": time.monotonic_ns(), "extra": extra})

    def drain(self) -> None:
        self.lines.put({"run": self.run, "f": "phase", "type": "ok", "t1": time.monotonic_ns(), "extra": {"name": "drain"}})


class Clients:
    """kith-crash-client: commands in, JSON lines out."""

    def __init__(self, program: Path, run: str, url: str, folder: Path, seed: int) -> None:
        self.errors = folder.parent / "clients.out"
        self.process = subprocess.Popen([str(program), run, url, str(folder), str(seed)], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=self.errors.open("ab"))
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.tokens_wanted: set[int] = set()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            line = json.loads(text)
            if "token" in line:
                self.tokens_wanted.add(line["token"])
            else:
                self.lines.put(line)

    def say(self, *commands: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("".join(command + "\n" for command in commands))
            self.process.stdin.flush()
        except BrokenPipeError:
            self._ended()

    def status(self) -> dict[str, Any]:
        self.say("status")
        deadline = time.monotonic() + STATUS_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                return self.lines.get(timeout=0.2)
            except queue.Empty:
                if self.process.poll() is not None:
                    self._ended()
        raise Failure("the client process does not answer")

    def _ended(self) -> None:
        raise Failure(f"the client process ended with {self.process.wait()}: {self.errors.read_text()[-2000:]}")

    def end(self) -> None:
        assert self.process.stdin is not None
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
                self.process.wait(timeout=10)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                self.process.kill()
        self.process.wait()


def _entry(message: dict[str, Any]) -> list[Any]:
    """[s, e, k, hash, more] of one message of a history page."""
    is_message = message["type"] == "message"
    more: dict[str, Any] = {"type": message["type"], "sender": message["sender_id"] or ""}
    if not is_message:
        more["event"] = json.loads(message["content"])
        return [message["seq"], message["epoch"], "", "", more]
    digest = hashlib.sha256(message["content"].encode()).hexdigest()[:32]
    return [message["seq"], message["epoch"], message["msg_id"], digest, more]


class Reader:
    """A fresh device of a person that reads every chat from its beginning by REST."""

    def __init__(self, server: Kithd, account: Account, run: str, folder: Path, name: str) -> None:
        self.server = server
        self.account = server.login(account, name)
        self.head = {"run": run, "dev": self.account.device_id, "user": self.account.user_id}
        self.lines = Lines(folder / f"reader-{self.account.device_id}.jsonl")
        self.op = 0

    def read(self, chat: str) -> int:
        after = count = 0
        more = True
        while more:
            self.op += 1
            self.lines.put({**self.head, "f": "history", "type": "invoke", "op": self.op, "t0": time.monotonic_ns(), "c": chat,
                            "extra": {"after": after, "before": None, "limit": PAGE_LIMIT}})
            page = self.server.rest("GET", f"/messages?chat_id={chat}&after={after}&limit={PAGE_LIMIT}",
                                    token=self.account.access_token)
            got = [_entry(message) for message in page["messages"]]
            self.lines.put({**self.head, "f": "history", "type": "ok", "op": self.op, "t1": time.monotonic_ns(),
                            "extra": {"got": got, "head": page["last_seq"], "first": page["first_seq"],
                                      "gaps": [[gap["from"], gap["to"], gap["reason"]] for gap in page["gaps"]]}})
            count += len(got)
            more = bool(page["more"]) and bool(got)
            after = got[-1][0] if got else after
        return count

    def end(self) -> None:
        self.server.rest("POST", "/auth/logout", {}, self.account.access_token)


def check_history(root: Path, python: str, folder: Path, seed: int, commit: str) -> dict[str, Any]:
    command = [python, str(root / "tools" / "check_history"), str(folder), "--json", "--seed", str(seed), "--commit", commit]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        raise Failure(f"the checker ended with {done.returncode}: {done.stderr[-2000:]}") from None
