"""Cases by chance, in the format of the known answers, for a runner in another language.

    cd tests && python -m model.random_cases SEED [COUNT]

Sessions: messages are lost, repeated, late and damaged; days go by; either side asks for answers, or both begin at once. Of ten
seeds two are of lists, one is of payloads and one of mail and of what is asked for again. The same seed is the same case.
"""

import random
import sys
from dataclasses import replace
from typing import Any

from . import make_vectors, random_parts, random_resend, ratchet
from .cases import Case
from .cases_ratchet import first_states, forward, settled
from .session_steps import A, ALICE, B, BOB, begin_args, lists, secrets_args
from .coins import Coins
from .fixtures import DAY_MS, NOW
from .random_parts import damage
from .run import Run, raw
from .refused import Refused

STEPS = 100
DAMAGED = (*("none",) * 8, "lost", "bit", "cut")
OTHER = {"a": "b", "b": "a"}
SIDES = {"a": (ALICE, A), "b": (BOB, B)}


def coins_of(run: Run, args: dict[str, Any], coins: bytes) -> bytes:
    """As many as the `decrypt` with these `args` draws; all, when it is refused."""
    given, script = raw({name: args[name] for name in ("message", "now")}), Coins(coins)
    try:
        ratchet.decrypt(run.sessions[args["session"]], given["message"], script, given["now"])
    except Refused:
        return coins
    return coins[: script.drawn]


class Talk:
    """Two devices, a session that one of them began or one of each, and the messages under way."""

    def __init__(self, case: Case, rng: random.Random) -> None:
        self.case, self.rng, self.now = case, rng, NOW + DAY_MS
        # Whose session it is, and who began it: "ab" is A's of the one that B began.
        self.inboxes: dict[str, list[bytes]] = {}

    def load(self) -> None:
        a, b = first_states()[:2] if self.rng.random() < 0.5 else settled()
        if self.rng.random() < 0.05:
            a = forward(a, self.rng.choice((1999, 2000, 2001)))
        # Close to asking for an answer, so that it comes within so few steps.
        for name, begin_with in (("aa", a), ("ba", b)):
            self.case.do("load", session=name, state=replace(begin_with, unanswered=self.rng.choice((0, 195))).encode())
            self.inboxes[name] = []

    def begin(self) -> None:
        lists(self.case)
        self.now = NOW + 1000
        for who in self.rng.choice(("a", "b", "ab")):
            us, them = SIDES[who][0], SIDES[OTHER[who]][0]
            args = begin_args(us, them, who + who, last=self.rng.random() < 0.4, opk=self.rng.random() < 0.5)
            self.case.do("begin", **{**args, "coins": self.rng.randbytes(96)})
            self.inboxes |= {who + who: [], OTHER[who] + who: []}
        for account, device in SIDES.values():
            self.case.do("secrets", secrets=account.name, **secrets_args(account, device))

    def send(self, name: str) -> None:
        plaintext = self.rng.randbytes(self.rng.randrange(40))
        self.case.do("encrypt", session=name, plaintext=plaintext, coins=self.rng.randbytes(24), now=self.now)
        self.inboxes[OTHER[name[0]] + name[1]].append(self.case.out("message"))

    def receive(self, name: str) -> None:
        inbox, how = self.inboxes[name], self.rng.choice(DAMAGED)
        # Mostly among the newest, so that chains begin and old messages are late for them.
        message = self.rng.choice(inbox if self.rng.random() < 0.3 else inbox[-3:])
        if how == "lost" or (how == "none" and self.rng.random() < 0.5):  # not lost: it will not come twice
            inbox.remove(message)
        if how == "lost":
            return
        args: dict[str, Any] = {"session": name, "message": damage(self.rng, how, message).hex()}
        coins = self.rng.randbytes(32)
        if name in self.case.run.sessions:
            args |= {"now": self.now}
            self.case.take("decrypt", {**args, "coins": coins_of(self.case.run, args, coins).hex()})
            return
        (us, device), them = SIDES[name[0]], SIDES[name[1]][0]
        args |= {"us": us.account_id.hex(), "us_device": device, "secrets": us.name, "them": them.account_id.hex()}
        self.case.take("accept", {**args, "coins": coins.hex(), "now": self.now})

    def ask(self, name: str) -> None:
        mine, theirs = name[0] * 2, name[0] + OTHER[name[0]]
        if theirs in self.case.run.sessions:
            self.case.do("choose", ours=mine if mine in self.case.run.sessions else None, accepted=theirs)
        self.case.do("is_silent", session=name, now=self.now + self.rng.choice((0, 29, 30)) * DAY_MS)


def session_case(seed: int) -> Case:
    rng = random.Random(seed)
    case = Case(f"SEED={seed}")
    talk = Talk(case, rng)
    if rng.random() < 0.6:
        talk.load()
    else:
        talk.begin()
    sees_all = rng.choice((0.5, 0.7, 0.9))  # how soon messages are read: late ones need kept keys
    pace = rng.choice(((0, 1, 1000), (0, 1, 1000, 1000, DAY_MS // 2, 3 * DAY_MS), (1000, 1000, 1000, DAY_MS)))
    for _ in range(STEPS):
        talk.now += rng.choice(pace)
        name = rng.choice(list(talk.inboxes))
        if talk.inboxes[name] and rng.random() < sees_all:
            talk.receive(name)
        elif name in case.run.sessions:
            talk.send(name)
            if rng.random() < 0.05:
                talk.ask(name)
    return case


def case_of(seed: int) -> Case:
    kinds = {0: random_parts.list_case, 1: random_parts.list_case, 2: random_parts.payload_case, 3: random_resend.resend_case}
    return kinds.get(seed % 10, session_case)(seed)


def main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    cases = [case_of(number) for number in range(seed, seed + count)]
    sys.stdout.write(make_vectors.file_text("tests/model/random_cases.py", cases))


if __name__ == "__main__":
    main()
