"""Prekeys: what a device leaves at the server so that others can begin a session while it is away."""

from collections.abc import Callable
from dataclasses import dataclass

from . import primitives, tlv
from .refused import require

SPK, OPK, KEM_OT, KEM_LR = "spk", "opk", "kem-ot", "kem-lr"
PUBLIC: dict[str, Callable[[bytes], bytes]] = {
    SPK: primitives.dh_public,
    OPK: primitives.dh_public,
    KEM_OT: primitives.kem_public,
    KEM_LR: primitives.kem_public,
}
SECRET_BYTES = {SPK: 32, OPK: 32, KEM_OT: primitives.KEM_SEED, KEM_LR: primitives.KEM_SEED}


def public_bytes(kind: str) -> int:
    return primitives.KEM_PUBLIC if kind in (KEM_OT, KEM_LR) else 32


def signed_table(kind: str) -> list[tlv.Field]:
    return [
        tlv.fixed(1, "account_id", 16),
        tlv.number(2, "device_id", tlv.U32),
        tlv.number(3, "id", tlv.U32),
        tlv.fixed(4, "public", public_bytes(kind)),
        tlv.number(5, "expires_at", tlv.U64),
    ]


def prekey_table(kind: str) -> list[tlv.Field]:
    return [
        tlv.number(1, "id", tlv.U32),
        tlv.fixed(2, "public", public_bytes(kind)),
        tlv.number(3, "expires_at", tlv.U64),
        tlv.fixed(4, "signature", 64),
    ]


@dataclass(frozen=True)
class Owner:
    """Whose prekey it is."""

    account_id: bytes
    device_id: int
    dsk_pub: bytes


@dataclass(frozen=True)
class Prekey:
    id: int
    public: bytes
    expires_at: int
    signature: bytes


def signed_encode(kind: str, owner: Owner, id: int, public: bytes, expires_at: int) -> bytes:
    values = {"account_id": owner.account_id, "device_id": owner.device_id, "id": id, "public": public, "expires_at": expires_at}
    return tlv.encode(signed_table(kind), values)


def make(kind: str, owner: Owner, dsk_seed: bytes, id: int, secret: bytes, expires_at: int) -> bytes:
    """The prekey as the server keeps it. `secret` is 32 bytes, or the 64 of an ML-KEM key's seed."""
    public = PUBLIC[kind](secret)
    signature = primitives.sign(dsk_seed, kind, signed_encode(kind, owner, id, public, expires_at))
    values = {"id": id, "public": public, "expires_at": expires_at, "signature": signature}
    return tlv.encode(prekey_table(kind), values)


def check(kind: str, owner: Owner, data: bytes, now: int) -> Prekey:
    """A prekey of this kind and this device that may be used now."""
    found = Prekey(**tlv.decode(prekey_table(kind), data))
    require(found.id != 0, "an id is not 0")
    signed = signed_encode(kind, owner, found.id, found.public, found.expires_at)
    primitives.verify(owner.dsk_pub, kind, signed, found.signature)
    if kind in (KEM_OT, KEM_LR):
        primitives.kem_check(found.public)
    else:
        primitives.dh_check(found.public)
    require(now < found.expires_at, "a prekey that has expired", "DENIED")
    return found
