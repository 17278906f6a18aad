"""What a device of a person without a kith reads in a group, opened by the model of the protocol with that device's own secrets."""

from __future__ import annotations

import base64
import os
import uuid
from typing import Any

from made_people import MadePerson, now_ms
from model import device_list, group_info, payload, prekey, ratchet, sender_chain, session
from model.coins import Coins
from model.refused import Refused
from model.state import State

COINS_BYTES = 64  # more than one step draws


class MadeReader:
    """The device of this number, for once: it has no state, and reads everything from the beginning."""

    def __init__(self, person: MadePerson, number: int) -> None:
        self.person, self.device = person, person.devices[number - 1]
        keys = person.keys
        self.us = session.party(self.pin(person.user_id), number)
        self.secrets = session.Secrets(keys.ddh_secret(number), {1: keys.prekey_secret(prekey.SPK, number, 1)},
                                       kem_lr={2: keys.prekey_secret(prekey.KEM_LR, number, 2)})
        self.pins: dict[str, device_list.Pin] = {}
        self.sessions: dict[str, tuple[int, State]] = {}  # by the other device: its number, and the state
        self.chains: dict[bytes, sender_chain.Receiving] = {}

    def pin(self, user_id: str) -> device_list.Pin:
        answer = self.person.kithd.rest("GET", f"/users/{user_id}/devices", token=self.device.access_token)
        return device_list.read(None, uuid.UUID(user_id).bytes, base64.b64decode(answer["list"]), now_ms())

    def texts(self, chat: str) -> list[str]:
        """Of what was sent to it; a message whose chain it was not given is not for it."""
        opened = [self.open(message, chat) for message in self.person.kithd.history(self.device, chat)
                  if message["type"] == "message" and message.get("content")]
        return [one["body"].decode() for one in opened if one is not None and one["content_type"] != group_info.CONTENT_TYPE]

    def open(self, message: dict[str, Any], chat: str) -> dict[str, Any] | None:
        data = base64.b64decode(message["content"])
        sender = uuid.UUID(message["sender_id"]).bytes
        try:
            ratchet.message_decode(data)
        except Refused:
            return self.open_common(data, chat, sender)
        number, plain = self.open_pairwise(message, data)
        values = payload.decode(plain, payload.Expected(uuid.UUID(chat).bytes, sender, number, self.person.keys.account_id))
        if values["content_type"] == group_info.CONTENT_TYPE:
            self.take_keys(values, sender, number)
        return values

    def open_pairwise(self, message: dict[str, Any], data: bytes) -> tuple[int, bytes]:
        other, coins = message["sender_device_id"], Coins(os.urandom(COINS_BYTES))
        if other in self.sessions:
            number, state = self.sessions[other]
            state, plain = ratchet.decrypt(state, data, coins, now_ms())
        else:
            pin = self.pins.setdefault(message["sender_id"], self.pin(message["sender_id"]))
            setup, _ = session.setup_check(self.us, pin, ratchet.message_decode(data).setup or b"")
            state, self.secrets, plain = session.accept(self.us, self.secrets, pin, data, coins, now_ms())
            number = setup["device_a"]
        self.sessions[other] = (number, state)
        return number, plain

    def take_keys(self, values: dict[str, Any], sender: bytes, number: int) -> None:
        keys = group_info.keys_decode(values["body"])
        if keys["chain"] is None:
            return
        chain = sender_chain.take(None, sender_chain.Owner(keys["group_id"], sender, number), keys["chain"])
        self.chains.setdefault(chain.chain_id, chain)

    def open_common(self, data: bytes, chat: str, sender: bytes) -> dict[str, Any] | None:
        message = sender_chain.message_decode(data)
        if message.chain_id not in self.chains:
            return None
        chain, _, plain = sender_chain.decrypt(self.chains[message.chain_id], data, now_ms())
        self.chains[message.chain_id] = chain
        return payload.decode(plain, payload.Expected(uuid.UUID(chat).bytes, sender, chain.device_id, self.person.keys.account_id))
