"""A group's invite links by chance, and who asks with them: a part of random_groups.py."""

import random
from typing import Any

from . import join, primitives, tlv
from .cases import Case
from .fixtures import NOW, Account, coin, with_field
from .group_steps import DEVICE, asked, dsk_pub, request_raw
from .random_parts import damage

CHATS = 2  # a link of another chat than the group's has another key


class Links:
    """All links that anybody made, whether they hold or ended, and the requests of who has one."""

    def __init__(self, case: Case, rng: random.Random) -> None:
        self.case, self.rng = case, rng
        self.made: list[join.Link] = []
        self.requests: list[bytes] = []

    def of(self, join_key: bytes | None) -> join.Link | None:
        return next((link for link in self.made if link.join_key == join_key), None)

    def next_key(self) -> bytes | None:
        """Mostly of a new link, or of one from before; or none."""
        chance = self.rng.random()
        if chance < 0.15:
            return None
        if chance < 0.3 and self.made:
            return self.rng.choice(self.made).join_key
        if chance < 0.32:
            return self.rng.randbytes(32)
        chat_id = coin(f"chat {self.rng.randrange(CHATS)}", join.CHAT_ID)
        parts = {"chat_id": chat_id, "secret": self.rng.randbytes(join.SECRET), "op_hash": self.rng.randbytes(join.OP_HASH)}
        self.case.do("make_link", **parts)
        self.made.append(join.Link(**parts))
        self.read_link(self.made[-1])
        return self.made[-1].join_key

    def read_link(self, link: join.Link) -> None:
        if self.rng.random() < 0.3:
            name, data = self.rng.choice((("link", link.encode()), ("text", link.text)))
            how = self.rng.choice(("none", "bit", "cut", "first", "last"))
            if how in ("first", "last"):  # its version, and the bits of the last letter that say nothing
                at = 0 if how == "first" else len(data) - 1
                data = data[:at] + bytes([data[at] + self.rng.choice((-1, 1)) & 0xFF]) + data[at + 1 :]
            self.case.take("read_link", {name: damage(self.rng, how, data).hex()})

    def request(self, asker: Account, holds: bytes | None, seq: int) -> bytes | None:
        """Mostly by the link that holds; None while there was no link."""
        if not self.made:
            return None
        rng = self.rng
        link = self.of(holds) if rng.random() < 0.8 else rng.choice(self.made)
        link = link or rng.choice(self.made)
        fields: dict[str, Any] = {
            "account_id": asker.account_id.hex(),
            "device_id": DEVICE,
            "list_seq": rng.choice((1, 1, 7, 2**52)),
            "list_hash": coin(f"{asker.name} list", 32).hex(),
            "made_at": NOW + rng.randrange(-1000, 1000),
        }
        if rng.random() < 0.4:
            fields |= {"known_seq": rng.randrange(1, seq + 3)}
        if rng.random() < 0.02:
            fields |= {rng.choice(("device_id", "list_seq")): 0}
        step = self.case.take("sign_join", {"link": link.encode().hex(), "dsk_seed": asker.dsk_seed(DEVICE).hex(), **fields})
        good = self.case.out("signed") if "out" in step else asked(link, asker, request_raw(link, asker, device_id=0))
        request = self.spoilt(link, asker, good)
        self.requests.append(request)
        self.look(asker, request)
        return request

    def spoilt(self, link: join.Link, asker: Account, good: bytes) -> bytes:
        """A third of them: what somebody without the link would send, or who has it and would send something else."""
        rng = self.rng
        raw, other = dict(tlv.fields(good))[1], rng.choice(self.made)
        longest = join.REQUEST_MAX - len(raw) - tlv.HEAD
        more = rng.choice((tlv.put(8, b"new"), tlv.put(7, bytes(8)), *(tlv.put(0x8000, bytes(n)) for n in (0, longest, longest + 1))))
        how = rng.choice(("none",) * 18 + ("proof", "signature", "label", "key", "link", "more", "beside", "bit", "cut", "before"))
        if how == "before" and self.requests:
            return rng.choice(self.requests)
        makes = {
            "proof": lambda: with_field(good, 2, rng.choice((bytes(64), dict(tlv.fields(good))[3]))),
            "signature": lambda: with_field(good, 3, bytes(64)),
            "label": lambda: with_field(good, 2, primitives.sign(link.seed, "gop", raw)),
            "key": lambda: asked(link, asker, with_field(raw, 1, other.join_key)),
            "link": lambda: asked(other, asker, raw),
            "more": lambda: asked(link, asker, raw + more),
            "beside": lambda: with_field(good, rng.choice((4, 0x8000, 0xFFFF)), b"new"),
        }
        return makes[how]() if how in makes else damage(rng, how, good)

    def look(self, asker: Account, request: bytes) -> None:
        """Now and then by itself."""
        if self.rng.random() < 0.3:
            self.case.take("read_join", {"signed": request.hex()})
            self.case.take("prove_join", {"signed": request.hex()})
            key = dsk_pub(asker) if self.rng.random() < 0.9 else dsk_pub(asker, DEVICE + 1)
            self.case.take("verify_join", {"signed": request.hex(), "dsk_pub": key.hex()})
