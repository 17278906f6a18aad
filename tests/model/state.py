"""The state of a session as a device keeps it. The same session is the same bytes."""

from dataclasses import dataclass, fields

from . import tlv
from .refused import require

KEPT = [
    tlv.fixed(1, "ratchet_pub", 32),
    tlv.number(2, "n", tlv.U32),
    tlv.fixed(3, "mk", 32),
    tlv.number(4, "kept_at", tlv.U64),
    tlv.number(5, "chain", tlv.U32),
]
KEPT_MAX = 2000
SETUP_MAX = 4096

STATE = [
    tlv.fixed(1, "transcript", 32),
    tlv.fixed(2, "root_key", 32),
    tlv.fixed(3, "our_secret", 32),
    tlv.fixed(4, "their_pub", 32),
    tlv.fixed(5, "send_chain", 32),
    tlv.fixed(6, "recv_chain", 32, optional=True),
    tlv.number(7, "ns", tlv.U32),
    tlv.number(8, "nr", tlv.U32),
    tlv.number(9, "pn", tlv.U32),
    tlv.items(10, "kept", 1, KEPT_MAX, optional=True),
    tlv.string(11, "setup", 1, SETUP_MAX, optional=True),
    tlv.fixed(12, "ek_pub", 32),
    tlv.number(13, "created_at", tlv.U64),
    tlv.number(14, "heard_at", tlv.U64, optional=True),
    tlv.number(15, "recv_chains", tlv.U32),
    tlv.number(16, "unanswered", tlv.U32),
    tlv.number(17, "stepped_at", tlv.U64),
    tlv.number(18, "needs_step", tlv.U8, optional=True),
]


@dataclass(frozen=True)
class Kept:
    """The key of a message that has not come yet."""

    ratchet_pub: bytes
    n: int
    mk: bytes
    kept_at: int
    chain: int


@dataclass(frozen=True)
class State:
    """Frozen: every step makes another one, so a message that fails has changed nothing."""

    transcript: bytes
    root_key: bytes
    our_secret: bytes
    their_pub: bytes | None  # None, as send_chain is, only inside accept(), before the first message is decrypted
    send_chain: bytes | None
    ek_pub: bytes
    created_at: int
    stepped_at: int
    recv_chain: bytes | None = None
    ns: int = 0
    nr: int = 0
    pn: int = 0
    kept: tuple[Kept, ...] = ()
    setup: bytes | None = None
    heard_at: int | None = None
    recv_chains: int = 0
    unanswered: int = 0
    needs_step: int | None = None

    def encode(self) -> bytes:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["kept"] = [tlv.encode(KEPT, vars(kept)) for kept in self.kept] or None
        return tlv.encode(STATE, values)


def decode(data: bytes) -> State:
    values = tlv.decode(STATE, data)
    require(values["needs_step"] in (None, 1), "needs_step is 1 or missing")
    values["kept"] = tuple(Kept(**tlv.decode(KEPT, item)) for item in values["kept"] or [])
    return State(**values)
