"""What `./dev test` consists of: one Item per gate, test program or pytest folder, made from the files that exist."""
import os
import re
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import clang_tidy

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
UNIT_SECONDS = 300
PYTEST_SECONDS = 900
FUZZ_SECONDS = 5
FUZZ_RUNS = 300000
SIM_SEEDS = 300
DIFFERENTIAL_CASES = 100

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # RocksDB and OpenSSL come without instrumentation: what they do among themselves would look like races.
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
    "TSAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
}


class Result:
    """What one item came to. A suite (pytest) counts its cases, everything else counts as one."""

    def __init__(self, ok, output="", note="", cases=None, skipped=0):
        self.output, self.note, self.skipped = output, note, skipped
        self.is_suite = cases is not None
        self.passed, self.failed = cases if cases is not None else (int(ok), int(not ok))
        self.name, self.seconds = "", 0.0


@dataclass
class Item:
    name: str
    action: object  # called with a scratch folder, returns a Result
    after: list = field(default_factory=list)
    weight: int = 1
    keys: set = field(default_factory=set)  # the names it answers to
    preset: str = ""
    program: str = ""  # what of its preset it needs; all when empty


def scratch(name):
    return Path(tempfile.mkdtemp(prefix="kith-test-" + re.sub(r"\W+", "-", name)[:40] + "-"))


def run(command, folder, seconds, env=None, note=""):
    full = {**os.environ, **SANITIZER_ENV, "TMPDIR": str(folder), **(env or {})}
    try:
        done = subprocess.run([str(c) for c in command], cwd=ROOT, env=full, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds, text=True, errors="replace")
    except subprocess.TimeoutExpired as late:
        return Result(False, (late.stdout or b"").decode(errors="replace") + f"\nstill running after {seconds} s")
    ending = "" if done.returncode == 0 else f"\nexit {done.returncode}"
    return Result(done.returncode == 0, done.stdout + ending, note)


def glob(pattern):
    return sorted(ROOT.glob(pattern))


def c_files():
    return [p for top in ("src", "libkith", "kithd", "cli", "tests", "bench") for p in sorted((ROOT / top).rglob("*"))
            if p.suffix in (".c", ".h", ".cc") and "node_modules" not in p.parts]


def has_main(folder):
    return any(re.search(r"^(int )?main *\(", p.read_text(errors="replace"), re.M) for p in glob(f"{folder}/*.c"))


# ---------------------------------------------------------------------------------------------- builds
whole_builds = set()  # presets that built without an error
ninja_lock = threading.Lock()


def build_item(preset, programs=()):
    """All of a preset, or only these of its programs."""
    def action(folder):
        result = run(["./dev", "build", preset, *programs], folder, 1200)
        if not result.failed:
            whole_builds.add(preset)
        return result
    return Item(f"build {preset}", action, weight=2, keys={f"build-{preset}"}, preset=preset)


def is_built(preset, program):
    """After a failed build some programs are new and some are left over from before: ninja says which."""
    if preset in whole_builds:
        return (BUILD / preset / "bin" / program).exists()
    with ninja_lock:
        return subprocess.run(["ninja", "--quiet", "-C", BUILD / preset, program], capture_output=True).returncode == 0


def program_item(name, preset, program, arguments, seconds, keys, env=None):
    def action(folder):
        if not is_built(preset, program):
            return Result(False, f"{program} was not built: see build {preset}")
        expanded = [str(a).replace("{folder}", str(folder)) for a in arguments]
        result = run([BUILD / preset / "bin" / program, *expanded], folder, seconds, env)
        result.note = vectors_note(result.output)
        return result
    return Item(name, action, after=[f"build {preset}"], keys=keys, preset=preset, program=program)


# ---------------------------------------------------------------------------------------------- kinds of tests
def cmocka_items(preset):
    items = []
    for label in ("unit", "conformance", "malicious"):
        for path in glob(f"tests/{label}/test_*.c"):
            keys = {path.stem, path.stem.removeprefix("test_"), str(path.relative_to(ROOT))} | vectors_read_by(path)
            items.append(program_item(f"{preset} {path.stem}", preset, path.stem, [], UNIT_SECONDS, keys))
    return items


def threaded_items():
    """Under TSan those that may have a second thread; in the others it could find nothing."""
    return [i for i in cmocka_items("tsan") if any(re.search(r"thread|conformance", key) for key in i.keys) or uses_threads(i)]


