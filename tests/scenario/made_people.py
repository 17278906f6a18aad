"""People without a kith of their own: accounts made over REST whose devices, lists and prekeys are real, so that every client writes to them."""

from __future__ import annotations

import time
import uuid
from typing import Any

from device_keys import Keys, list_hash, text
from kithd import Account, Kithd
from model import device_list, fixtures, join, prekey

DEVICES = 3


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class MadePerson:
    """`devices` are the logins, in the order of their numbers 1, 2, …; each has a signed prekey and one of last resort."""

    def __init__(self, kithd: Kithd, name: str) -> None:
        self.kithd = kithd
        first = kithd.register(name)
        self.user_id = first.user_id
        self.keys = Keys(first.user_id)
        self.devices: list[Account] = [first]
        while len(self.devices) < DEVICES:
            self.devices.append(kithd.login(first))
        self.fields = self.list_fields(1, None)
        self.leave_list()
        for number in range(1, DEVICES + 1):
            self.leave_prekeys(number)

    def list_fields(self, seq: int, prev_hash: bytes | None) -> dict[str, Any]:
        ids = [device.device_id for device in self.devices]
        issued_at = now_ms()
        return self.keys.list(ids, seq, prev_hash, issued_at=issued_at, expires_at=issued_at + device_list.VALID_MS_MAX)

    def leave(self, number: int, body: dict[str, str]) -> None:
        self.kithd.rest("PUT", "/devices/me/keys", body, self.devices[number - 1].access_token)

    def leave_list(self) -> None:
        self.leave(1, {"list": text(self.keys.signed(self.fields, accepted_by=len(self.devices)))})

    def leave_prekeys(self, number: int) -> None:
        expires_at = now_ms() + 14 * fixtures.DAY_MS
        self.leave(number, {"spk": text(self.keys.prekey(prekey.SPK, number, 1, expires_at)),
                            "kem_lr": text(self.keys.prekey(prekey.KEM_LR, number, 2, expires_at))})

    def add_device(self) -> None:
        """One more, with its place in the account's next list."""
        self.devices.append(self.kithd.login(self.devices[0]))
        self.leave_prekeys(len(self.devices))
        self.fields = self.list_fields(self.fields["seq"] + 1, list_hash(self.fields))
        self.leave_list()

    def ask_to_join(self, link: join.Link) -> None:
        asks = {"account_id": self.keys.account_id, "device_id": 1, "list_seq": self.fields["seq"],
                "list_hash": list_hash(self.fields), "made_at": now_ms()}
        request = join.encode(join.sign(link, asks, self.keys.dsk_seed(1)))
        self.kithd.rest("POST", f"/chats/{uuid.UUID(bytes=link.chat_id)}/join", {"request": text(request)},
                        self.devices[0].access_token)
