"""UUIDv7 (RFC 9562, 5.7), monotone within this process, as a device makes its message ids."""

from __future__ import annotations

import secrets
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def uuid7(ms: int | None = None) -> str:
    """With `ms`: an id of that time, random otherwise."""
    global _last
    if ms is None:
        with _lock:
            # 48 bits of time and 12 of counter: ids of one millisecond still ascend.
            _last = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
            stamp = _last
    else:
        stamp = (ms << 12) | secrets.randbits(12)
    value = (stamp >> 12) << 80 | 7 << 76 | (stamp & 0xFFF) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
