"""Writes tests/vectors/kith1_*.json; tests/vectors/README.md says what is in them.

cd tests && python -m model.make_vectors [FOLDER]
"""

import importlib
import json
import sys
from pathlib import Path

from .cases import Case

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
FILES = ["device_list", "prekey", "session", "ratchet", "payload", "resend", "group", "join", "sender_chain"]


def case_text(case: Case) -> str:
    steps = ",\n".join("      " + json.dumps(step, ensure_ascii=False) for step in case.steps)
    suite = "" if case.suite is None else f'"suite": {case.suite}, '
    return f'    {{"name": {json.dumps(case.name, ensure_ascii=False)}, {suite}"steps": [\n{steps}\n    ]}}'


def file_text(source: str, cases: list[Case]) -> str:
    body = ",\n".join(case_text(case) for case in cases)
    return f'{{\n  "source": {json.dumps(source)},\n  "cases": [\n{body}\n  ]\n}}\n'


def texts() -> dict[str, str]:
    """Each file's name and content."""
    made = {}
    for name in FILES:
        module = importlib.import_module(f"{__package__}.cases_{name}")
        made[f"kith1_{name}.json"] = file_text(module.SOURCE, module.cases())
    return made


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(text)} bytes")


if __name__ == "__main__":
    main()
