"""clang-tidy over our C files, in parallel; a file that was clean is not read again until it, a header it includes or the checks change."""
import hashlib
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TIDY = "clang-tidy-19"
# The analyzer looks into called functions only where they are small: a sixth of the time, and it no longer takes the deep invariants of
# lists and buffers for bugs.
OPTIONS = [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "mode=shallow")]


def headers_of_objects(build):
    """What ninja learned from the compiler: object file -> files it was made from."""
    output = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True).stdout
    headers, current = {}, None
    for line in output.splitlines():
        if line.startswith("    "):
            headers[current].append(line.strip())
        elif ": #deps" in line:
            current = line.split(":")[0]
            headers[current] = []
    return headers


def object_of(entry):
    """Its name as ninja knows it; older CMake writes no "output"."""
    return entry.get("output") or re.search(r" -o (\S+)", entry["command"]).group(1)


def key_of(root, entry, headers, common):
    digest = hashlib.sha256(common + " ".join(OPTIONS).encode())
    # Paths relative to the checkout: the cache is shared between clones.
    digest.update(entry["command"].replace(str(root), "").encode())
    for name in sorted({entry["file"], *headers.get(object_of(entry), [])}):
        path = Path(entry["directory"], name).resolve()
        if path.is_relative_to(root):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def check(root, build, files):
    """Returns (findings as text, number of files checked, number known to be clean)."""
    commands = build / "compile_commands.json"
    if not commands.exists():
        return "no compile commands: see build asan", 0, 0
    cache = Path(os.environ.get("KITH_CACHE_DIR", build)) / "clang-tidy"
    cache.mkdir(parents=True, exist_ok=True)
    common = b"".join(p.read_bytes() for p in [root / ".clang-tidy", root / "tests/.clang-tidy"]) + subprocess.run([TIDY, "--version"], capture_output=True).stdout
    headers, wanted = headers_of_objects(build), {str(f) for f in files}
    jobs, cached, seen = [], 0, set()
    for entry in json.loads(commands.read_text()):
        if entry["file"] not in wanted or entry["file"] in seen:
            continue
        seen.add(entry["file"])
        marker = cache / key_of(root, entry, headers, common)
        if marker.exists():
            cached += 1
        else:
            jobs.append((entry["file"], marker))

    def one(job):
        name, marker = job
        done = subprocess.run([TIDY, "--quiet", "-p", build, *OPTIONS, name], cwd=root, capture_output=True, text=True)
        found = done.returncode != 0 or re.search(r": (warning|error):", done.stdout)
        if not found:
            marker.touch()
        return done.stdout + (done.stderr if found and not done.stdout else "") if found else ""

    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        findings = "".join(pool.map(one, jobs)).replace(str(root) + "/", "")
    if findings:
        # The paths the analyzer took come first, what it found last: only the end is shown.
        findings += "\n" + "\n".join(line for line in findings.splitlines() if re.search(r": (warning|error): ", line))
    return findings, len(jobs), cached
