#!/usr/bin/env python3
"""Runs the gates and tests of `./dev test|lint|asan|tsan [NAME...]`, which prepares the environment; the last line is `N passed, N failed`.

What exists decides what runs: an empty folder is no test. Every gate, test program and pytest case counts as one.
"""
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import gates
from gates import ROOT, Item, Result

SLOTS = max(2, os.cpu_count() or 2)
TAIL_LINES = 40


class Runner:
    """Runs items when what they come after is done, and as many at once as their weights fit into SLOTS."""

    def __init__(self, items):
        self.waiting = list(items)
        self.names = {item.name for item in items}
        self.running = []
        self.done = {}
        self.change = threading.Condition()
        self.started = time.monotonic()

    def run(self):
        with self.change:
            while self.waiting or self.running:
                item = self.next_item()
                if item is None:
                    self.change.wait()
                    continue
                self.waiting.remove(item)
                self.running.append(item)
                threading.Thread(target=self.run_one, args=(item,)).start()
        return [self.done[name] for name in self.done]

    def next_item(self):
        free = SLOTS - sum(item.weight for item in self.running)
        for item in self.waiting:
            if all(name in self.done for name in item.after if name in self.names):
                # First come, first served: a heavy item may not be starved by light ones behind it.
                return item if min(item.weight, SLOTS) <= free else None
        return None

    def run_one(self, item):
        began = time.monotonic()
        folder = gates.scratch(item.name)
        try:
            result = item.action(folder)
        except Exception as error:  # a broken gate must fail, not hang the rest
            result = Result(False, f"{type(error).__name__}: {error}")
        shutil.rmtree(folder, ignore_errors=True)
        result.name, result.seconds = item.name, time.monotonic() - began
        with self.change:
            self.running.remove(item)
            self.done[item.name] = result
            report(item, result)
            self.change.notify_all()


def report(item, result):
    word = "ok  " if result.failed == 0 else "FAIL"
    cases = f" ({result.passed} of {result.passed + result.failed} cases)" if result.is_suite else ""
    note = f"  {result.note}" if result.note else ""
    print(f"{word} {result.seconds:7.1f} s  {item.name}{cases}{note}", flush=True)
    if result.failed:
        lines = result.output.rstrip().split("\n")
        if len(lines) > TAIL_LINES:
            log = ROOT / "build" / "logs" / (item.name.replace(" ", "-") + ".log")
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(result.output)
            print(f"    ... whole output: {log.relative_to(ROOT)}")
        for line in lines[-TAIL_LINES:]:
            print("    " + line)
        sys.stdout.flush()


def main(argv):
    mode, names = argv[0], argv[1:]
    items = gates.select(mode, names)
    unknown = gates.unknown_names(mode, names)
    if unknown:
        print(f"no test or gate is called {', '.join(unknown)}", file=sys.stderr)
        return 2
    started = time.monotonic()
    results = Runner(items).run()
    # Asked for by name, a build is only the way to the test: it counts when it fails.
    counted = [r for r in results if r.failed or not (names and r.name.startswith("build "))]
    passed = sum(r.passed for r in counted)
    failed = sum(r.failed for r in counted)
    skipped = sum(r.skipped for r in counted)
    bad = [r.name for r in counted if r.failed]
    if bad:
        print("failed: " + ", ".join(bad))
    if skipped:
        print(f"skipped: {skipped} pytest cases (see their reasons with pytest -rs)")
    print(f"{time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