def uses_threads(item):
    return any(re.search(r"pthread_|_posix\.h|directory_sqlite\.h|rocksdb\.h|log_file\.h|loop_queue\.h", (ROOT / key).read_text(errors="replace"))
               for key in item.keys if key.endswith(".c"))


def vectors_read_by(path):
    text = path.read_text(errors="replace")
    return {v.stem for v in glob("tests/vectors/*") if v.name in text}


def vectors_note(output):
    """Programs that read known answers print `NAME.json: N of M`."""
    counts = re.findall(r"(\w+\.json): (\d+) of \d+", output)
    return f"{sum(int(n) for _, n in counts)} known answers of {len(counts)} files" if counts else ""


def wasm_build(modules, folder):
    """Makes the WebAssembly modules in the folder `modules`."""
    return run(["tools/dev/wasm.sh", os.environ["KITH_LIBSODIUM_WASM_DIR"], modules], folder, 300)


def node_tests(paths, folder, env):
    return run([os.environ["KITH_NODE"], "--test", "--test-reporter=tap", *paths], folder, 300, env)


def wasm_items():
    """Builds the WebAssembly modules and runs their tests in Node: the same vectors as the native ones, and the modules' own."""
    paths = glob("tests/wasm/test_*.mjs")
    modules = BUILD / "wasm"

    def action(folder):
        result = wasm_build(modules, folder)
        return result if result.failed else read_tap(node_tests(paths, folder, {"KITH_WASM": str(modules)}))
    keys = {"wasm"} | {k for p in paths for k in (p.stem, str(p.relative_to(ROOT)))}
    return [Item("wasm", action, keys=keys)] if paths else []


def malicious_wasm_items():
    """The malicious rows once more, compiled to WebAssembly: the same C files, an item each, as those of the native builds."""
    paths = glob("tests/malicious/test_*.c")
    folder_built, own = BUILD / "wasm" / "tests", {"malicious-wasm"}
    build = "build wasm tests"

    def make(folder):
        return run(["tools/dev/wasm_tests.sh", os.environ["KITH_LIBSODIUM_WASM_DIR"], folder_built], folder, 300)

    def item(name, keys, *options):
        def action(folder):
            program = folder_built / f"{name}.wasm"
            if not program.exists():
                return Result(False, f"{program.name} was not built: see {build}")
            result = run([os.environ["KITH_NODE"], "--no-warnings", "tests/wasm/run_tests.mjs", *options, program], folder, UNIT_SECONDS)
            result.note = "".join(re.findall(r"^\d+ of \d+ tests.*", result.output, re.M)[-1:])
            return result
        return Item(f"wasm {name}", action, after=[build], keys=keys | own)
    items = [item(p.stem, {p.stem, p.stem.removeprefix("test_"), str(p.relative_to(ROOT))}) for p in paths]
    items.append(item("fails", {"tests/wasm/cmocka/fails.c"}, "--fail"))
    return [Item(build, make, keys=set().union(*(i.keys for i in items))), *items] if paths else []


def tsc_item():
    """The web client's sources, and its tests, as strict as the compiler can be."""
    def action(folder):
        outputs = [run([ROOT / "web/node_modules/.bin/tsc", "-p", project], folder, 300) for project in ("web", "web/test")]
        return next((r for r in outputs if r.failed), outputs[0])
    return Item("tsc", action, keys={"tsc", "web"})


def web_items(names, preset):
    """The typed door to libkith against a real kithd, in Node; then every call that was made through the module, natively."""
    paths = [p for p in glob("web/test/test_*.ts") if not names or matches(node_keys([p]) | {"web"}, names)]

    def action(folder):
        modules, traces = folder / "wasm", folder / "traces"
        result = wasm_build(modules, folder)
        if result.failed:
            return result
        env = {"KITH_WASM": str(modules), "KITH_TRACES": str(traces), "KITH_BUILD": str(BUILD / preset)}
        result = read_tap(node_tests(paths, folder, env))
        files = sorted(traces.glob("*.trace"))
        if result.failed or not files:
            return result
        replay = run([BUILD / preset / "bin/kith-door-replay", *files], folder, 300)
        if replay.failed:
            return replay
        result.note = replay.output.strip()
        return result
    keys = {"web"} | node_keys(paths)
    return [Item("web", action, after=[f"build {preset}"], keys=keys, preset=preset, program="web-programs")] if paths else []


