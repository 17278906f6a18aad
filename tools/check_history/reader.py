"""Where events come from: JSONL files, or lists in memory. An event is addressed by one integer, its `ref`.

A ref is the index of the file in the upper bits and the place in it (byte offset, or list index) in the lower 40, so refs
of one device ascend in the order its lines were written, and a witness can be read again without keeping the lines.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Protocol, Sequence

Event = dict[str, Any]

REF_PLACE_BITS = 40
REF_PLACE_MASK = (1 << REF_PLACE_BITS) - 1

CLIENT, NEMESIS, DUMP, RESTORE = "client", "nemesis", "dump", "restore"
# The nemesis is read first: it says from when on a history read counts as a final one.
READ_ORDER = {NEMESIS: 0, CLIENT: 1, DUMP: 2, RESTORE: 3}


class Malformed(Exception):
    """A line that says nothing usable. The verdict cannot be "valid" any more."""


def file_kind(name: str) -> str:
    base = Path(name).name
    for kind in (NEMESIS, DUMP, RESTORE):
        if base.startswith(kind):
            return kind
    return CLIENT


class Source(Protocol):
    names: Sequence[str]

    def events(self, index: int) -> Iterator[tuple[int, Event | Malformed]]:
        """All events of one file, each with its ref."""

    def fetch(self, ref: int) -> Event:
        """One event again."""


class MemorySource:
    """Events as lists, by file name: what the generator and the injector make."""

    def __init__(self, files: Mapping[str, Sequence[Event]]) -> None:
        self.names: Sequence[str] = sorted(files, key=lambda name: (READ_ORDER[file_kind(name)], name))
        self._files = files

    def events(self, index: int) -> Iterator[tuple[int, Event | Malformed]]:
        base = index << REF_PLACE_BITS
        for place, event in enumerate(self._files[self.names[index]]):
            yield base | place, event

    def fetch(self, ref: int) -> Event:
        return self._files[self.names[ref >> REF_PLACE_BITS]][ref & REF_PLACE_MASK]


def jsonl_paths(arguments: Iterable[str]) -> list[str]:
    """Files as named, folders as every *.jsonl below them. FileNotFoundError for what does not exist."""
    paths: list[str] = []
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            paths.extend(str(found) for found in path.rglob("*.jsonl"))
        elif path.is_file():
            paths.append(str(path))
        else:
            raise FileNotFoundError(argument)
    return sorted(set(paths), key=lambda name: (READ_ORDER[file_kind(name)], name))


class FileSource:
    """JSONL files, streamed. A last line without its newline is the mark of a killed writer and is left out."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.names: Sequence[str] = paths
        self.torn_lines = 0

    def events(self, index: int) -> Iterator[tuple[int, Event | Malformed]]:
        offset = index << REF_PLACE_BITS
        # Without the two searches for white space that json.loads makes: a third of the time of a line.
        decode = json.JSONDecoder().raw_decode
        with open(self.names[index], "rb") as stream:
            for line in stream:
                ref = offset
                offset += len(line)
                if line[-1:] != b"\n":
                    self.torn_lines += 1
                    return
                try:
                    text = line.decode()
                    event, end = decode(text)
                    if end != len(text) - 1 and text[end:].strip():
                        raise ValueError(f"more after the object, from character {end} on")
                    if not isinstance(event, dict):
                        raise ValueError("not an object")
                except ValueError as error:
                    yield ref, Malformed(str(error))
                    continue
                yield ref, event

    def fetch(self, ref: int) -> Event:
        with open(self.names[ref >> REF_PLACE_BITS], "rb") as stream:
            stream.seek(ref & REF_PLACE_MASK)
            event: Event = json.loads(stream.readline())
            return event


def ref_where(source: Source, ref: int) -> str:
    """A ref for people: the file, and the line's place in it."""
    return f"{source.names[ref >> REF_PLACE_BITS]}@{ref & REF_PLACE_MASK}"
