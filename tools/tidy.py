#!/usr/bin/env python3
"""House rules that no compiler checks: include direction, sizes, banned calls, and purity of the deterministic parts.

    tools/tidy.py [--root DIR] [--archives DIR]

Each finding is one line, `file:line: rule: what`. Exit 1 when there was one. `--archives` also asks nm which symbols the built kith_chat.a,
kith_wire.a, libkith.a, libkith_crypto.a and libkith_e2ee.a import. `/* tidy: allow RULE: reason */` on the line or the line above lets one
finding pass; for a file's length it may stand anywhere in the file. A suppression without a reason, or for a rule that does not exist, is
itself a finding.
"""
import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

FILE_LINES_WARN = 450
FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70
ALLOC_CHECK_LINES = 6

# What each folder may include: a folder, or one header of it. Everything may include itself. Folders not named here (kithd, tests, bench) may
# include everything.
SERVICES = {"base", "wire", "loop", "net", "ports", "chat", "shard", "account", "gateway", "api", "worker"}
LAYERS = {
    "base": set(),
    "wire": {"base"},
    "loop": {"base", "wire"},
    "net": {"base", "wire", "loop"},
    "ports": {"base", "wire", "loop"},
    "chat": {"base", "wire"},
    "adapters": {"base", "wire", "loop", "net", "ports"},
    "shard": {"base", "wire", "loop", "net", "ports", "chat"},
    "account": {"base", "wire", "loop", "ports", "chat", "shard", "libkith/e2ee/device_list.h", "libkith/e2ee/group.h", "libkith/e2ee/join.h",
                "libkith/e2ee/prekey.h"},
    "gateway": SERVICES,
    "api": SERVICES,
    "worker": SERVICES,
    "libkith": {"base", "wire"},
    "cli": {"libkith", "base", "wire", "loop", "net"},
}
FOLDERS = set(LAYERS) | {"kithd", "tests", "bench"}

BANNED = {
    "strcpy": "use struct kith_buf or memcpy with a checked length",
    "strcat": "use struct kith_buf",
    "sprintf": "use snprintf and check the result",
    "vsprintf": "use vsnprintf and check the result",
    "gets": "use fgets or getline",
    "atoi": "it cannot report an error",
    "atol": "it cannot report an error",
    "strtok": "it keeps hidden state",
    "rand": "use the lent random source",
    "srand": "use the lent random source",
    "system": "it runs a shell",
    "popen": "it runs a shell",
    "alloca": "the stack has no error path",
}

# The deterministic parts get time, coins and bytes from their caller; the same names are forbidden as calls and as imported symbols.
PURE_FOLDERS = ("chat", "wire", "libkith")
IMPURE = set("""
    time clock clock_gettime gettimeofday nanosleep usleep sleep timer_create
    getrandom getentropy arc4random randombytes_buf randombytes_random randombytes_uniform random drand48
    open openat creat fopen fdopen freopen opendir read write pread pwrite readv writev close fsync fdatasync rename unlink mkdir stat fstat mmap
    socket connect bind listen accept accept4 send recv sendto recvfrom sendmsg recvmsg poll epoll_wait epoll_create1 select getaddrinfo
    fork execve pthread_create getenv printf fprintf puts perror
""".split())
PURE_ARCHIVES = ("kith_chat.a", "kith_wire.a", "libkith.a", "libkith_crypto.a", "libkith_e2ee.a")

RULES = {"layer", "file-length", "function-length", "banned", "alloc", "pure", "ndebug", "suppression"}
SUPPRESSION = re.compile(r"tidy: allow(?:\s+([a-z-]+))?(?:\s*:\s*(.*?))?\s*(?:\*/|$)")
CALL = re.compile(r"(?<![\w.>])([A-Za-z_]\w*)\s*\(")
ALLOC = re.compile(r"(?<![\w.>])(?:malloc|calloc|realloc|reallocarray|aligned_alloc|strdup|strndup)\s*\(")
ASSIGNED = re.compile(r"([A-Za-z_][\w.>\-\[\]]*)\s*(?<![=!<>])=(?!=)[^;]*?" + ALLOC.pattern)