def node_keys(paths):
    return {k for p in paths for k in (p.stem, p.stem.removeprefix("test_"), str(p.relative_to(ROOT)))}


def differential_items():
    """Cases by chance: the model of the protocol, the native C and the WebAssembly module say the same. Builds a module of its own."""
    program = "test_e2e_kith1"

    def action(folder):
        if not is_built("debug", program):
            return Result(False, f"{program} was not built: see build debug")
        modules = folder / "wasm"
        result = wasm_build(modules, folder)
        if result.failed:
            return result
        findings = BUILD / "findings"
        findings.mkdir(parents=True, exist_ok=True)
        env = {"PYTHONPATH": str(ROOT / "tests"), "PYTHONDONTWRITEBYTECODE": "1", "KITH_KITH1": str(BUILD / "debug/bin" / program),
               "KITH_WASM": str(modules), "KITH_FINDINGS": str(findings)}
        notes = []
        for kind in ([], ["groups"]):
            result = run([sys.executable, "-m", "model.differential", "1", DIFFERENTIAL_CASES, *kind], folder, 600, env)
            if result.failed:
                return result
            notes += re.findall(r"\d+ cases, \d+ steps", result.output)
        result.note = ", ".join(notes)
        return result
    if not (ROOT / "tests/model/differential.py").exists():
        return []
    return [Item("differential", action, after=["build debug"], keys={"differential"}, preset="debug", program=program)]


def read_tap(result):
    passed, failed = (sum(int(n) for n in re.findall(rf"^# {word} (\d+)", result.output, re.M)) for word in ("pass", "fail"))
    if result.failed and not failed or not passed:
        return result
    size = re.search(r"kith\.wasm: (.*)", result.output)
    note = ", ".join(filter(None, [size and size.group(1), vectors_note(result.output)]))
    return Result(failed == 0, result.output, note, cases=(passed, failed))


def secrets_items():
    """Valgrind looks for branches on secrets in the crypto core, as each compiler makes it."""
    def item(compiler):
        def action(folder):
            return run(["tools/dev/secrets.sh", compiler, os.environ["KITH_LIBSODIUM_DIR"], folder], folder, 300)
        return Item(f"secrets {compiler}", action, keys={"secrets", f"secrets {compiler}"})
    return [item(compiler) for compiler in ("gcc", "clang-19")] if glob("tests/secret/*.c") else []


def fuzz_items():
    items = []
    for path in glob("tests/fuzz/fuzz_*.c"):
        short = path.stem.removeprefix("fuzz_")
        corpus = [c for c in [ROOT / "tests/fuzz/corpus" / short] if c.is_dir()]
        arguments = [f"-max_total_time={FUZZ_SECONDS}", f"-runs={FUZZ_RUNS}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1",
                     f"-artifact_prefix={BUILD}/findings/{short}-", "{folder}", *corpus]
        (BUILD / "findings").mkdir(parents=True, exist_ok=True)
        items.append(program_item(f"fuzz {short}", "fuzz", path.stem, arguments, 120, {path.stem, short, str(path.relative_to(ROOT))}))
    return items


def pytest_item(name, paths, keys, preset=None, select=None):
    """A folder of pytest files as one item; a scenario starts the programs of build/PRESET/bin."""
    def action(folder):
        report = folder / "report.xml"
        env = {"PYTHONDONTWRITEBYTECODE": "1"}
        if preset:
            env |= {"KITH_BUILD": str(BUILD / preset)}
            env["ASAN_OPTIONS"] = SANITIZER_ENV["ASAN_OPTIONS"]
        workers = str(min(len(paths), max(2, os.cpu_count() or 2)))
        result = run([sys.executable, "-m", "pytest", "-q", "-n", workers, "--dist", "worksteal", f"--junitxml={report}", *paths],
                     folder, PYTEST_SECONDS, env)
        return read_junit(result, report)
    return Item(name, action, after=[f"build {preset}"] if preset else [], weight=2 if len(paths) > 1 else 1, keys=keys, preset=preset or "",
                program="scenario-programs" if preset else "")


def read_junit(result, report):
    if not report.exists():
        return result
    cases = xml.etree.ElementTree.parse(report).getroot().iter("testcase")
    passed = failed = skipped = 0
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    if result.failed and not failed:
        failed = 1  # it could not collect, or died
    note = f"{skipped} skipped" if skipped else ""
    return Result(failed == 0, result.output, note, cases=(passed, failed), skipped=skipped)


