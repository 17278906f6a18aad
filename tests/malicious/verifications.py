#!/usr/bin/env python3
"""Takes each verification in libkith/e2ee/*.c out in turn, and runs the tests of kith/1: which are missed by none of them?

    python3 tests/malicious/verifications.py [--only FILE[:LINE]...] [--list] [--work DIR] [--results FILE]
    python3 tests/malicious/verifications.py --results FILE --write

A site is an `if` that returns, sets an error, leaves a loop or jumps, which is made never to; or a result `cond ? KITH_OK : error`, which is
made KITH_OK. The tree is copied, its e2ee folder compiled to a shared library with one site changed, and the test programs run against
it, first what noticed it the last time, until one fails. --write puts what was found into the table of verifications.md, where a site that
was not run stays as it was, with the reasons that tests/malicious/verifications.txt gives for those that no test can notice. It is no part
of ./dev test: all of it takes about half an hour.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
# By the file that a site is in; those that notice most are first: all whose name begins so. An argument is a cmocka filter.
WHOLE = ["malicious/test_malicious_lists", "malicious/test_malicious_identity", "malicious/test_malicious_setup", "unit/test_e2e_account_thread",
         "unit/test_e2e_account_load", "unit/test_e2e_account_link", "malicious/test_malicious_messages", "malicious/test_malicious_groups", "malicious/test_malicious_group_messages",
         "malicious/test_malicious_joins", "malicious/test_malicious_chains", "malicious/test_malicious_passed_on", "malicious/test_malicious_removed", "malicious/test_malicious_past", "unit/test_e2e_account_chain", "unit/test_e2e_account_past", "unit/test_e2e_account_received",
         "unit/test_e2e_account_group", "unit/test_e2e_account_group_said", "unit/test_e2e_account", "unit/test_e2e_account_upload", "unit/test_e2e_account_full",
         "unit/test_e2e_account_anew", "malicious/test_malicious_anew", "malicious/test_malicious_prekeys", "unit/test_e2e_account_taken", "unit/test_e2e_account_digest",
         "malicious/test_malicious_spelling", "unit/test_e2e_account_step", "unit/test_e2e_account_left", "unit/test_e2e_account_put_back",
         "unit/test_e2e_account_join", "unit/test_e2e_account_join_check", "unit/test_e2e_account_join_memory", "unit/test_e2e_account_memory",
         "unit/test_e2e_account_mail", "unit/test_e2e_account_lost", "unit/test_e2e_account_give", "unit/test_e2e_account_resend", "unit/test_e2e_account_resend_memory", "malicious/test_malicious_resends",
         "unit/test_e2e_account_group_kept", "unit/test_e2e_account_cut *again_and_again"]
ALONE = re.compile(r"wycheproof|crypto|vectors|tlv|account")  # of libkith/crypto, or of whole accounts
PARTS = [f"unit/{path.stem}" for path in sorted((ROOT / "tests/unit").glob("test_e2e_*.c")) if not ALONE.search(path.name)] + \
        ["malicious/test_malicious_setup", "malicious/test_malicious_messages"]
FIRST = {"device": "unit/test_e2e_device_list", "list_p": "unit/test_e2e_device_list", "prekey": "unit/test_e2e_prekey", "ratche": "unit/test_e2e_session_order",
         "sessio": "unit/test_e2e_session", "chain_": "unit/test_e2e_chain_stored", "receiv": "unit/test_e2e_sender_chain", "sender": "unit/test_e2e_sender_chain",
         "group_": "unit/test_e2e_group", "join.c": "unit/test_e2e_join", "resend": "unit/test_e2e_resend"}
OF_CHAINS = ("malicious/test_malicious_chains", "malicious/test_malicious_removed", "unit/test_e2e_account_chain", "unit/test_e2e_account_received")
OF_ACCOUNTS = {"account_group": ("malicious/test_malicious_group", "unit/test_e2e_account_group"), "account_chain": OF_CHAINS, "account_received": OF_CHAINS,
               "account_mail": ("unit/test_e2e_account_mail",), "account_resend": ("unit/test_e2e_account_lost", "unit/test_e2e_account_resend"),
               "account_given": ("unit/test_e2e_account_give", "malicious/test_malicious_resends"),
               "account_past": ("malicious/test_malicious_past", "unit/test_e2e_account_past"),
               "account_join": ("malicious/test_malicious_joins", "unit/test_e2e_account_join")}
NOT_RUN = "not run"
LIGHT = {"KITH_MUTATIONS": "300", "KITH_CLONED_MESSAGES": "150"}
TEST_SECONDS = 30
FLAGS = ["-std=c17", "-D_GNU_SOURCE", '-DKITH_VERSION="0"', "-O1", "-g", "-fPIC", "-w"]
ACTS = re.compile(r"\breturn\b|\berr = |\bgoto\b|\bcontinue\b|\bbreak\b|= false\b|= true\b")
RESULT = re.compile(r"return ([^;?]*?) \? (KITH_OK : [^;]+|KITH_E_\w+ : KITH_OK);", re.S)


@dataclass
class Site:
    file: str
    line: int
    start: int  # of what is replaced
    end: int
    text: str
    instead: str
    noticed: str = ""
    nth: int = 0  # among those of its file with the same text

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}"


def closing(text: str, at: int) -> int:
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ValueError("no closing parenthesis")


def sites_of(path: Path) -> list[Site]:
    text = path.read_text()
    blank = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)
    found: list[Site] = []
    for match in re.finditer(r"\bif \(", blank):
        opens = match.end() - 1
        closes = closing(blank, opens)
        body = blank[closes + 1:blank.index(";", closes)]
        if not ACTS.search(body):
            continue
        shown = " ".join(blank[match.start():closes + 1].split()) + " " + " ".join(body.split()) + ";"
        found.append(Site(path.name, text.count("\n", 0, match.start()) + 1, opens, closes + 1, shown, f"(0 && {text[opens:closes + 1]})"))
    for match in RESULT.finditer(blank):
        found.append(Site(path.name, text.count("\n", 0, match.start()) + 1, match.start(), match.end(), " ".join(match[0].split()),
                          "return KITH_OK;"))
    found.sort(key=lambda site: site.start)
    for at, site in enumerate(found):
        site.nth = sum(before.text == site.text for before in found[:at])
    return found


def before() -> dict[tuple[str, str, int], str]:
    """What verifications.md says: file, text, nth; by what it is noticed."""
    path = HERE / "verifications.md"
    rows = re.findall(r"^\| (\w+\.c):(\d+) \| `(.*)` \| (.*) \|$", path.read_text(), re.M) if path.exists() else []
    found: dict[tuple[str, str, int], str] = {}
    for file, _, text, said in sorted(rows, key=lambda row: (row[0], int(row[1]))):
        text = text.replace("\\|", "|")
        nth = next(n for n in range(len(rows)) if (file, text, n) not in found)
        found[file, text, nth] = said if re.fullmatch(r"test_\w+( hangs)?|does not compile|not run", said) else ""
    return found


class Workshop:
    """A copy of the tree, everything in it compiled once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        deps = (ROOT / "build/deps.cmake").read_text()
        sodium = re.search(r"KITH_LIBSODIUM_DIR ([^)]+)\)", deps)
        assert sodium is not None, "run ./dev build once"
        self.sodium = Path(sodium[1])
        self.tree = folder / "tree"
        self.objects = folder / "objects"
        for part in ("src", "libkith", "tests"):
            shutil.copytree(ROOT / part, self.tree / part, ignore=shutil.ignore_patterns("node_modules", "__pycache__", "corpus"))
        self.objects.mkdir()
        self.before = before()
        self.names = {test: {Path(test).name, *re.findall(r"cmocka_unit_test\w*\((\w+)", (ROOT / "tests" / (test.split()[0] + ".c")).read_text())}
                      for test in {*PARTS, *WHOLE}}
        self.include = ["-I" + str(self.tree / "src"), "-I" + str(self.tree), "-I" + str(self.sodium / "include")]

    def compile(self, source: Path, target: Path, extra: list[str]) -> bool:
        command = ["gcc", *FLAGS, *extra, *self.include, "-c", str(source), "-o", str(target)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def build(self) -> None:
        sources = [*self.tree.glob("libkith/e2ee/*.c"), *self.tree.glob("libkith/crypto/*.c"), *self.tree.glob("libkith/wasm/ops*.c"),
                   *self.tree.glob("src/base/*.c"), self.tree / "src/wire/bodies.c", self.tree / "src/wire/utf8.c"]
        for source in sources:
            assert self.compile(source, self.objects / (source.stem + ".o"), []), source
        assert self.link()
        shared = [*self.tree.glob("tests/e2e/*.c"), *self.tree.glob("tests/unit/kith1_*.c"),
                  *(self.tree / "tests/malicious" / name for name in ("forge.c", "mob.c", "ring.c", "trio.c"))]
        places = [f'-DKITH_TESTS_DIR="{self.tree}/tests"', f'-DKITH_ROOT_DIR="{self.tree}"']
        for source in shared:
            assert self.compile(source, self.folder / (source.stem + ".o"), places), source
        subprocess.run(["ar", "rcs", str(self.folder / "libshared.a"), *(str(self.folder / (s.stem + ".o")) for s in shared)], check=True)
        for test in {*PARTS, *WHOLE}:
            source = self.tree / "tests" / (test.split()[0] + ".c")
            command = ["gcc", *FLAGS, *places, *self.include, str(source), "-o", str(self.folder / source.stem), "-L" + str(self.folder), "-lshared",
                       "-le2e", "-lcmocka", "-ljansson", "-Wl,-rpath," + str(self.folder), "-Wl,--export-dynamic"]
            subprocess.run(command, check=True)

    def link(self) -> bool:
        command = ["gcc", "-shared", *map(str, self.objects.glob("*.o")), "-o", str(self.folder / "libe2e.so"),
                   str(self.sodium / "lib/libsodium.a"), "-lpthread"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def failing(self, tests: list[str]) -> str:
        for test in tests:
            name, *arguments = test.split()
            program = self.folder / Path(name).name
            try:
                run = subprocess.run([str(program), *arguments], capture_output=True, timeout=TEST_SECONDS, check=False, text=True,
                                     env=os.environ | LIGHT)
            except subprocess.TimeoutExpired:
                return f"{program.name} hangs"
            if run.returncode != 0:
                said = run.stdout + run.stderr
                failed = re.findall(r"\[  FAILED  \] (test_\w+)", said) or re.findall(r"\[ RUN      \] (test_\w+)", said)[-1:]
                return failed[0] if failed else program.name
        return ""

    def change(self, site: Site) -> str:
        """What notices that the site is gone; "": nothing."""
        source = self.tree / "libkith/e2ee" / site.file
        whole = source.read_text()
        target = self.objects / (source.stem + ".o")
        kept = target.read_bytes()
        source.write_text(whole[:site.start] + site.instead + whole[site.end:])
        try:
            if not self.compile(source, target, []) or not self.link():
                return "does not compile"
            tests = WHOLE if site.file.startswith("account") else PARTS
            of_accounts = [first for files, first in OF_ACCOUNTS.items() if site.file.startswith(files)]
            first = of_accounts[0] if of_accounts else FIRST.get(site.file[:6], "-")
            last = self.before.get((site.file, site.text, site.nth), "").split(" ")[0]
            return self.failing(sorted(tests, key=lambda test: (last not in self.names[test], not test.startswith(first))))
        finally:
            source.write_text(whole)
            target.write_bytes(kept)


def reasons() -> dict[tuple[str, str], str]:
    """file, the site's text, why nothing notices: three lines each."""
    path = HERE / "verifications.txt"
    lines = [line for line in path.read_text().splitlines() if line] if path.exists() else []
    return {(lines[i], lines[i + 1]): lines[i + 2] for i in range(0, len(lines) - 2, 3)}


def table(sites: list[Site]) -> str:
    known = reasons()
    missed = [s for s in sites if not s.noticed]
    not_run = [s for s in sites if s.noticed == NOT_RUN]
    out = ["# Verifications taken out, one at a time", "",
           "Written by `verifications.py`; what it does is said there. Reasons are those of `verifications.txt`.", "",
           f"{len(sites)} sites, {len(sites) - len(missed) - len(not_run)} noticed, {len(missed)} not, {len(not_run)} not run.", "", "## Not noticed", "",
           "| site | verification | why |", "|---|---|---|"]
    cell = lambda text: "`" + text.replace("|", "\\|") + "`"  # noqa: E731
    out += [f"| {s.name} | {cell(s.text)} | {known.get((s.file, s.text), '**open**')} |" for s in missed]
    out += ["", "## Noticed", "", "| site | verification | by |", "|---|---|---|"]
    out += [f"| {s.name} | {cell(s.text)} | {s.noticed} |" for s in sites if s.noticed]
    return "\n".join(out) + "\n"


# ---------------------------------------------------------------------------------------------- the command
def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", help="FILE or FILE:LINE, as in the table; may be a prefix")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--results", type=Path, help="where each outcome is added as a line of JSON, and read by --write")
    options = parser.parse_args()
    sites = [site for path in sorted((ROOT / "libkith/e2ee").glob("*.c")) for site in sites_of(path)
             if not options.only or site.name.startswith(tuple(options.only))]
    if options.list:
        print("\n".join(f"{site.name}: {site.text}" for site in sites))
        return 0
    if options.write:
        found = before() | {(file, text, nth): noticed for file, text, nth, noticed in map(json.loads, options.results.read_text().splitlines())}
        for site in sites:
            site.noticed = found.get((site.file, site.text, site.nth), NOT_RUN)
        (HERE / "verifications.md").write_text(table(sites))
        for file, text in reasons().keys() - {(s.file, s.text) for s in sites if not s.noticed}:
            print(f"a reason that nothing needs: {file}: {text}")
        return 0
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        shop = Workshop(Path(folder))
        shop.build()
        if failing := shop.failing(PARTS + WHOLE):
            print(f"{failing} fails with nothing changed")
            return 1
        began = time.monotonic()
        for number, site in enumerate(sites, 1):
            site.noticed = shop.change(site)
            print(f"{number}/{len(sites)} {time.monotonic() - began:.0f} s {site.name} {site.noticed or 'NOT NOTICED ' + site.text}", flush=True)
            if options.results:
                with options.results.open("a") as out:
                    out.write(json.dumps([site.file, site.text, site.nth, site.noticed]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
