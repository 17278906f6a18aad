"""Asking again: what a device asks another for that did not open, and how an answer names it. Who is given what: resend_rules.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import tlv
from .refused import require

CONTENT_TYPE = b"application/x-kith-resend"
ITEMS_MAX = 32
ITEM_BYTES = 58

ITEM = [tlv.fixed(1, "chat_id", 16), tlv.number(2, "seq", tlv.U64), tlv.fixed(3, "msg_id", 16)]
REQUEST = [tlv.items(1, "items", 1, ITEMS_MAX)]


@dataclass(frozen=True, order=True)
class Item:
    """A message: the one of this number in its chat. The id says that both mean the same."""

    chat_id: bytes
    seq: int
    msg_id: bytes

    @property
    def place(self) -> tuple[bytes, int]:
        return self.chat_id, self.seq

    def encode(self) -> bytes:
        return tlv.encode(ITEM, vars(self))


def item_decode(data: bytes) -> Item:
    item = Item(**tlv.decode(ITEM, data))
    require(item.seq != 0, "a message's number is not 0")
    return item


def encode_raw(items: Sequence[bytes]) -> bytes:
    """Of any items in any order; no rule is looked at."""
    return tlv.encode(REQUEST, {"items": items})


def encode(items: Sequence[Item]) -> bytes:
    """The body of a request. The items are in their order."""
    return encode_raw([item.encode() for item in items])


def decode(data: bytes) -> list[Item]:
    values: dict[str, Any] = tlv.decode(REQUEST, data)
    items = [item_decode(raw) for raw in values["items"]]
    require(all(one.place < other.place for one, other in zip(items, items[1:])), "items do not ascend, or one place is there twice")
    return items
