"""application/x-kith-bodies (docs/wire/bodies.md): one ciphertext for each device."""

from __future__ import annotations

import hashlib
import struct
import uuid

CONTENT_TYPE = "application/x-kith-bodies"


def bodies(items: dict[str, bytes], lists: dict[str, int] | None = None) -> bytes:
    """`items`: by device id; `lists`: the sequences of the device lists, by user id."""
    users = b"".join(uuid.UUID(u).bytes + struct.pack(">Q", n) for u, n in sorted((lists or {}).items()))
    parts = b"".join(uuid.UUID(d).bytes + struct.pack(">I", len(body)) + body for d, body in sorted(items.items()))
    return struct.pack(">HI", 1, len(users)) + users + struct.pack(">HI", 2, len(parts)) + parts


def digest(lists: dict[str, int]) -> bytes:
    """Of the lists of all members; who has none (0) is not in it."""
    named = (uuid.UUID(u).bytes + struct.pack(">Q", n) for u, n in lists.items() if n > 0)
    total = sum(int.from_bytes(hashlib.sha256(one).digest()[:16], "big") for one in named)
    return (total % 2**128).to_bytes(16, "big")


def common(body: bytes, lists: dict[str, int]) -> bytes:
    """One ciphertext for all, and the digest of the lists."""
    part = bytes(16) + struct.pack(">I", len(body)) + body
    return struct.pack(">HI", 2, len(part)) + part + struct.pack(">HI", 3, 16) + digest(lists)
