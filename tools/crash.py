#!/usr/bin/env python3
"""./dev crash: a real server under load, killed with SIGKILL at random instants and started again, for many cycles.

One data folder lives through all of it. Between the checks, libkith clients write in direct chats and groups, with
several messages under way, and some of them crash too. Every --check-every cycles the faults stop, everything must
arrive, every chat is read back, and tools/check_history judges all that was written down. Exit code 0: valid.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "scenario"), str(ROOT / "tests" / "crash")]

from crash_parts import Clients, Failure, Nemesis, Reader, check_history, free_port  # noqa: E402
from kithd import Account, Kithd, program  # noqa: E402

RUN_MS = (20, 400)
KILL_WHILE_STARTING = 0.3  # of the starts
QUIET_TIMEOUT_S = 180.0
INBOX_READERS_MAX = 4
TOKEN_AGE_MAX_S = 1800.0
SENDS_A_CYCLE_MIN = 5


class Campaign:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rng = random.Random(options.seed)
        self.run = f"crash-{options.seed}"
        self.folder: Path = options.dir or ROOT / "build" / "crash" / f"seed-{options.seed}-{int(time.time())}"
        self.history = self.folder / "history"
        self.history.mkdir(parents=True)
        self._keep_programs()
        self.server = Kithd(self.folder / "data", "--registration", "open", "--log.level", "warn",
                            "--log.segment_bytes", options.segment_bytes, port=free_port(random.Random()))
        self.nemesis = Nemesis(self.history, self.run)
        self.clients: Clients | None = None
        self.accounts: list[Account] = []
        self.devices: list[Account] = []  # as the client process counts them
        self.chats: list[tuple[str, list[int]]] = []  # id, members
        self.start_s = [0.3]
        self.cycles = self.starts = self.kills_in_start = self.live_cycles = self.checks = 0
        self.lost = False
        self.tokens_at = self.began = time.monotonic()
        self.result: dict[str, Any] = {}

    def _keep_programs(self) -> None:
        """Copies: a build while this runs must not change what is tested, and a failure keeps its programs."""
        kept = self.folder / "bin"
        kept.mkdir()
        for name in ("kithd", "kith-crash-client"):
            built = program(name)
            while not os.access(built, os.X_OK):  # being linked
                time.sleep(0.2)
            shutil.copy2(built, kept / name)
        os.environ["KITH_BUILD"] = str(self.folder)

    # ------------------------------------------------------------------------------------------ the world

    def set_up(self) -> None:
        options = self.options
        self.server.start()
        self.accounts = [self.server.register(f"person{n}") for n in range(options.clients)]
        people = list(range(options.clients))
        plans = [people[n:n + 2] for n in range(0, options.clients - 1, 2)]
        plans += [sorted(self.rng.sample(people, min(8, options.clients))) for _ in range(3)] + [people]
        for members in plans:
            owner, *others = [self.accounts[n] for n in members]
            chat = self.server.chat(owner, *others, group=len(members) > 2, name=None if len(members) == 2 else "a group")
            self.chats.append((chat, members))
        self.clients = Clients(self.folder / "bin" / "kith-crash-client", self.run, self.server.ws_url, self.history, options.seed)
        self.clients.say(f"pause {options.pause_ms}", *(f"chat {chat}" for chat, _ in self.chats))
        for number, account in enumerate(self.accounts):
            self._add_device(number, account, "writer")
        self.clients.say("start", "send on", "crash on")
        self.tokens_at = time.monotonic()

    def _chats_of(self, number: int) -> list[int]:
        return [index for index, (_, members) in enumerate(self.chats) if number in members]

    def _add_device(self, number: int, device: Account, kind: str) -> None:
        """Most of what a device writes goes to few people, so that 20 clients do not drown in the one chat of all."""
        assert self.clients is not None
        chats = self._chats_of(number)
        weighted = [index for index in chats for _ in range({2: 6, 8: 2}.get(len(self.chats[index][1]), 1))]
        self.devices.append(device)
        self.clients.say(f"device {device.user_id} {device.device_id} {kind} {device.access_token} "
                         + ",".join(str(index) for index in weighted))

    def add_inbox_reader(self) -> None:
        """A late device: its inbox begins at the beginning, and it must get all of it."""
        assert self.clients is not None
        if len(self.devices) - len(self.accounts) >= INBOX_READERS_MAX:
            return
        number = self.rng.randrange(len(self.accounts))
        self._add_device(number, self.server.login(self.accounts[number], "a late device"), "reader")
        self.clients.say("start")

    def fresh_tokens(self) -> None:
        assert self.clients is not None
        if time.monotonic() - self.tokens_at < TOKEN_AGE_MAX_S and not self.clients.tokens_wanted:
            return
        for number, device in enumerate(self.devices):
            answer = self.server.rest("POST", "/auth/refresh", {"refresh_token": device.refresh_token})
            device.access_token, device.refresh_token = answer["access_token"], answer["refresh_token"]
            self.clients.say(f"token {number} {device.access_token}")
        self.clients.tokens_wanted.clear()
        self.tokens_at = time.monotonic()

    # ------------------------------------------------------------------------------------------ faults

    def _kill(self, kind: str) -> None:
        process = self.server.process
        assert process is not None
        if process.poll() is not None:
            raise Failure(f"kithd ended by itself with {process.returncode}:\n{self.server.text()[-3000:]}")
        self.nemesis.kill_starts(kind)
        self.server.kill9()
        if kind == "kill" and 0 < self.options.lose <= self.cycles:
            self._lose()

    def _lose(self) -> None:
        """To see this harness fail. A log cut short is refused by kithd; a whole disk of a moment ago is not to be known by it."""
        kept = self.folder / "data.before"
        if not kept.exists():
            shutil.copytree(self.server.data, kept)
        elif not self.lost:
            shutil.rmtree(self.server.data)
            shutil.copytree(kept, self.server.data)
            self.lost = True

    def cycle(self) -> None:
        assert self.clients is not None
        time.sleep(self.rng.uniform(*RUN_MS) / 1000)
        if 0 < self.options.lose < self.cycles and not self.lost:
            # All is acknowledged before the loss: numbers given out again would be a fork, which is named before it.
            self.clients.say("send off", "crash off")
            self.wait_until_quiet()
        acked = self.clients.status()["acked"]
        self.live_cycles += acked > self.acked
        self.acked = acked
        self._kill("kill")
        self.cycles += 1
        while self.rng.random() < KILL_WHILE_STARTING:
            mark = self.server.output.stat().st_size
            self.server.start(wait=False)
            self.starts += 1
            time.sleep(self.rng.uniform(0, 1.2) * sorted(self.start_s)[len(self.start_s) // 2])
            self.kills_in_start += b"running at" not in self.server.output.read_bytes()[mark:]
            self._kill("kill-start")
        self._start()

    acked = 0

    def _start(self) -> None:
        assert self.clients is not None
        began = time.monotonic()
        try:
            self.server.start()
        except (RuntimeError, TimeoutError) as error:
            raise Failure(f"kithd does not start again: {error}") from None
        self.start_s = [*self.start_s[-20:], time.monotonic() - began]
        self.starts += 1
        self.nemesis.kills_stop()
        self.clients.say("wake")

    # ------------------------------------------------------------------------------------------ checks

    def _missing(self) -> list[str]:
        """What is not quiet yet."""
        assert self.clients is not None
        heads = {chat: self.server.rest("GET", f"/chats/{chat}", token=self.accounts[members[0]].access_token)["last_seq"]
                 for chat, members in self.chats}
        by_user = {account.user_id: self._chats_of(number) for number, account in enumerate(self.accounts)}
        missing = []
        for device in self.clients.status()["devices"]:
            if device["outbox"]:
                missing.append(f"{device['device']} still has {device['outbox']} messages to send")
            for index in by_user[device["user"]]:
                chat = self.chats[index][0]
                applied = device["applied"].get(chat, 0)
                if applied < heads[chat]:
                    online = "online" if device["online"] else "offline"
                    missing.append(f"{device['device']} ({online}) has {chat} up to {applied} of {heads[chat]}")
        return missing

    def wait_until_quiet(self) -> None:
        assert self.clients is not None
        seconds = 15.0 if self.lost else QUIET_TIMEOUT_S  # what was lost never comes
        deadline = time.monotonic() + seconds
        missing = self._missing()
        while missing:
            if time.monotonic() > deadline:
                print(f"crash: not quiet {seconds:.0f} s after the last fault:", *missing[:20], sep="\n  ", flush=True)
                return  # the checker names it
            self.clients.say("wake")
            time.sleep(0.2)
            missing = self._missing()

    def check(self, is_last: bool) -> None:
        assert self.clients is not None
        self.clients.say("send off", "crash off", "wake")
        self.fresh_tokens()
        self.add_inbox_reader()
        self.wait_until_quiet()
        status = self.clients.status()
        self.nemesis.plan(self.cycles * SENDS_A_CYCLE_MIN, self.cycles, len(self.accounts))
        self.nemesis.drain()
        self.clients.say("park drained")
        self.clients.status()
        self._read_back(is_last)
        self.checks += 1
        self.result = check_history(ROOT, sys.executable, self.history, self.options.seed, commit())
        self.report(status)
        if self.result["verdict"] != "valid":
            raise Failure(f"{self.result['verdict']} {self.result.get('name') or ''}: {self.result.get('why')}")
        bad = [f"{name} {status[name]}" for name in ("failed", "holes", "unflagged", "errors", "replaced") if status[name]]
        if bad:
            raise Failure("the clients saw: " + ", ".join(bad))
        if self.options.lose and not self.lost:
            raise Failure("nothing was lost: --lose must be well below --cycles")
        if self.live_cycles * 2 < self.cycles:
            raise Failure(f"only in {self.live_cycles} of {self.cycles} cycles anything was acknowledged: that proves little")
        if not is_last:
            self.clients.say("start", "send on", "crash on")

    def _read_back(self, is_last: bool) -> None:
        """By a fresh device each: in the end of every person, before that of one of each pair, which covers every chat."""
        for number, account in enumerate(self.accounts):
            if not is_last and number % 2 == 1:
                continue
            reader = Reader(self.server, account, self.run, self.history, "a fresh device")
            for index in self._chats_of(number):
                reader.read(self.chats[index][0])
            reader.end()

    def report(self, status: dict[str, Any]) -> None:
        violations = sum(self.result.get("found", {}).values()) if isinstance(self.result.get("found"), dict) else 0
        print(f"seed {self.options.seed}: {self.result['verdict']}, {violations} violations; {self.cycles} cycles, {self.starts} starts, "
              f"{self.kills_in_start} kills during start, {status['sent']} sends, {status['acked']} acked, {status['resent']} resent, "
              f"{status['applied']} applied, {status['redelivered']} redelivered, {status['restarts']} restarts of clients, "
              f"{status['connects']} connects, {self.live_cycles} cycles with acks, {self.checks} checks, commit {commit()}, "
              f"{time.monotonic() - self.began:.0f} s", flush=True)

    def go(self) -> None:
        self.set_up()
        self.starts += 1
        while self.cycles < self.options.cycles:
            self.cycle()
            if self.cycles % self.options.check_every == 0 or self.cycles == self.options.cycles:
                self.check(self.cycles == self.options.cycles)

    def close(self) -> None:
        if self.clients is not None:
            self.clients.end()
        self.server.close()


def commit() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL)
    return done.stdout.strip() or "unknown"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--clients", type=int, default=20, help="people with one device each (8 to 200)")
    parser.add_argument("--check-every", type=int, default=50, metavar="N", help="cycles between two checks")
    parser.add_argument("--pause-ms", type=int, default=120, help="longest pause of a client between two bursts of sends")
    parser.add_argument("--segment-bytes", default="1MiB", help="of the log: small, so that crashes meet its borders")
    parser.add_argument("--dir", type=Path, help="a new folder for the run (default: build/crash/seed-…)")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a run that was valid")
    parser.add_argument("--lose", type=int, default=0, metavar="N",
                        help="put the data of the kill of cycle N back at the next kill: to see that loss is found")
    options = parser.parse_args()
    if not 8 <= options.clients <= 200:
        parser.error("--clients must be 8 to 200")
    return options


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through close(), so that no server is left behind
    campaign = Campaign(options)
    try:
        campaign.go()
    except (Failure, OSError, AssertionError) as failure:
        print(f"crash: FAILED in cycle {campaign.cycles}, seed {options.seed}: {failure}")
        for line in campaign.result.get("witness") or []:
            print(f"  {line}")
        print(f"the run is in {campaign.folder}: history/ (python3 tools/check_history {campaign.history}), data/ (kithd --data), "
              f"data.out, clients.out, bin/\nagain: ./dev crash --cycles {options.cycles} --seed {options.seed} --clients {options.clients}"
              + (f" --lose {options.lose}" if options.lose else "") +
              " (the same plan of kills; the moments are the machine's)")
        return 1
    finally:
        campaign.close()
    if not options.keep:
        shutil.rmtree(campaign.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
