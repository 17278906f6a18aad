"""The one encoding of everything that is signed, encrypted or hashed: fields of tag, length and value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .refused import Refused, require

ENCODING_MAX = 8 * 1024 * 1024
ITEMS_MAX = 4096
STEP_OVER_FROM = 0x8000
HEAD = 6  # tag u16, length u32

U8, U16, U32, U64 = "u8", "u16", "u32", "u64"
BYTES, LIST = "bytes", "list"
WIDTHS = {U8: 1, U16: 2, U32: 4, U64: 8}


@dataclass(frozen=True)
class Field:
    """A row of a table. `least` and `most` bound a value's bytes, or a list's items."""

    tag: int
    name: str
    kind: str
    least: int
    most: int
    optional: bool = False


def number(tag: int, name: str, kind: str, optional: bool = False) -> Field:
    return Field(tag, name, kind, WIDTHS[kind], WIDTHS[kind], optional)


def fixed(tag: int, name: str, length: int, optional: bool = False) -> Field:
    return Field(tag, name, BYTES, length, length, optional)


def string(tag: int, name: str, least: int, most: int, optional: bool = False) -> Field:
    return Field(tag, name, BYTES, least, most, optional)


def items(tag: int, name: str, least: int, most: int, optional: bool = False) -> Field:
    return Field(tag, name, LIST, least, most, optional)


def put(tag: int, value: bytes) -> bytes:
    return tag.to_bytes(2, "big") + len(value).to_bytes(4, "big") + value


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """All fields in their order, known or not."""
    require(len(data) <= ENCODING_MAX, "an encoding of more than 8 MiB", "TOOBIG")
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        require(len(data) - at >= HEAD, "a field's head is cut short")
        tag = int.from_bytes(data[at : at + 2], "big")
        length = int.from_bytes(data[at + 2 : at + HEAD], "big")
        at += HEAD
        require(length <= len(data) - at, "a field's value is cut short")
        require(not found or tag > found[-1][0], "tags do not ascend")
        found.append((tag, data[at : at + length]))
        at += length
    return found


def list_encode(values: Sequence[bytes]) -> bytes:
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


def list_decode(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(data):
        require(len(found) < ITEMS_MAX, "more than 4,096 items", "TOOBIG")
        require(len(data) - at >= 4, "an item's length is cut short")
        length = int.from_bytes(data[at : at + 4], "big")
        at += 4
        require(length <= len(data) - at, "an item is cut short")
        found.append(data[at : at + length])
        at += length
    return found


def encode(table: Sequence[Field], values: Mapping[str, Any]) -> bytes:
    """The encoding of `values`. A field whose value is None is left out. Bounds are not looked at: tests need broken ones."""
    out = b""
    for field in table:
        value = values.get(field.name)
        if value is None:
            assert field.optional, f"{field.name} is missing"
            continue
        out += put(field.tag, value_encode(field, value))
    return out


def value_encode(field: Field, value: Any) -> bytes:
    if field.kind in WIDTHS:
        return int(value).to_bytes(WIDTHS[field.kind], "big")
    return list_encode(value) if field.kind == LIST else bytes(value)


def decode(table: Sequence[Field], data: bytes, closed: bool = False) -> dict[str, Any]:
    """Every field of the table by its name; None for one that may be missing and is. `closed`: nothing is stepped over."""
    known = {field.tag: field for field in table}
    values: dict[str, Any] = {field.name: None for field in table}
    for tag, value in fields(data):
        if tag in known:
            values[known[tag].name] = value_decode(known[tag], value)
        elif closed or tag < STEP_OVER_FROM:
            raise Refused("UNSUPPORTED", f"unknown field {tag}")
    for field in table:
        require(field.optional or values[field.name] is not None, f"{field.name} is missing")
    return values


def value_decode(field: Field, value: bytes) -> Any:
    if field.optional:
        require(len(value) > 0, f"{field.name} is there and empty")
    if field.kind == LIST:
        found = list_decode(value)
        require(field.least <= len(found) <= field.most, f"{field.name} has too few or too many items")
        return found
    require(field.least <= len(value) <= field.most, f"{field.name} is too short or too long")
    return int.from_bytes(value, "big") if field.kind in WIDTHS else value
