"""A person with the real kith whose state folder is looked at: with a passphrase or without, under strace or not."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from kithd import Kithd, program
from test_cli_tour import Person
from trace import strace

PASSPHRASE = "a passphrase for what is kept"


class Keeper(Person):
    """Its commands get the passphrase in a file, when it has one."""

    def __init__(self, state: Path, passphrase: str | None = None) -> None:
        super().__init__(state)
        self.passphrase = passphrase

    def _with(self, arguments: tuple[str, ...]) -> list[str]:
        if self.passphrase is None:
            return list(arguments)
        file = self.state.parent / f"{self.state.name}.passphrase"
        file.write_text(self.passphrase + "\n")
        return [*arguments, "--passphrase-file", str(file)]

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return super().run(*self._with(arguments), code=code)

    def start(self, *arguments: str, wrapper: list[str] | None = None, new: str | None = None) -> subprocess.Popen[bytes]:
        """Runs on; whoever started it ends it."""
        env = {**os.environ, "KITH_STATE": str(self.state), "KITH_PASSWORD": "a good long password"}
        if new is not None:
            env["KITH_NEW_PASSPHRASE"] = new
        return subprocess.Popen([*(wrapper or []), str(program("kith")), *self._with(arguments)], env=env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def set_passphrase(self, new: str | None) -> None:
        if new is None:
            self.run("account", "passphrase", "--remove")
        else:
            file = self.state.parent / f"{self.state.name}.new"
            file.write_text(new + "\n")
            self.run("account", "passphrase", "--new-passphrase-file", str(file))
        self.passphrase = new

    def killed_at(self, call: str, nth: int, *arguments: str, new: str | None = None) -> bool:
        """Runs a command that is killed as it begins this system call for the nth time. False: it ended before that."""
        kill = ["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={nth}"]
        return self.start(*arguments, wrapper=strace(*kill), new=new).wait(60) in (-9, 137)

    def files(self) -> dict[str, str]:
        """Each file of the folder, by the hash of what is in it."""
        return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(self.state.iterdir())}


def keepers(kithd: Kithd, tmp_path: Path, one: str, two: str, passphrase: str | None = None) -> tuple[Keeper, Keeper]:
    """Two who are signed in, have an encrypted chat and know each other's names."""
    assert kithd.invite is not None
    first, second = Keeper(tmp_path / "first"), Keeper(tmp_path / "second")
    if passphrase is not None:
        first.set_passphrase(passphrase)
    first.run("account", "register", "--server", kithd.url, "--invite", kithd.invite, one)
    [invite] = first.lines("invite", "create")
    second.run("account", "register", "--server", kithd.url, "--invite", invite["code"], two)
    first.run("chat", "create", two)
    return first, second
