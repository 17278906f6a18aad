"""The names of what can be wrong, and which of several to call the cause."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Iterable

CORRUPT = "corrupt"
PHANTOM = "phantom"
ABORTED_READ = "aborted read"
FORK = "fork/split brain"
DUPLICATED_IN_LOG = "duplicated in log"
MOVED = "moved"
REGION_LOSS = "region loss"
LOST = "lost"
LOST_TO_CLIENTS = "lost to clients"
STATUS = "status contradiction"
LEAK = "leak"
STALE_ACCESS = "stale access"
REORDERED = "reordered"
FIFO = "FIFO"
GAP = "gap/stuck"
CAUSAL = "causal violation"
UNDELIVERED = "undelivered"
DUPLICATED_TO_USER = "duplicated to user"
SPURIOUS = "spurious redelivery"
STREAM = "stream"
MONOTONIC = "monotonic reads"
READ_YOUR_WRITES = "read your writes"
WRITES_FOLLOW_READS = "writes follow reads"
ACK_READ_ONLY = "ack while read-only"
AVAILABILITY = "availability"
RECEIPTS = "receipts"
PRESENCE = "presence"

# One fault shows in many places: a lost message is also undelivered, and heads fall behind it. The first of this list
# that was found is the verdict, the others are printed as "also". What names its cause most closely stands first.
PRECEDENCE: tuple[str, ...] = (
    CORRUPT, PHANTOM, ABORTED_READ, FORK, DUPLICATED_IN_LOG, MOVED, REGION_LOSS, LOST, LOST_TO_CLIENTS, STATUS,
    LEAK, STALE_ACCESS, REORDERED, FIFO, GAP, CAUSAL, UNDELIVERED, DUPLICATED_TO_USER, SPURIOUS, STREAM,
    MONOTONIC, READ_YOUR_WRITES, WRITES_FOLLOW_READS, ACK_READ_ONLY, AVAILABILITY, RECEIPTS, PRESENCE,
)  # fmt: skip

INVARIANTS: dict[str, str] = {
    CORRUPT: "I-D5, I-E5", PHANTOM: "I-E5", ABORTED_READ: "I-E4", FORK: "I-O1, I-O4", DUPLICATED_IN_LOG: "I-E1",
    MOVED: "I-D1, I-E2", REGION_LOSS: "I-D2", LOST: "I-D1", LOST_TO_CLIENTS: "I-D1", STATUS: "I-E4", LEAK: "I-A1",
    STALE_ACCESS: "I-A2", REORDERED: "I-O2", FIFO: "I-O3", GAP: "I-D5, I-O5", CAUSAL: "I-C3", UNDELIVERED: "I-E6",
    DUPLICATED_TO_USER: "I-E6", SPURIOUS: "I-E6", STREAM: "I-O5", MONOTONIC: "I-C2", READ_YOUR_WRITES: "I-C1",
    WRITES_FOLLOW_READS: "I-C3", ACK_READ_ONLY: "I-D4, I-L2", AVAILABILITY: "I-L1", RECEIPTS: "I-R1, I-R2",
    PRESENCE: "I-P1, I-P2",
}  # fmt: skip

WITNESS_OPS_MAX = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: what, why, and the lines (see reader.py) that show it. `seqs` are the numbers it is about."""

    verdict: str
    why: str
    refs: tuple[int, ...]
    seqs: frozenset[int]


class Findings:
    """Counts every finding, keeps of each verdict the one with the smallest witness (the first of equals)."""

    def __init__(self) -> None:
        self.best: dict[str, Finding] = {}
        self.counts: Counter[str] = Counter()

    def add(self, verdict: str, why: str, refs: Iterable[int], seqs: Iterable[int] = ()) -> None:
        self.counts[verdict] += 1
        # A ref below 0 stands for "nothing was written about it"; a line is shown once.
        unique = tuple(dict.fromkeys(ref for ref in refs if ref >= 0))[:WITNESS_OPS_MAX]
        kept = self.best.get(verdict)
        if kept is None or len(unique) < len(kept.refs):
            self.best[verdict] = Finding(verdict, why, unique, frozenset(seqs))

    def ordered(self) -> list[Finding]:
        return [self.best[name] for name in PRECEDENCE if name in self.best]
