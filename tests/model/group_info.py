"""A group's name and description, sealed, and the message that carries their key and the sender's chain."""

from dataclasses import dataclass, field
from typing import Any

from . import primitives, tlv
from .coins import Coins
from .refused import Refused, require

KEY_ID, NONCE = 8, 24
SEALED_MIN, SEALED_MAX = 55, 2048  # of a name of one byte, to what an operation has room for
CONTENT_TYPE = b"application/x-kith-group-keys"

INFO = [tlv.string(1, "name", 1, 128, optional=True), tlv.string(2, "about", 1, 1024, optional=True)]
GROUP_KEYS = [
    tlv.fixed(1, "group_id", 16),
    tlv.fixed(2, "info_key_id", KEY_ID, optional=True),
    tlv.fixed(3, "info_key", 32, optional=True),
    tlv.string(4, "chain", 1, 1024, optional=True),
]


@dataclass(frozen=True)
class Sealed:
    key: bytes
    key_id: bytes
    info: bytes


def text_check(values: dict[str, Any]) -> None:
    require(any(value is not None for value in values.values()), "neither a name nor a description")
    for name, value in values.items():
        try:
            (value or b"").decode("utf-8")
        except UnicodeDecodeError as bad:
            raise Refused("MALFORMED", f"{name} is not UTF-8") from bad


def seal(group_id: bytes, values: dict[str, Any], coins: Coins) -> Sealed:
    """Each time with a key of its own, so that who was removed before cannot read it."""
    plain = tlv.encode(INFO, values)
    text_check(tlv.decode(INFO, plain))
    key, key_id, nonce = coins.draw(32), coins.draw(KEY_ID), coins.draw(NONCE)
    return Sealed(key, key_id, key_id + nonce + primitives.aead_seal(key, nonce, group_id + key_id, plain))


def open(group_id: bytes, key: bytes, info: bytes) -> dict[str, Any]:
    """`key_id`, and `name` and `about`, None when they are missing."""
    require(SEALED_MIN <= len(info) <= SEALED_MAX, "shorter than what is always there, or longer than it can be")
    key_id, nonce, sealed = info[:KEY_ID], info[KEY_ID : KEY_ID + NONCE], info[KEY_ID + NONCE :]
    values = tlv.decode(INFO, primitives.aead_open(key, nonce, group_id + key_id, sealed))
    text_check(values)
    return {"key_id": key_id, **values}


def keys_encode(values: dict[str, Any]) -> bytes:
    return tlv.encode(GROUP_KEYS, values)


def keys_decode(data: bytes) -> dict[str, Any]:
    values = tlv.decode(GROUP_KEYS, data)
    require((values["info_key_id"] is None) == (values["info_key"] is None), "a key and its id: both or neither")
    require(values["info_key"] is not None or values["chain"] is not None, "neither a key nor a chain")
    return values


@dataclass
class Ring:
    """The keys that a reader keeps, by group and id: no other key can take the place of one that opened what it is for."""

    keys: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)

    def take(self, values: dict[str, Any], info: bytes | None) -> bool:
        """Whether the key of this message is kept. `info` is what the state of its group has, sealed."""
        key_id, key = values["info_key_id"], values["info_key"]
        if key is None or info is None or info[:KEY_ID] != key_id:
            return False
        try:
            open(values["group_id"], key, info)
        except Refused:
            return False
        self.keys[values["group_id"], key_id] = key
        return True
