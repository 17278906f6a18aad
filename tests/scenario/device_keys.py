"""Signed lists and prekeys in their form (docs/wire/e2ee.md), with keys and signatures that nobody made: the server checks none."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import uuid
from typing import Any

X25519, MLKEM = 32, 1184


def field(tag: int, value: bytes) -> bytes:
    return struct.pack(">HI", tag, len(value)) + value


def items(values: list[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(value)) + value for value in values)


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def device_list(user_id: str, device_ids: list[str], seq: int = 1, prev_hash: bytes = b"") -> bytes:
    devices = [field(1, struct.pack(">I", n + 1)) + field(2, uuid.UUID(device).bytes) + field(3, os.urandom(32))
               + field(4, os.urandom(32)) + field(5, struct.pack(">Q", 1)) for n, device in enumerate(device_ids)]
    return (field(1, uuid.UUID(user_id).bytes) + field(2, os.urandom(32)) + field(3, os.urandom(32))
            + field(4, struct.pack(">I", 1)) + field(5, os.urandom(64)) + field(6, struct.pack(">Q", seq))
            + (field(7, prev_hash) if prev_hash else b"") + field(8, struct.pack(">Q", 1)) + field(9, struct.pack(">Q", 2))
            + field(10, b"\x02") + field(11, items(devices)))


def list_hash(inner: bytes) -> bytes:
    return hashlib.sha256(inner).digest()


def signed(inner: bytes, accepted_by: int = 0) -> bytes:
    """With the acceptances of the first so many devices."""
    accepts = [field(1, struct.pack(">I", n + 1)) + field(2, b"a" * 64) for n in range(accepted_by)]
    return field(1, inner) + field(2, b"s" * 64) + (field(3, items(accepts)) if accepts else b"")


def prekey(key_id: int, public_bytes: int) -> bytes:
    return (field(1, struct.pack(">I", key_id)) + field(2, os.urandom(public_bytes)) + field(3, struct.pack(">Q", 1))
            + field(4, os.urandom(64)))


def upload(opks: int = 0, kem_ots: int = 0, lasting: bool = True) -> dict[str, Any]:
    """The body of PUT /devices/me/keys. Ids: 1 and 2 of the lasting ones, from 100 on of the others."""
    body: dict[str, Any] = {"opks": [text(prekey(100 + n, X25519)) for n in range(opks)],
                               "kem_ots": [text(prekey(100 + n, MLKEM)) for n in range(kem_ots)]}
    if lasting:
        body |= {"spk": text(prekey(1, X25519)), "kem_lr": text(prekey(2, MLKEM))}
    return body