def strip(text):
    """The same text, same line numbers, with comments, strings and character constants blanked."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def folder_of(path):
    parts = path.parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0]


class File:
    def __init__(self, root, path):
        self.path = path
        self.folder = folder_of(path)
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.lines = text.split("\n")
        if self.lines and self.lines[-1] == "":
            self.lines.pop()
        self.code = strip(text).split("\n")
        self.findings = []
        self.allowed = {}
        for number, line in enumerate(self.lines, 1):
            self.read_suppression(number, line)

    def read_suppression(self, number, line):
        match = SUPPRESSION.search(line)
        if not match:
            return
        rule, reason = match.group(1), match.group(2)
        if rule not in RULES:
            self.find(number, "suppression", f"no such rule: {rule}")
        elif not reason:
            self.find(number, "suppression", f"allow {rule} needs its reason: /* tidy: allow {rule}: why */")
        else:
            self.allowed.setdefault(rule, set()).add(number)

    def find(self, number, rule, what):
        allowed = self.allowed.get(rule, set())
        if number in allowed or number - 1 in allowed or (rule == "file-length" and allowed):
            return
        self.findings.append(f"{self.path}:{number}: {rule}: {what}")


def check_layers(file):
    allowed = LAYERS.get(file.folder)
    if allowed is None:
        return
    for number, line in enumerate(file.lines, 1):
        match = re.match(r'\s*#\s*include\s+"(([^"/]+)/[^"]*)"', line)
        if not match or match.group(2) not in FOLDERS | {".."} or match.group(2) == file.folder:
            continue
        if not {match.group(1), match.group(2)} & allowed:
            file.find(number, "layer", f"{file.folder} must not include {match.group(2)}/ (may: {', '.join(sorted(allowed)) or 'only itself'})")


def check_sizes(file, warnings):
    count = len(file.lines)
    if count > FILE_LINES_MAX:
        file.find(1, "file-length", f"{count} lines, {FILE_LINES_MAX} is the wall")
    elif count > FILE_LINES_WARN and "file-length" not in file.allowed:
        warnings.append(f"{file.path}:1: warning: {count} lines, {FILE_LINES_WARN} is a normal file's limit")
    start = None
    for number, line in enumerate(file.code, 1):
        if line.rstrip() == "{":
            start = number
        elif start and line.startswith("}"):
            if number - start - 1 > FUNCTION_LINES_MAX:
                file.find(start - 1, "function-length", f"a body of {number - start - 1} lines, {FUNCTION_LINES_MAX} is the wall")
            start = None


def check_calls(file):
    pure = file.folder in PURE_FOLDERS
    for number, line in enumerate(file.code, 1):
        if re.search(r"\bNDEBUG\b", line):
            file.find(number, "ndebug", "asserts stay on")
        for match in CALL.finditer(line):
            name = match.group(1)
            if name in BANNED:
                file.find(number, "banned", f"{name}: {BANNED[name]}")
            if pure and name in IMPURE:
                file.find(number, "pure", f"{name}: {file.folder} has no clock, random, file or socket of its own")


def check_allocations(file):
    """A heuristic: the variable that got the memory must be tested or asserted within the next lines; a returned result is the caller's,
    and need(malloc(...)) is a function that does not return without it. A test that gets NULL fails by itself."""
    if file.folder in ("tests", "bench"):
        return
    for number, line in enumerate(file.code, 1):
        if not ALLOC.search(line) or re.search(r"\breturn\b|\bneed\(", line):
            continue
        before = file.code[number - 2].rstrip() if number > 1 else ""
        match = ASSIGNED.search(before + line if before.endswith(("=", "?", ":")) else line)
        after = "\n".join(file.code[number - 1:number + ALLOC_CHECK_LINES])
        if match:
            name = re.escape(match.group(1))
            if re.search(rf"(?:\bif\b|\bwhile\b|\bassert\w*|\?|&&|\|\||\breturn\b)[^;]*(?<![\w.>]){name}(?!\w)", after):
                continue
            if re.search(rf"(?<![\w.>]){name}\s*(?:==|!=|\?)", after):
                continue
        file.find(number, "alloc", f"the result is not tested within {ALLOC_CHECK_LINES} lines")


def check_archives(folder):
    findings = []
    nm = os.environ.get("KITH_LLVM_NM", "nm")
    for name in PURE_ARCHIVES:
        archive = Path(folder) / name
        if not archive.exists():
            continue
        member = "?"
        output = subprocess.run([nm, "-u", str(archive)], check=True, capture_output=True, text=True).stdout
        for line in output.splitlines():
            if line.endswith(":"):
                member = line[:-1]
            match = re.match(r"\s*U\s+(\w+)", line)
            if match:
                symbol = re.sub(r"^__(?:isoc99_)?|_chk$|(?<=\w)64$", "", match.group(1))
                if symbol in IMPURE:
                    findings.append(f"{name}({member}): pure: imports {match.group(1)}")
    return findings


def sources(root):
    for top in ("src", "libkith", "kithd", "cli", "tests", "bench"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".c", ".h", ".cc") and "node_modules" not in path.parts:
                yield path.relative_to(root)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--archives", type=Path)
    options = parser.parse_args(argv)
    findings, warnings, count = [], [], 0
    for path in sources(options.root):
        file = File(options.root, path)
        check_layers(file)
        check_sizes(file, warnings)
        check_calls(file)
        check_allocations(file)
        findings += file.findings
        count += 1
    if options.archives:
        findings += check_archives(options.archives)
    for line in warnings + findings:
        print(line)
    print(f"tidy: {count} files, {len(findings)} findings, {len(warnings)} warnings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
