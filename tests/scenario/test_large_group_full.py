"""An encrypted group as large as one may be, three devices each: what it costs to write in it, and that it costs so once.

A few real kith are in it; everybody else is an account made over REST, whose devices read nothing but are written to as all others are. With
KITH_FULL=1 the group has the 1,024 members of the default configuration; that many passwords take minutes, so the usual run has 80.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from counting import Counting
from kithd import Kithd, program
from made_people import DEVICES, MadePerson
from made_reader import MadeReader
from model import join
from test_cli_tour import Person
from test_encrypted_chat import link, me, texts
from test_encrypted_group import create, title
from test_logs_hold_no_secrets import admin_address

FULL = os.environ.get("KITH_FULL") == "1"
MEMBERS = 1024 if FULL else 80
FOUNDERS = MEMBERS * 3 // 4  # at most 768; the others come by the invite link
REAL_DEVICES = 4  # ann's, bob's two, carl's
WAIT_S = 600 if FULL else 60
LISTS, CLAIM, OPERATIONS = "POST /users/devices", "POST /keys/claim", "GET /chats/{id}/operations"


@dataclass
class Figures:
    """What one step took."""

    seconds: float = 0
    requests: Counter[str] = field(default_factory=Counter)
    up: int = 0
    down: int = 0
    messages: int = 0  # in the group, that were taken


def memory_kib(pid: int) -> int:
    """The most that a process ever had, as far as it still runs."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) if found else 0
    return 0


class Measured(Person):
    """One whose commands may take long in a large group, and are watched for the memory that they need."""

    most_kib = 0

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            watch = threading.Thread(target=self.watch, args=(process,), daemon=True)
            watch.start()
            out, err = process.communicate(timeout=WAIT_S + 30)
            watch.join()
        assert process.returncode == code, (arguments[:8], process.returncode, out, err)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([str(program("kith")), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "KITH_STATE": str(self.state), "KITH_PASSWORD": self.password})

    def watch(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            self.most_kib = max(self.most_kib, memory_kib(process.pid))
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)

    def send(self, chat: str, words: str) -> None:
        self.run("send", chat, words, "--timeout", str(WAIT_S))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Connected for all the while."""
        with self.start("tail", "--json") as process:
            drain = threading.Thread(target=process.communicate, daemon=True)
            drain.start()
            yield
            self.most_kib = max(self.most_kib, memory_kib(process.pid))
            process.send_signal(signal.SIGINT)
            drain.join()


class Group:
    """The server, who is in the group, and what is measured."""

    def __init__(self, kithd: Kithd, admin: str, front: Counting) -> None:
        self.kithd, self.admin, self.front = kithd, admin, front
        self.made: list[MadePerson] = []
        self.chat = ""
        self.seen = 0

    def stale(self) -> int:
        """How many messages were refused as made for other devices, as of the last second or so."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=30) as answer:
            found = re.search(r'^kith_answers_total{at="core",code="STALE_DEVICES"} (\d+)$', answer.read().decode(), re.MULTILINE)
        return int(found[1]) if found else 0

    def wait_for_stale(self, count: int) -> None:
        """So many, and no more: the server's counters are a second old, and a message and a reading came behind what was refused."""
        deadline = time.monotonic() + WAIT_S
        while (seen := self.stale()) < count:
            assert time.monotonic() < deadline, seen
            time.sleep(0.1)
        assert seen == count

    def new_messages(self) -> int:
        """Those that were numbered since it was asked last."""
        count, person = 0, self.made[0].devices[0] if self.made else None
        while person is not None and self.chat:
            page = self.kithd.rest("GET", f"/messages?chat_id={self.chat}&after={self.seen}&limit=200", token=person.access_token)
            if not page["messages"]:
                break
            count += sum(message["type"] == "message" for message in page["messages"])
            self.seen = page["messages"][-1]["seq"]
        return count

    @contextmanager
    def measured(self, what: str) -> Iterator[Figures]:
        """What goes through the front during this step is counted and printed."""
        figures = Figures()
        self.new_messages()
        self.front.take()
        begun = time.monotonic()
        yield figures
        figures.seconds = time.monotonic() - begun
        figures.requests, figures.up, figures.down = self.front.take()
        figures.messages = self.new_messages()
        print(f"{what}: {figures.seconds:.1f} s, {figures.messages} messages, {figures.up:,} bytes up, {figures.down:,} down, "
              f"{dict(figures.requests)}")

    def real(self, name: str, state: Path) -> Measured:
        person = Measured(state)
        person.run("account", "register", "--server", self.front.url, name)
        return person

    def member_count(self) -> int:
        return len(self.kithd.rest("GET", f"/chats/{self.chat}", token=self.made[0].devices[0].access_token)["members"])


def other_devices(members: int) -> int:
    """Of a group with all of the real people, but the one that asks."""
    return (members - 3) * DEVICES + REAL_DEVICES - 1


def chain(person: Person, chat: str) -> dict[str, object]:
    [shown] = [line for line in person.lines("security", chat) if "encrypted_for" in line]
    assert shown["encrypted_for"] == "all"
    found: dict[str, object] = shown["chain"]
    return found


