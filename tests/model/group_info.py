"""A group's name and description, sealed, and the message that carries their key and the sender's chain."""

from dataclasses import dataclass, field
from typing import Any

from . import primitives, tlv
from .coins import Coins
from .refused import Refused, require

KEY_ID, NONCE, TAG = 8, 24, 16
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
    require(len(info) >= KEY_ID + NONCE + TAG, "shorter than what is always there")
    key_id, nonce, sealed = info[:KEY_ID], info[KEY_ID : KEY_ID + NONCE], info[KEY_ID + NONCE :]
    values = tlv.decode(INFO, primitives.aead_open(key, nonce, group_id + key_id, sealed))
    text_check(values)
    return {"key_id": key_id, **values}


def keys_encode(values: dict[str, Any]) -> bytes:
    return tlv.encode(GROUP_KEYS, values)


def keys_decode(data: bytes) -> dict[str, Any]:
    values = tlv.decode(GROUP_KEYS, data)
    require((values["info_key_id"] is None) == (values["info_key"] is None), "a key and its id: both or neither")
    return values


@dataclass
class Ring:
    """The keys of a group's infos by their id. The first that came stays."""

    keys: dict[bytes, bytes] = field(default_factory=dict)

    def take(self, values: dict[str, Any]) -> None:
        if values["info_key_id"] is not None:
            self.keys.setdefault(values["info_key_id"], values["info_key"])
