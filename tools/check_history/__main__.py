"""python3 -m check_history FILE_OR_DIR...: was every promise kept in what these logs tell?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

if not __package__:
    # Called as a folder (`python3 tools/check_history`): the package's parent is not on the path then.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from check_history.checker import EXIT_CODES, Result, check
from check_history.reader import FileSource, jsonl_paths


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="check_history",
        description="Check what clients, nemesis and store wrote down. The format is docs/history-format.md.",
        epilog="Exit code 0: valid. 1: invalid, with the smallest witness. 2: unknown, which is a failure too.",
    )
    parser.add_argument("paths", nargs="+", metavar="FILE_OR_DIR", help="JSONL files, or folders that hold them")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines for people")
    parser.add_argument("--min-acked", type=int, metavar="N", help="unknown when fewer messages were acknowledged")
    parser.add_argument("--seed", default="", help="of the run: printed again with the verdict")
    parser.add_argument("--commit", default="", help="of the server: printed again with the verdict")
    return parser


def print_for_people(result: Result) -> None:
    head = {"valid": "valid", "invalid": f"invalid: {result.name}", "unknown": f"unknown: {result.why}"}[result.verdict]
    print(head)
    if result.verdict == "invalid":
        print(f"why: {result.why}")
        print(f"witness ({len(result.witness)} ops):")
        for line in result.witness:
            print(json.dumps(line, separators=(",", ":")))
        print("found: " + ", ".join(f"{name} {count}" for name, count in sorted(result.also.items())))
    for name, value in result.counters.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
        print(f"{name}: {value}")


def main(argv: list[str]) -> int:
    options = arguments().parse_args(argv)
    try:
        paths = jsonl_paths(options.paths)
    except FileNotFoundError as error:
        print(f"unknown: no such file or folder: {error}")
        return EXIT_CODES["unknown"]
    source = FileSource(paths)
    result = check(source, options.min_acked)
    echoed = {name: value for name, value in (("seed", options.seed), ("commit", options.commit)) if value}
    if options.json:
        print(json.dumps({**result.as_json(), **echoed, "torn_lines": source.torn_lines}))
    else:
        print_for_people(result)
        print(f"torn_lines: {source.torn_lines}")
        for name, value in echoed.items():
            print(f"{name}: {value}")
    return EXIT_CODES[result.verdict]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
