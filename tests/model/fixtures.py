"""Accounts, devices and prekeys of the known answers. Every key comes from a name, so that the files are always the same."""

import hashlib
from typing import Any

from . import device_list, prekey, primitives, tlv

NOW = 1_790_000_000_000
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


def coin(name: str, length: int) -> bytes:
    return hashlib.shake_256(b"kith/1 known answers: " + name.encode()).digest(length)


class Account:
    """An account that can also sign what it must not: nothing here looks at a rule."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.account_id = coin(f"{name} id", 16)
        self.ark_seed = coin(f"{name} ark", 32)
        self.aik_seed = coin(f"{name} aik", 32)
        self.ark_pub = primitives.sign_public(self.ark_seed)
        self.aik_pub = primitives.sign_public(self.aik_seed)
        self.aik_counter = 1

    def rotated(self, name: str, counter: int) -> "Account":
        """The same account with another AIK."""
        other = Account(self.name)
        other.aik_seed = coin(name, 32)
        other.aik_pub = primitives.sign_public(other.aik_seed)
        other.aik_counter = counter
        return other

    def dsk_seed(self, device_id: int) -> bytes:
        return coin(f"{self.name} dsk {device_id}", 32)

    def ddh_secret(self, device_id: int) -> bytes:
        return coin(f"{self.name} ddh {device_id}", 32)

    def device(self, device_id: int, **changed: Any) -> dict[str, Any]:
        fields = {
            "device_id": device_id,
            "server_device": coin(f"{self.name} server {device_id}", 16),
            "dsk_pub": primitives.sign_public(self.dsk_seed(device_id)),
            "ddh_pub": primitives.dh_public(self.ddh_secret(device_id)),
            "added_at": NOW - HOUR_MS,
        }
        return {**fields, **changed}

    def identity(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("account_id", "ark_pub", "aik_pub", "aik_counter")}

    def fields(self, devices: list[dict[str, Any]], **changed: Any) -> dict[str, Any]:
        """The fields of a list; the certificate is of what they are after the change."""
        fields = {
            **self.identity(),
            "seq": 1,
            "prev_hash": None,
            "issued_at": NOW,
            "expires_at": NOW + 30 * DAY_MS,
            "suites": b"\x02",
            "devices": devices,
            "removed": None,
            **changed,
        }
        certificate = device_list.certificate_sign(self.ark_seed, fields)
        return {"certificate": certificate, **fields}

    def acceptances(self, fields: dict[str, Any]) -> dict[int, bytes]:
        return {
            device["device_id"]: device_list.acceptance_sign(self.dsk_seed(device["device_id"]), fields, device)
            for device in fields["devices"]
        }

    def sign_raw(self, raw: bytes, accepts: dict[int, bytes]) -> bytes:
        return device_list.signed_encode(raw, primitives.sign(self.aik_seed, "devlist", raw), accepts)

    def signed(self, fields: dict[str, Any], accepts: dict[int, bytes] | None = None) -> bytes:
        valid = self.acceptances(fields) if accepts is None else accepts
        return self.sign_raw(device_list.list_encode(fields), valid)

    def owner(self, device_id: int) -> prekey.Owner:
        return prekey.Owner(self.account_id, device_id, self.device(device_id)["dsk_pub"])

    def prekey_secret(self, kind: str, device_id: int, id: int) -> bytes:
        return coin(f"{self.name} {kind} {device_id} {id}", prekey.SECRET_BYTES[kind])

    def prekey(self, kind: str, device_id: int, id: int, expires_at: int = NOW + 14 * DAY_MS) -> bytes:
        secret = self.prekey_secret(kind, device_id, id)
        return prekey.make(kind, self.owner(device_id), self.dsk_seed(device_id), id, secret, expires_at)


def hash_of(fields: dict[str, Any]) -> bytes:
    return primitives.sha256(device_list.list_encode(fields))


# ---------------------------------------------------------------------------------------------- broken encodings
def join(fields: list[tuple[int, bytes]]) -> bytes:
    return b"".join(tlv.put(tag, value) for tag, value in fields)


def with_field(data: bytes, tag: int, value: bytes | None) -> bytes:
    """The encoding with this field put in, changed, or (None) left out; everything else as it was."""
    found = {other: old for other, old in tlv.fields(data) if other != tag}
    if value is not None:
        found[tag] = value
    return join(sorted(found.items()))


def broken(table: list[tlv.Field], data: bytes, longest: int = 24_576) -> list[tuple[str, bytes]]:
    """Encodings that break one rule of the encoding or one bound of the table each."""
    found = dict(tlv.fields(data))
    made = [(f"{row.name} missing", with_field(data, row.tag, None)) for row in table if not row.optional]
    for row in table:
        value = found.get(row.tag, b"")
        if row.optional:
            made.append((f"{row.name} there and empty", with_field(data, row.tag, b"")))
        elif row.least:
            made.append((f"{row.name} empty", with_field(data, row.tag, b"")))
        if row.kind != tlv.LIST and row.least == row.most and value:
            made.append((f"{row.name} one byte short", with_field(data, row.tag, value[1:])))
            made.append((f"{row.name} one byte long", with_field(data, row.tag, b"\x00" + value)))
        elif row.kind == tlv.BYTES and row.most <= longest:
            made.append((f"{row.name} longer than its most", with_field(data, row.tag, bytes(row.most + 1))))
    pairs = list(found.items())
    made.append(("an unknown field below 0x8000", with_field(data, 0x7FFF, b"new")))
    made.append(("field 0", with_field(data, 0, b"new")))
    made.append(("the first field twice", join(pairs[:1] + pairs)))
    made.append(("the first two fields swapped", join([pairs[1], pairs[0], *pairs[2:]])))
    made.append(("a byte behind", data + b"\x00"))
    made.append(("cut by a byte", data[:-1]))
    made.append(("nothing", b""))
    return made
