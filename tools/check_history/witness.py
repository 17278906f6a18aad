"""The few lines that show a violation, read again from the logs and cut to what matters."""

from __future__ import annotations

from typing import Any

from check_history.reader import Event, Source
from check_history.verdicts import WITNESS_OPS_MAX, Finding

# Of a history page, this many entries beside each number in question are shown.
NEIGHBOURS = 1


def witness(source: Source, finding: Finding) -> list[Event]:
    """At most 20 lines, in order of time, each with the file it stands in."""
    lines: list[Event] = []
    for ref in finding.refs[:WITNESS_OPS_MAX]:
        line = dict(source.fetch(ref))
        line["file"] = source.names[ref >> 40]
        lines.append(_trimmed(line, finding.seqs))
    return sorted(lines, key=_time)


def _time(line: Event) -> int:
    """Lines of a dump have no time: they come last."""
    t = line.get("t1") or line.get("t0")
    return t if isinstance(t, int) else 1 << 62


def _trimmed(line: Event, seqs: frozenset[int]) -> Event:
    extra: Any = line.get("extra")
    if not isinstance(extra, dict) or not isinstance(extra.get("got"), list):
        return line
    near = {s + step for s in seqs for step in range(-NEIGHBOURS, NEIGHBOURS + 1)}
    got = [entry for entry in extra["got"] if entry[0] in near]
    omitted = len(extra["got"]) - len(got)
    line["extra"] = {**extra, "got": got, "got_omitted": omitted} if omitted else extra
    return line
