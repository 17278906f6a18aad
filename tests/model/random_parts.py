"""Lists one after another, and payloads, by chance: what random_cases.py has beside sessions."""

import random
from typing import Any

from . import device_list, payload, primitives, tlv
from .cases import Case
from .cases_payload import EXPECTED, FIRST, FULL, rehashed
from .fixtures import DAY_MS, NOW, Account, coin, hash_of, with_field

LISTS = 25
PAYLOADS = 8
OPTIONAL = ("prev", "peer_list_seq", "peer_list_hash", "group_epoch", "group_hash", "body", "dest")


def damage(rng: random.Random, how: str, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    if how == "bit":
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    return data[:at] if how == "cut" else data


# ---------------------------------------------------------------------------------------------- lists
class History:
    """An account's lists. Each follows an earlier one, mostly the newest, and mostly by the rules."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.now = rng, NOW
        self.account = Account("alice")
        self.made: list[dict[str, Any]] = [self.account.fields([self.account.device(7)])]

    def device(self, number: int) -> dict[str, Any]:
        other = number + 100 if self.rng.random() < 0.01 else number
        change = {"ddh_pub": self.account.device(other)["ddh_pub"], **({"manager": 1} if self.rng.random() < 0.2 else {})}
        return self.account.device(number, **change)

    def key(self) -> Account:
        """Whose AIK signs: the same as before, one after it, or one that it is not the turn of."""
        chance = self.rng.random()
        if chance < 0.1:
            self.account = self.account.rotated(f"alice aik {self.now} {chance}", self.account.aik_counter + self.rng.randrange(3))
        elif chance < 0.13:
            return self.account.rotated(f"alice aik thief {chance}", max(1, self.account.aik_counter - self.rng.randrange(2)))
        elif chance < 0.15:
            reset = Account("alice")
            reset.ark_seed = coin(f"another ark {chance}", 32)
            reset.ark_pub = primitives.sign_public(reset.ark_seed)
            return reset
        return self.account

    def next(self) -> bytes:
        rng = self.rng
        before = self.made[-1] if rng.random() < 0.85 else rng.choice(self.made)
        listed = {device["device_id"] for device in before["devices"]}
        removed = set(before["removed"] or ())
        new = rng.randrange(1, 20)
        if new not in removed or rng.random() < 0.1:
            listed.add(new)
        if rng.random() < 0.4 and len(listed) > 1:
            gone = rng.choice(sorted(listed))
            listed.discard(gone)
            removed |= {gone} if rng.random() < 0.9 else set()
        if removed and rng.random() < 0.1:
            removed.discard(rng.choice(sorted(removed)))
        issued = self.now - rng.choice((0, 20, 29, 31)) * DAY_MS
        fields = self.key().fields(
            [self.device(number) for number in sorted(listed)],
            seq=before["seq"] + rng.choice((1, 1, 1, 1, 1, 1, 2)),
            prev_hash=hash_of(before) if rng.random() < 0.95 else bytes(32),
            issued_at=issued,
            expires_at=issued + rng.randrange(1, 31) * DAY_MS,
            suites=rng.choice((b"\x02", b"\x01\x02")) if rng.random() < 0.98 else b"\x02\x01",
            removed=sorted(removed) or None,
        )
        self.made.append(fields)
        return self.signed(fields)

    def signed(self, fields: dict[str, Any]) -> bytes:
        accepts = {number: sig for number, sig in self.account.acceptances(fields).items() if self.rng.random() < 0.8}
        signer = self.account if self.rng.random() < 0.97 else Account("bob")
        return signer.sign_raw(device_list.list_encode(fields), accepts)


def list_case(seed: int) -> Case:
    rng = random.Random(seed)
    case = Case(f"SEED={seed}")
    history = History(rng)
    account = history.account.account_id.hex()
    for _ in range(LISTS):
        history.now += rng.choice((0, 1, DAY_MS, 10 * DAY_MS))
        signed = history.signed(rng.choice(history.made)) if rng.random() < 0.3 else history.next()
        signed = damage(rng, rng.choice(("none",) * 8 + ("bit", "cut")), signed)
        result = case.take("read_list", {"account_id": account, "signed": signed.hex(), "now": history.now})
        # What was refused is mostly forgotten, so that the lists go on from what is pinned.
        if "err" in result and len(history.made) > 1 and rng.random() < 0.9:
            history.made.pop()
        if case.run.pins and rng.random() < 0.3:
            case.do("may_begin", account_id=history.account.account_id, now=history.now + rng.choice((1, 31)) * DAY_MS)
    return case


# ---------------------------------------------------------------------------------------------- payloads
def payload_case(seed: int) -> Case:
    rng = random.Random(seed)
    case = Case(f"SEED={seed}")
    for _ in range(PAYLOADS):
        some = {name: value for name, value in FULL.items() if name not in OPTIONAL or rng.random() < 0.95}
        some |= {"dest": coin("payload dest", 16)} if rng.random() < 0.3 else {}
        values = {**(some if rng.random() < 0.7 else FIRST), "content_type": rng.randbytes(rng.randrange(1, 65))}
        body = rng.randbytes(rng.choice((0, 1, rng.randrange(400), rng.randrange(4500), rng.randrange(20_000))))
        data = payload.encode({**values, "body": body or None})
        chance = rng.random()
        if chance < 0.2:
            data = rehashed(with_field(data, rng.choice((0x7FFF, 0x8000, 0xFFFF)), rng.randbytes(rng.randrange(40))))
        elif chance < 0.4:
            padding = dict(tlv.fields(data))[28_672]
            data = with_field(data, 28_672, bytes(max(1, len(padding) + rng.choice((-160, -1, 1, 160, 256)))))
        data = damage(rng, rng.choice(("none",) * 6 + ("bit", "cut")), data)
        reader = EXPECTED["account_id" if values.get("dest") else "reader"] if rng.random() < 0.9 else bytes(16)
        expected = {**EXPECTED, "reader": reader}
        shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in expected.items()}
        case.take("read_payload", {"payload": data.hex(), **shown})
    lengths = [rng.randrange(1, 140_000) for _ in range(20)]
    case.do("padded_lengths", lengths=lengths)
    return case