def pytest_keys(paths):
    return {k for p in paths for k in (p.stem, p.stem.removeprefix("test_"), str(p.relative_to(ROOT)))}


def pytest_items(names, preset):
    items = []
    for folder, uses in (("tools", None), ("model", None), ("scenario", preset)):
        paths = [p for p in glob(f"tests/{folder}/test_*.py") if not names or matches(pytest_keys([p]), names)]
        if paths:
            items.append(pytest_item(f"pytest {folder}", paths, pytest_keys(paths), uses))
    return items


# ---------------------------------------------------------------------------------------------- gates
def format_item():
    def action(folder):
        files = c_files()
        result = run(["clang-format-19", "--dry-run", "--Werror", *files], folder, 300)
        bad = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", result.output, re.M)))
        if bad:
            result.output = "not formatted (./dev fmt does it):\n" + "\n".join(str(Path(b).relative_to(ROOT)) for b in bad)
        return result
    return Item("format", action, keys={"format", "clang-format"})


def tidy_item():
    # The archives of the debug build, for the symbols that the pure parts import.
    return Item("tidy", lambda folder: run([sys.executable, "tools/tidy.py", "--archives", BUILD / "debug/lib"], folder, 120),
                after=["build debug"], keys={"tidy", "tidy.py"}, preset="debug")


def clang_tidy_item():
    def action(folder):
        output, checked, cached = clang_tidy.check(ROOT, BUILD / "asan", c_files())
        return Result(not output, output, f"{checked} files checked, {cached} unchanged")
    return Item("clang-tidy", action, after=["build asan"], weight=2, keys={"clang-tidy"}, preset="asan")


def sim_item():
    return program_item("sim", "release", "kith-sim", ["--seeds", SIM_SEEDS], 600, {"sim", "kith-sim"})


# ---------------------------------------------------------------------------------------------- selection
def matches(keys, names):
    return any(fnmatch(key, name) for key in keys for name in names)


def candidates(mode, names):
    """Everything the mode knows, cheap and telling first."""
    if mode in ("asan", "tsan"):
        return cmocka_items(mode) + ([i for i in pytest_items(names, mode) if i.preset] if names else [])
    if not c_files():
        return []
    lint = [format_item(), tidy_item(), clang_tidy_item()]
    if mode == "lint":
        return lint
    items = lint[:2] + cmocka_items("debug") + cmocka_items("asan")
    items += pytest_items(names, "debug" if names else "asan")
    if has_main("tests/sim"):
        items.append(sim_item())
    items += wasm_items() + [tsc_item()] + web_items(names, "debug" if names else "asan") + malicious_wasm_items()
    items += differential_items() + secrets_items() + fuzz_items() + threaded_items()
    items.append(lint[2])
    return items


# The builds that are gates by themselves: gcc as developed and as run, and clang, all without a warning. Of other presets only what is run.
WHOLE_PRESETS = ["debug", "asan", "release"]


def select(mode, names):
    items = candidates(mode, names)
    if names:
        # By name the debug build is enough: ./dev asan NAME is for the other one.
        items = [i for i in items if matches(i.keys, names) and not (mode == "all" and i.preset in ("asan", "tsan") and i.program)]
    presets = dict.fromkeys(i.preset for i in items if i.preset)
    whole = [] if names else [p for p in WHOLE_PRESETS if items and (mode == "all" or p in presets)]
    builds = [build_item(p, () if p in whole else programs_of(items, p)) for p in dict.fromkeys([*presets, *whole])]
    return in_order(builds, items)


def programs_of(items, preset):
    """Only what the items need: someone else's half-written file is no reason not to run one test."""
    programs = [i.program for i in items if i.preset == preset]
    return programs if all(programs) else ()


def in_order(builds, items):
    """Each build right before the first item that needs it, so that the first failures come early."""
    ordered, placed = [], set()
    by_preset = {b.preset: b for b in builds}
    for item in items:
        if item.preset and item.preset not in placed:
            placed.add(item.preset)
            ordered.append(by_preset[item.preset])
        ordered.append(item)
    return ordered + [b for b in builds if b.preset not in placed]


def unknown_names(mode, names):
    return [n for n in names if not any(matches(i.keys, [n]) for i in candidates(mode, names))]
