"""A real kithd of its own: free port, own data folder, ended by its process id."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TEXT_SHOWN = 8000
START_TIMEOUT_S = 60.0


def program(name: str) -> Path:
    """The build under test: KITH_BUILD names its folder, else the newest of the usual ones."""
    folders = [Path(os.environ["KITH_BUILD"])] if "KITH_BUILD" in os.environ else [
        ROOT / "build" / preset for preset in ("debug", "release", "asan")
    ]
    found = [p for folder in folders for p in (folder / "bin" / name, folder / name) if p.is_file()]
    if not found:
        raise FileNotFoundError(f"{name} was not built in {folders}")
    return max(found, key=lambda p: p.stat().st_mtime)


@dataclass
class Account:
    user_id: str
    device_id: str
    access_token: str
    refresh_token: str
    name: str
    password: str
    chat_id: str | None = None


class Problem(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status: int, body: Any, headers: dict[str, str]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers

    @property
    def code(self) -> str:
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


class Kithd:
    def __init__(self, data: Path, *flags: str, env: dict[str, str] | None = None, wrapper: list[str] | None = None,
                 port: int = 0) -> None:
        self.data = data
        self.flags = list(flags)
        self.env = env or {}
        self.wrapper = wrapper or []
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.invite: str | None = None
        self.admin: Account | None = None
        self.output = data.parent / f"{data.name}.out"
        self.starts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/connect"

    def start(self, wait: bool = True) -> "Kithd":
        """Starts, on the port it had before when it had one, and waits until /readyz says 200."""
        self.starts += 1
        mark = self.output.stat().st_size if self.output.exists() else 0
        command = [*self.wrapper, str(program("kithd")), "--data", str(self.data), "--listen",
                   f"127.0.0.1:{self.port}", *self.flags]
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **self.env},
                                            stdin=subprocess.DEVNULL)
        if wait:
            self._wait_until_ready(mark)
        return self

    def _wait_until_ready(self, mark: int) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            text = self.output.read_bytes()[mark:].decode(errors="replace")
            if self.process.poll() is not None:
                raise RuntimeError(f"kithd ended with {self.process.returncode}:\n{text}")
            found = re.search(r"running at https?://[^\s:]+:(\d+)", text)
            if found:
                self.port = int(found[1])
                invite = re.search(r"--invite (\S+)", text)
                if invite:
                    self.invite = invite[1]
                try:
                    with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                        if invite or self.starts > 1 or "--registration" in self.flags:
                            return
                except OSError:
                    pass
            time.sleep(0.01)
        raise TimeoutError(f"kithd was not ready in time:\n{self.text()}")

    def text(self) -> str:
        return self.output.read_bytes().decode(errors="replace") if self.output.exists() else ""

    def kill9(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.process = None
        if code != 0:
            print(f"kithd ended with {code}:\n{self.text()[-TEXT_SHOWN:]}")  # pytest shows it with the failure.
        return code

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def rest(self, method: str, path: str, body: Any = None, token: str | None = None,
             headers: dict[str, str] | None = None) -> Any:
        """JSON in, JSON out; anything but 2xx raises Problem."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                raw = response.read()
                return json.loads(raw) if raw else None
        except urllib.error.HTTPError as error:
            raw = error.read()
            try:
                parsed = json.loads(raw)
            except ValueError:
                parsed = raw
            raise Problem(error.code, parsed, dict(error.headers)) from None

    def register(self, name: str, invite: str | None = None) -> Account:
        password = secrets.token_urlsafe(12)
        body: dict[str, Any] = {"name": name, "password": password, "device_name": f"{name}'s test device"}
        if invite is not None:
            body["invite"] = invite
        answer = self.rest("POST", "/users", body)
        return Account(answer["user_id"], answer["device_id"], answer["access_token"], answer["refresh_token"], name,
                       password, answer.get("chat_id"))

    def login(self, account: Account, device_name: str = "another device") -> Account:
        answer = self.rest("POST", "/auth/login", {"name": account.name, "password": account.password,
                                                   "device_name": device_name})
        return Account(answer["user_id"], answer["device_id"], answer["access_token"], answer["refresh_token"],
                       account.name, account.password)

    def people(self, *names: str) -> list[Account]:
        """The first is the administrator; the others come by an invite of the administrator's."""
        made: list[Account] = []
        for name in names:
            if self.admin is None:
                self.admin = self.register(name, self.invite)
                made.append(self.admin)
                continue
            invite = self.rest("POST", "/invites", {}, self.admin.access_token)
            made.append(self.register(name, invite["code"]))
        return made

    def chat(self, owner: Account, *others: Account, encrypted: bool = False, group: bool = False,
             name: str | None = None) -> str:
        body: dict[str, Any] = {"type": "group" if group or len(others) != 1 else "direct",
                                "members": [o.user_id for o in others], "encrypted": encrypted}
        if name is not None:
            body["name"] = name
        return str(self.rest("POST", "/chats", body, owner.access_token)["chat_id"])

    def history(self, account: Account, chat_id: str) -> list[dict[str, Any]]:
        """Everything, oldest first."""
        messages: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self.rest("GET", f"/messages?chat_id={chat_id}&after={after}&limit=200", token=account.access_token)
            if not page["messages"]:
                return messages
            messages += page["messages"]
            after = messages[-1]["seq"]
