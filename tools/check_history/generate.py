"""Valid histories, from one seed: clients, server and network in simulated time, with every fault the server must survive.

    python3 tools/check_history/generate.py --seed 7 --out DIR [--scale N]     writes one
    python3 tools/check_history/generate.py --seeds 1000                       checks that many: each must be valid
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from pathlib import Path
from typing import Callable

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from check_history.model_client import MS, Client, Connection
from check_history.model_server import Answer, Fields, ServedChat
from check_history.model_world import START, History, World


class Run(World):
    """What people do in the world, what befalls them, and the course of one run."""

    # ------------------------------------------------------------------------------------------ what people do

    def act(self, client: Client) -> None:
        if self.draining or client.ended:
            return
        self.after(int(self.rng.expovariate(1.0 / (self.pace_ms * MS))), lambda: self.act(client))
        mine = [chat for chat in self.server.chats.values() if client.user in chat.intervals]
        if client.conn is None or not client.conn.resumed or not mine:
            return
        chat = self.rng.choice(mine)
        dice = self.rng.random()
        if dice < 0.72:
            if chat.is_member(client.user) or self.rng.random() < 0.2:
                for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
                    client.compose(chat.name)
        elif dice < 0.82:
            self._read(client, chat)
        elif dice < 0.92:
            s = client.position.get(chat.name, 0)
            if s:
                self._mark_read(client, chat.name, s)
        elif dice < 0.945 and chat.name.startswith("group"):
            self._membership(client, chat)
        elif dice < 0.975 and not client.open:
            self._put_away(client.user)
        elif client.position.get(chat.name, 0) > 1:
            target = self.rng.randint(2, client.position[chat.name])
            if chat.entries[target - 1].sender == client.user and chat.entries[target - 1].kind == "message":
                self._delete(client, chat.name, target)

    def _put_away(self, user: str) -> None:
        """Somebody closes all their devices, one after the other."""
        for number, client in enumerate(other for other in self.clients if other.user == user and other.conn is not None):
            self.after(number * 10 * MS, lambda client=client: client.drop("clean", graceful=True))  # type: ignore[misc]

    def _read(self, client: Client, chat: ServedChat) -> None:
        head = len(chat.entries)
        way = self.rng.random()
        if way < 0.5:
            client.read_history(chat.name, self.rng.randint(0, head), self.page, client.ignore)
        elif way < 0.8:
            client.read_history(chat.name, None, self.page, client.ignore)
        else:
            client.read_history(chat.name, None, self.page, client.ignore, before=self.rng.randint(2, head + 1))

    def _mark_read(self, client: Client, name: str, s: int) -> None:
        def act() -> Answer:
            self.server.mark_read(client.user, name, s)
            self._receipts(name, client.user)
            return "ok", {}

        client.request("receipt_out", {"c": name, "s": s, "extra": {"kind": "read"}}, act, client.ignore)

    def _membership(self, client: Client, chat: ServedChat) -> None:
        other = self.rng.choice([user for user in self.users if user != client.user])
        op = "remove" if chat.is_member(other) else "add"
        if self.rng.random() < 0.2:
            op, other = "leave", client.user
        elif op == "remove" and self.rng.random() < 0.4:
            op = "role"

        def act() -> Answer:
            kind, got = self.server.member(client.user, chat.name, op, other)
            if kind == "ok":
                self.numbered(chat.name, got["s"])
            return kind, got

        client.request("member", {"c": chat.name, "extra": {"op": op, "user_id": other}}, act, client.ignore)

    def _delete(self, client: Client, name: str, target: int) -> None:
        def act() -> Answer:
            kind, got = self.server.delete(client.user, name, target)
            if kind == "ok":
                self.numbered(name, got["s"])
            return kind, got

        client.request("delete", {"c": name, "extra": {"target": target}}, act, client.ignore)

    # ------------------------------------------------------------------------------------------ faults

    def fault(self, kind: str, length: int, begin: Callable[[], None], end: Callable[[], None], down: bool = False) -> None:
        self.fault_count += 1
        op = self.fault_count
        extra: Fields = {"kind": kind}
        if down:
            extra["down"] = True
        self.note("fault", "start", {"op": op, "extra": extra})
        begin()

        def stop() -> None:
            end()
            self.note("fault", "stop", {"op": op})

        self.after(length, stop)

    def note(self, f: str, kind: str, fields: Fields) -> None:
        self.nemesis.append({"run": self.run, "f": f, "type": kind, "t1": self.now, **fields})

    def busy(self, clients: list[Client], then: Callable[[], None]) -> None:
        """Faults strike while sends are under way: a burst of them, and moments later the fault."""
        for client in clients:
            mine = [chat.name for chat in self.server.chats.values() if chat.is_member(client.user)]
            if mine and client.conn is not None and not client.ended:
                name = self.rng.choice(mine)
                for _ in range(self.rng.randint(1, 3)):
                    client.compose(name)
        self.after(self.between(1, 45), then)

    def kill(self) -> None:
        def begin() -> None:
            self.server.kill()
            for client in self.clients:
                client.drop("reset")

        def strike() -> None:
            self.fault("kill", self.between(300, 2500), begin, lambda: self.server.start(self.rng.random() < 0.4), down=True)

        self.busy(self.clients, strike)

    def reset(self) -> None:
        victims = self.rng.sample(self.clients, k=max(1, len(self.clients) // 3))

        def begin() -> None:
            for client in victims:
                client.drop("reset")

        self.busy(victims, lambda: self.fault("reset", MS, begin, lambda: None))

    def slow_down(self) -> None:
        self.fault("slow", self.between(2000, 5000), lambda: setattr(self, "slow", 8.0), lambda: setattr(self, "slow", 1.0))

    def read_only(self) -> None:
        def switch(on: bool) -> None:
            self.server.read_only = on
            for conn in self.live():
                self._notice(conn, "mode", {"extra": {"mode": "read-only" if on else "normal"}})

        self.fault("read-only", self.between(6500, 8500), lambda: switch(True), lambda: switch(False), down=True)

    def revoke(self) -> None:
        """One device of a person ends another's session; its connection goes within seconds."""
        by = next((client for client in self.clients if client.conn is not None and client.conn.resumed
                   and any(other.user == client.user and other is not client and not other.ended
                           for other in self.clients)), None)  # fmt: skip
        if by is None:
            return
        target = next(other for other in self.clients if other.user == by.user and other is not by and not other.ended)

        def act() -> Answer:
            self.server.revoked.add(target.name)
            return "ok", {}

        def done(kind: str, got: Fields) -> None:
            if kind == "ok":
                self.after(self.between(20, 2500), lambda: self._cut(target))

        by.request("auth", {"extra": {"op": "revoke", "ends": [target.name]}}, act, done)

    def _cut(self, target: Client) -> None:
        if target.conn is None:
            target.ended = True
            target.write("close", "ok", {"conn": target.conn_number, "t1": self.now, "extra": {"reason": "revoked"}})
        target.drop("revoked", graceful=True)

    # ------------------------------------------------------------------------------------------ the run

    def add_client(self, user: str, name: str) -> Client:
        client = Client(self, name, user, f"gw{len(self.clients) % 2}")
        self.clients.append(client)
        return client

    def late_device(self) -> None:
        """A new device of somebody: it starts at the head of encrypted chats, at its person's joining elsewhere."""
        user = self.rng.choice(self.users)
        client = self.add_client(user, f"{user}-late")
        for chat in self.server.chats.values():
            if chat.encrypted and user in chat.intervals:
                self.server.ack(client.name, user, chat.name, chat.head_for(user), durable=False)
                self.server.durable_cursors[client.name, chat.name] = chat.head_for(user)
        client.op += 1
        client.write("auth", "invoke", {"op": client.op, "t0": self.now, "extra": {"op": "login"}})
        client.write("auth", "ok", {"op": client.op, "t0": self.now, "t1": self.now, "extra": {}})
        client.connect()
        self.act(client)

    def drain(self) -> None:
        """No new work; once every outbox is empty and the stragglers are in, the final phase begins."""
        self.draining = True
        waiting = any(box.waiting for client in self.clients if not client.ended for box in client.boxes.values())
        offline = any(client.conn is None or not client.conn.resumed for client in self.clients if not client.ended)
        busy = any(client.open for client in self.clients)
        if waiting or offline or busy or not self.server.up:
            for client in self.clients:
                for name, box in client.boxes.items():
                    if client.conn is not None and box.waiting and not any(item.in_flight for item in box.waiting):
                        client._again(name, box)
            self.after(500 * MS, self.drain)
            return
        self.note("phase", "ok", {"extra": {"name": "drain"}})
        readers = [Client(self, f"{user}-fresh", user, "gw0") for user in self.users]
        for reader in readers:
            reader.conn = Connection(reader, 0, self.server.generation)
            names = [chat.name for chat in self.server.chats.values() if reader.user in chat.intervals]
            self.after(self.between(500, 900), lambda reader=reader, names=names: reader.read_all(names))  # type: ignore[misc]
        for client in self.clients:
            self.after(self.between(2000, 3000), lambda client=client: client.drop("drained", graceful=True))  # type: ignore[misc]

    def begin(self) -> None:
        rng, users = self.rng, self.users
        for user in users:
            for number in range(rng.choice((1, 2))):
                self.add_client(user, f"{user}-d{number}")
        if len(self.clients) == len(users):
            self.add_client(users[0], f"{users[0]}-d1")
        plans = [(f"group{index}", users[: rng.randint(2, len(users))], rng.random() < 0.3) for index in range(self.groups)]
        plans.append(("direct", users[:2], rng.random() < 0.5))
        for name, members, encrypted in plans:
            self.create(name, members, encrypted)
        for client in self.clients:
            self.after(self.between(0, 500), client.connect)
            self.after(self.between(500, 1500), lambda client=client: self.act(client))  # type: ignore[misc]

    def create(self, name: str, members: list[str], encrypted: bool) -> None:
        """Over REST, before anything else; whoever creates a chat writes down with whom."""
        owner = next(client for client in self.clients if client.user == members[0])
        owner.op += 1
        extra = {"op": "create", "members": members, "encrypted": encrypted}
        owner.write("member", "invoke", {"op": owner.op, "t0": self.now, "c": name, "extra": extra})
        _, got = self.server.create(name, members, encrypted)
        self.now += MS
        owner.write("member", "ok", {"op": owner.op, "t0": self.now - MS, "t1": self.now, "c": name, **got})

    def plan(self) -> None:
        length = self.seconds * 1000
        for act, share in ((self.slow_down, 0.1), (self.kill, 0.25), (self.late_device, 0.4), (self.revoke, 0.75),
                           (self.kill, 0.85), (self.backup_now, 0.6)):  # fmt: skip
            at = int(length * share)
            self.after(self.between(at, at + 2000), act)
        self.after(self.between(int(length * 0.45), int(length * 0.45) + 1000), self.read_only)
        for _ in range(max(3, self.seconds // 12)):
            self.after(self.between(2000, length - 2000), self.reset)
        self.after(length * MS, self.drain)

    def backup_now(self) -> None:
        self.backup = self.server.stored()

    def history(self) -> History:
        self.begin()
        self.plan()
        self.play()
        fired: dict[str, int] = {}
        for line in self.nemesis:
            if line["type"] == "start":
                fired[line["extra"]["kind"]] = fired.get(line["extra"]["kind"], 0) + 1
        sent = {line["k"] for lines in self.logs.values() for line in lines if line["f"] == "send" and line["type"] == "invoke"}
        extra = {"ops": {"send": len(sent)}, "faults": fired, "acks_in_faults": 0, "devices": len(self.clients)}
        self.nemesis.insert(0, {"run": self.run, "f": "plan", "type": "ok", "t1": START, "extra": extra})
        self.logs["nemesis.jsonl"] = self.nemesis
        self.logs["dump.jsonl"] = self.server.stored()
        self.logs["restore.jsonl"] = self.backup
        return self.logs


def generate(seed: int, scale: float = 1.0) -> History:
    return Run(seed, scale).history()


def write_history(history: History, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in history.items():
        with open(folder / name, "w", encoding="utf-8") as stream:
            for line in lines:
                stream.write(json.dumps(line, separators=(",", ":")) + "\n")


def verdict_of(seed: int) -> tuple[int, str]:
    """A seed and what is wrong with the checker's answer; empty when its history is found valid."""
    from check_history.checker import VALID, check
    from check_history.reader import MemorySource

    result = check(MemorySource(generate(seed)))
    return seed, "" if result.verdict == VALID else f"{result.verdict} {result.name} {result.why}"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="generate.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the (first) seed")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write one history there")
    parser.add_argument("--scale", type=float, default=1.0, help="how large it is (with --out)")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="without --out: check this many")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), metavar="N")
    options = parser.parse_args(argv)
    if options.out is not None:
        history = generate(options.seed, options.scale)
        write_history(history, options.out)
        print(f"{sum(map(len, history.values()))} lines in {options.out}")
        return 0
    wrong = 0
    with multiprocessing.Pool(options.jobs) as pool:
        for seed, what in pool.imap_unordered(verdict_of, range(options.seed, options.seed + options.seeds), chunksize=8):
            if what:
                wrong += 1
                print(f"WRONG seed {seed}: {what}", flush=True)
    print(f"{options.seeds} valid histories, {wrong} false alarms")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
