"""schemathesis against a running server: every check, every route of openapi.yaml, with what is really there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kithd import Account, Kithd

EXAMPLES = int(os.environ.get("KITH_OPENAPI_EXAMPLES", "4"))

# What a schema cannot say: `after` and `before` exclude each other, an id holds a time of about now, keys and a group's operations have
# a form inside base64.
# A method that the server does not know at all, QUERY, is a 501 and no 405 (RFC 9110 15.6.2).
CONFIG = """
[parameters]
"path.chat_id" = "{chat}"
"query.chat_id" = "{chat}"
"path.user_id" = "{user}"
"query.name" = "bob"

[phases.coverage]
unexpected-methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"]

[[operations]]
include-operation-id = "history"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "429", "503"]

[[operations]]
include-operation-id = "putKeys"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "409", "429", "503"]

[[operations]]
include-operation-id = ["createChat", "updateChat", "leaveChat", "addMember", "setRole", "removeMember",
                        "joinChat"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "429", "503"]

[[operations]]
include-operation-id = "sendMessage"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "410", "422", "429", "503"]
"""


def schemathesis(folder: Path, server: Kithd, token: str, *flags: str) -> str:
    """Runs it in `folder`, where its configuration is; its output, or the test fails."""
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/openapi.json",
               "--header", f"Authorization: Bearer {token}", "--checks", "all", "--no-color", "--seed", "1",
               "--max-examples", str(EXAMPLES), "--workers", "1", *flags]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    shown = "\n".join(line[:300] for line in done.stdout.splitlines())
    found = re.search(r"^=+ (?:ERRORS|FAILURES) =+$.*?(?=^=+ (?:WARNINGS|SUMMARY) =+$)", shown, re.S | re.M)
    assert done.returncode == 0, found[0] if found else shown
    return shown


@pytest.fixture
def folder(kithd: Kithd, tmp_path: Path) -> Path:
    ann, bob = kithd.people("ann", "bob")
    chat = kithd.chat(ann, bob, group=True, name="a chat")
    (tmp_path / "schemathesis.toml").write_text(CONFIG.format(chat=chat, user=bob.user_id))
    return tmp_path


@pytest.mark.timeout(600)
def test_openapi_says_what_the_server_does(kithd: Kithd, folder: Path) -> None:
    assert kithd.admin is not None
    # These end the session that the other requests need: they have a run of their own.
    ending = [flag for name in ("deleteMe", "logout", "removeDevice") for flag in ("--exclude-operation-id", name)]
    shown = schemathesis(folder, kithd, kithd.admin.access_token, *ending)
    assert re.search(r"Tested: +35", shown), shown


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", ["deleteMe", "logout", "removeDevice"])
def test_what_ends_a_session_answers_as_described(kithd: Kithd, folder: Path, operation: str) -> None:
    victim: Account = kithd.people("carl")[0]
    schemathesis(folder, kithd, victim.access_token, "--include-operation-id", operation)
