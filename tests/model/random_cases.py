"""Sessions by chance, in the format of the known answers, for a runner in another language.

    cd tests && python -m model.random_cases SEED [COUNT]

Messages are lost, repeated, late and damaged; days go by; either side asks for answers. The same seed is the same file.
"""

import random
import sys
from dataclasses import replace

from . import make_vectors, ratchet
from .cases import Case
from .cases_ratchet import first_states, settled
from .coins import Coins
from .fixtures import DAY_MS, NOW
from .refused import Refused

STEPS = 60
DAMAGED = ("none", "none", "none", "none", "lost", "bit", "cut")


def damage(rng: random.Random, how: str, message: bytes) -> bytes:
    at = rng.randrange(len(message))
    if how == "bit":
        return message[:at] + bytes([message[at] ^ 1 << rng.randrange(8)]) + message[at + 1 :]
    return message[:at] if how == "cut" else message


def decrypt(case: Case, rng: random.Random, name: str, message: bytes, now: int) -> None:
    """The step, given as many coins as it draws, and expected to end as it does."""
    coins = Coins(rng.randbytes(32))
    expect = None
    try:
        ratchet.decrypt(case.run.sessions[name], message, coins, now)
    except Refused as refused:
        expect = refused.known_name
    script = coins.script if coins.drawn or expect else b""
    case.do("decrypt", expect, session=name, message=message, coins=script, now=now)


def session_case(seed: int) -> Case:
    rng = random.Random(seed)
    case = Case(f"SEED={seed}")
    a, b = first_states()[:2] if rng.random() < 0.5 else settled()
    # Close to asking for an answer, so that it comes within so few steps.
    for name, begin_with in (("a", a), ("b", b)):
        case.do("load", session=name, state=replace(begin_with, unanswered=rng.choice((0, 195))).encode())
    inboxes: dict[str, list[bytes]] = {"a": [], "b": []}
    sees_all = rng.choice((0.3, 0.5, 0.8))  # how soon messages are read: late ones need kept keys
    now = NOW + DAY_MS
    for _ in range(STEPS):
        now += rng.choice((0, 1, 1000, 1000, DAY_MS // 2, 3 * DAY_MS))
        name, other = rng.choice((("a", "b"), ("b", "a")))
        if not inboxes[name] or rng.random() > sees_all:
            case.do("encrypt", session=name, plaintext=rng.randbytes(rng.randrange(40)), coins=rng.randbytes(24), now=now)
            inboxes[other].append(case.out("message"))
            continue
        message = rng.choice(inboxes[name])
        how = rng.choice(DAMAGED)
        if how == "lost":
            inboxes[name].remove(message)
            continue
        decrypt(case, rng, name, damage(rng, how, message), now)
    return case


def main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    cases = [session_case(number) for number in range(seed, seed + count)]
    sys.stdout.write(make_vectors.file_text("tests/model/random_cases.py", cases))


if __name__ == "__main__":
    main()
