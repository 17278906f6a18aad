"""application/x-kith-bodies (docs/wire/bodies.md): one ciphertext for each device."""

from __future__ import annotations

import struct
import uuid

CONTENT_TYPE = "application/x-kith-bodies"


def bodies(items: dict[str, bytes], lists: dict[str, int] | None = None) -> bytes:
    """`items`: by device id; `lists`: the sequences of the device lists, by user id."""
    users = b"".join(uuid.UUID(u).bytes + struct.pack(">Q", n) for u, n in sorted((lists or {}).items()))
    parts = b"".join(uuid.UUID(d).bytes + struct.pack(">I", len(body)) + body for d, body in sorted(items.items()))
    return struct.pack(">HI", 1, len(users)) + users + struct.pack(">HI", 2, len(parts)) + parts