def join_by_link(group: Group, ann: Measured) -> None:
    [shown] = ann.lines("chat", "link", group.chat)
    invite = join.text_decode(str(shown["link"]).split("#", 1)[1].encode())
    deadline = time.monotonic() + WAIT_S
    with ann.listening():
        for person in group.made[FOUNDERS - 3:]:
            person.ask_to_join(invite)
        while group.member_count() < MEMBERS:
            assert time.monotonic() < deadline, group.member_count()
            time.sleep(0.2)


@pytest.mark.timeout(7200 if FULL else 300)
def test_a_full_group(make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    admin = admin_address()
    kithd = make_kithd("--registration", "open", "--admin_listen", admin)
    with Counting(kithd.url) as front:
        group = Group(kithd, admin, front)
        ann, bob, carl = (group.real(name, tmp_path / name) for name in ("ann", "bob", "carl"))
        tablet = Measured(link(bob, "bob", tmp_path / "tablet", front.url).state)
        with group.measured("accounts"), ThreadPoolExecutor(4) as pool:
            group.made = list(pool.map(lambda i: MadePerson(kithd, f"p{i}"), range(MEMBERS - 3)))
        with group.measured("creating"):
            group.chat = create(ann, "everybody", me(bob), me(carl), *(person.user_id for person in group.made[:FOUNDERS - 3]))
        with group.measured("joining"):
            join_by_link(group, ann)
        for step in (write_and_read, remove_one, add_device):
            step(group, ann, bob, tablet, carl)
        print({name: f"{person.most_kib:,} KiB" for name, person in
               (("ann", ann), ("bob", bob), ("tablet", tablet), ("carl", carl))})
        assert kithd.process is not None
        print(f"kithd: {memory_kib(kithd.process.pid):,} KiB")


def write_and_read(group: Group, ann: Measured, bob: Measured, tablet: Measured, carl: Measured) -> None:
    chat = group.chat
    with group.measured("first send"):
        ann.send(chat, "one")
    assert chain(ann, chat)["devices"] == other_devices(MEMBERS)
    for name, person in (("bob", bob), ("tablet", tablet), ("carl", carl)):
        with group.measured(f"reading, {name}") as figures:
            assert texts(person, chat) == ["one"]
        assert figures.requests[LISTS] <= 2 and figures.requests[CLAIM] == 0  # ann's, and the own one
        assert title(person, chat) == "everybody"

    # It is given to everybody: what comes next is one ciphertext, and nothing is asked about anybody.
    with group.measured("second send") as figures:
        ann.send(chat, "two")
    assert figures.messages == 1 and not {LISTS, CLAIM, OPERATIONS} & figures.requests.keys()

    with group.measured("bob's first send"):
        bob.send(chat, "three")
    assert chain(bob, chat)["devices"] == other_devices(MEMBERS)
    for name, person in (("ann", ann), ("tablet", tablet), ("carl", carl)):
        with group.measured(f"reading again, {name}"):
            assert texts(person, chat) == ["one", "two", "three"]
    for made in (group.made[0], group.made[-1]):  # of the first ones, and by the link
        assert [MadeReader(made, number).texts(chat) for number in (1, DEVICES)] == [["one", "two", "three"]] * 2


def remove_one(group: Group, ann: Measured, bob: Measured, tablet: Measured, carl: Measured) -> None:
    """The next message begins a new chain. What gives that to all is refused because of one new device: its list alone is fetched."""
    chat, newer = group.chat, group.made[0]
    before, stale = chain(ann, chat), group.stale()
    with group.measured("removing"):
        ann.run("chat", "remove", chat, me(carl))
    newer.add_device()
    with group.measured("send behind it") as figures:
        ann.send(chat, "without carl")
    after = chain(ann, chat)
    assert after["since"] != before["since"] and after["devices"] == other_devices(MEMBERS)  # carl's is not, that one is
    assert (figures.requests[LISTS], figures.requests[CLAIM]) == (1, 1)
    for person in (bob, tablet):
        assert texts(person, chat)[-1] == "without carl"
    assert "without carl" not in carl.run("history", chat).stdout
    assert MadeReader(newer, DEVICES + 1).texts(chat) == ["without carl"]
    with group.measured("the next") as figures:
        ann.send(chat, "one ciphertext")
    assert figures.messages == 1
    group.wait_for_stale(stale + 1)


def add_device(group: Group, ann: Measured, bob: Measured, tablet: Measured, _: Measured) -> None:
    chat, newer = group.chat, group.made[-1]
    before, stale = chain(ann, chat), group.stale()
    newer.add_device()
    with group.measured("a device more") as figures:
        ann.send(chat, "also for the new one")
    assert (figures.requests[LISTS], figures.requests[CLAIM], figures.messages) == (1, 1, 2)
    after = chain(ann, chat)
    assert after["since"] == before["since"] and after["devices"] == other_devices(MEMBERS) + 1
    for person in (bob, tablet):
        assert texts(person, chat)[-1] == "also for the new one"
    with group.measured("the one behind it") as figures:
        ann.send(chat, "as before")
    assert figures.messages == 1 and not {LISTS, CLAIM, OPERATIONS} & figures.requests.keys()
    assert MadeReader(newer, DEVICES + 1).texts(chat) == ["also for the new one", "as before"]
    group.wait_for_stale(stale + 1)
