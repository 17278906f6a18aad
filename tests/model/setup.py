"""The set-up: what A says of the beginning of a session in each message until it is answered."""

from typing import Any

from . import primitives, tlv
from .refused import require

SUITE_CLASSIC, SUITE = 0x01, 0x02  # the first is for tests only

# The fields of ML-KEM may be missing here, but only as their suite says.
SETUP = [
    tlv.number(1, "suite", tlv.U8),
    tlv.number(2, "device_a", tlv.U32),
    tlv.number(3, "list_seq_a", tlv.U64),
    tlv.fixed(4, "list_hash_a", 32),
    tlv.number(5, "list_seq_b", tlv.U64),
    tlv.fixed(6, "list_hash_b", 32),
    tlv.number(7, "spk_id", tlv.U32),
    tlv.number(8, "opk_id", tlv.U32, optional=True),
    tlv.number(9, "kem_id", tlv.U32, optional=True),
    tlv.number(10, "kem_is_last", tlv.U8, optional=True),
    tlv.fixed(11, "ek_pub", 32),
    tlv.fixed(12, "ct", primitives.KEM_CIPHERTEXT, optional=True),
]


def decode(data: bytes) -> dict[str, Any]:
    """By itself: of a suite that there is, with the fields of that suite and no id or seq of 0."""
    setup = tlv.decode(SETUP, data)
    require(setup["suite"] in (SUITE_CLASSIC, SUITE), "a suite that we do not know", "UNSUPPORTED")
    for name in ("kem_id", "kem_is_last", "ct"):
        require((setup[name] is not None) == (setup["suite"] == SUITE), f"{name} is not as the suite says")
    require(setup["kem_is_last"] in (None, 0, 1), "kem_is_last is 0 or 1")
    for name in ("device_a", "list_seq_a", "list_seq_b", "spk_id", "opk_id", "kem_id"):
        require(setup[name] != 0, f"{name} is 0")
    return setup
