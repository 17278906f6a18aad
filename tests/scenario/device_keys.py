"""Signed lists, made by the model of the protocol (docs/wire/e2ee.md), and prekeys in their form, with keys and signatures that nobody made:
of those the server checks none."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import uuid
from typing import Any

from model import device_list, fixtures

X25519, MLKEM = 32, 1184


def field(tag: int, value: bytes) -> bytes:
    return struct.pack(">HI", tag, len(value)) + value


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


class Keys(fixtures.Account):
    """An account's keys, made of its id; `who` gives it others: those of somebody else who claims to be it."""

    def __init__(self, user_id: str, who: str = "") -> None:
        super().__init__(f"{user_id} {who}")
        self.account_id = uuid.UUID(user_id).bytes

    def list(self, device_ids: list[str], seq: int = 1, prev_hash: bytes | None = None, **changed: Any) -> dict[str, Any]:
        """The fields of a list of these devices, whose numbers are 1, 2, …"""
        devices = [self.device(n, server_device=uuid.UUID(device).bytes) for n, device in enumerate(device_ids, 1)]
        return self.fields(devices, seq=seq, prev_hash=prev_hash, **changed)

    def signed(self, fields: dict[str, Any], accepted_by: int = 0) -> bytes:
        """With the acceptances of the first so many devices."""
        accepts = dict(list(self.acceptances(fields).items())[:accepted_by])
        return self.sign_raw(device_list.list_encode(fields), accepts)


def list_hash(fields: dict[str, Any]) -> bytes:
    return hashlib.sha256(device_list.list_encode(fields)).digest()


def prekey(key_id: int, public_bytes: int) -> bytes:
    return (field(1, struct.pack(">I", key_id)) + field(2, os.urandom(public_bytes)) + field(3, struct.pack(">Q", 1 << 62))
            + field(4, os.urandom(64)))


def upload(opks: int = 0, kem_ots: int = 0, lasting: bool = True) -> dict[str, Any]:
    """The body of PUT /devices/me/keys. Ids: 1 and 2 of the lasting ones, from 100 on of the others."""
    body: dict[str, Any] = {"opks": [text(prekey(100 + n, X25519)) for n in range(opks)],
                               "kem_ots": [text(prekey(100 + n, MLKEM)) for n in range(kem_ots)]}
    if lasting:
        body |= {"spk": text(prekey(1, X25519)), "kem_lr": text(prekey(2, MLKEM))}
    return body
