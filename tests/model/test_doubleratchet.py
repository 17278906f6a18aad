"""The ratchet against another implementation of the Double Ratchet, with our keys, labels and message format put into it.

Both are given the same coins and the same script. Theirs knows nothing of messages that ask for an answer, of the age of kept
keys, nor of REPEATED, so the script stays within what both know, and only whether a message is taken is compared.
"""

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any

import doubleratchet
import pytest
from doubleratchet.aead import AuthenticationFailedException
from doubleratchet.diffie_hellman_ratchet import DoSProtectionException, DuplicateMessageException

from . import cases_ratchet, primitives, ratchet, tlv
from .session_steps import B, BOB, SPK
from .coins import Coins
from .fixtures import NOW, coin
from .refused import Refused
from .state import State

CHAIN_CONSTANT = b"\x02\x01"  # the next chain key is the first half of what they derive, the message's key the second
LATE_MAX = 8  # steps; so few that no kept key is of a chain with a hundred newer ones


class RootKdf(doubleratchet.KDF):
    @staticmethod
    async def derive(key: bytes, data: bytes, length: int) -> bytes:
        return primitives.derive(key, data, "rk", b"", length)


class ChainKdf(doubleratchet.KDF):
    @staticmethod
    async def derive(key: bytes, data: bytes, length: int) -> bytes:
        return b"".join(primitives.hmac(key, bytes([constant])) for constant in data)


class Step:
    """The coins of the step that is under way: they ask for them in static methods."""

    ratchet_secret = b""
    nonce = b""


class Agreement(doubleratchet.DiffieHellmanRatchet):
    @staticmethod
    def _generate_priv() -> bytes:
        return Step.ratchet_secret

    @staticmethod
    def _derive_pub(priv: bytes) -> bytes:
        return primitives.dh_public(priv)

    @staticmethod
    def _perform_diffie_hellman(own_priv: bytes, other_pub: bytes) -> bytes:
        return primitives.dh(own_priv, other_pub)


class Sealing(doubleratchet.AEAD):
    """Nonce, commitment and ciphertext; the associated data is T and our header."""

    @staticmethod
    async def encrypt(plaintext: bytes, key: bytes, associated_data: bytes) -> bytes:
        transcript, header = associated_data[:32], associated_data[32:]
        message_key, commit_key = ratchet.message_keys(key, transcript)
        commitment = primitives.hmac(commit_key, header + Step.nonce)
        return Step.nonce + commitment + primitives.aead_seal(message_key, Step.nonce, associated_data, plaintext)

    @staticmethod
    async def decrypt(ciphertext: bytes, key: bytes, associated_data: bytes) -> bytes:
        transcript, header = associated_data[:32], associated_data[32:]
        nonce, commitment, sealed = ciphertext[:24], ciphertext[24:56], ciphertext[56:]
        message_key, commit_key = ratchet.message_keys(key, transcript)
        try:
            primitives.hmac_verify(commit_key, header + nonce, commitment)
            return primitives.aead_open(message_key, nonce, associated_data, sealed)
        except Refused as refused:
            raise AuthenticationFailedException from refused


class Theirs(doubleratchet.DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data: bytes, header: doubleratchet.Header) -> bytes:
        fields = {
            "ratchet_pub": header.ratchet_pub,
            "pn": header.previous_sending_chain_length,
            "n": header.sending_chain_length,
            "flags": 0,
        }
        return associated_data + tlv.encode(ratchet.HEADER, fields)


SETTINGS: dict[str, Any] = {
    "diffie_hellman_ratchet_class": Agreement,
    "root_chain_kdf": RootKdf,
    "message_chain_kdf": ChainKdf,
    "message_chain_constant": CHAIN_CONSTANT,
    "dos_protection_threshold": ratchet.STEP_OVER_MAX,
    "max_num_skipped_message_keys": 2000,
    "aead": Sealing,
}


def packed(state: State, message: doubleratchet.EncryptedMessage) -> bytes:
    """Their message as ours."""
    text = message.ciphertext
    values = {
        "version": ratchet.VERSION,
        "setup": state.setup,
        "header": Theirs._build_associated_data(b"", message.header),
        "nonce": text[:24],
        "commitment": text[24:56],
        "sealed": text[56:],
    }
    return tlv.encode(ratchet.MESSAGE, values)


def unpacked(data: bytes) -> doubleratchet.EncryptedMessage:
    found = ratchet.message_decode(data)
    header = doubleratchet.Header(found.header.ratchet_pub, found.header.pn, found.header.n)
    return doubleratchet.EncryptedMessage(header, found.nonce + found.commitment + found.sealed)


@dataclass
class Side:
    ours: State
    theirs: Theirs

    def encrypt(self, plaintext: bytes, nonce: bytes) -> bytes:
        Step.nonce = nonce
        self.ours = setup_state = replace(self.ours, unanswered=0)  # so that none asks for an answer
        self.ours, message = ratchet.encrypt(self.ours, plaintext, Coins(nonce), NOW)
        theirs = asyncio.run(self.theirs.encrypt_message(plaintext, self.ours.transcript))
        assert packed(setup_state, theirs) == message
        return message

    def decrypt(self, message: bytes, secret: bytes) -> bytes | None:
        """The plaintext, or None when both refuse."""
        Step.ratchet_secret = secret
        try:
            self.ours, plaintext = ratchet.decrypt(self.ours, message, Coins(secret), NOW)
        except Refused:
            plaintext = None
        theirs: bytes | None
        try:
            theirs = asyncio.run(self.theirs.decrypt_message(unpacked(message), self.ours.transcript))
        except (AuthenticationFailedException, DuplicateMessageException, DoSProtectionException):
            theirs = None
        assert theirs == plaintext
        self.compare()
        return plaintext

    def compare(self) -> None:
        """Every key and number that both have."""
        model = self.theirs.model
        agreement = model.diffie_hellman_ratchet
        chains = agreement.symmetric_key_ratchet
        assert agreement.own_ratchet_priv == self.ours.our_secret
        assert agreement.other_ratchet_pub == self.ours.their_pub
        assert agreement.root_chain.key == self.ours.root_key
        assert chains.sending_chain is not None
        assert (chains.sending_chain.key, chains.sending_chain.length) == (self.ours.send_chain, self.ours.ns)
        assert (chains.previous_sending_chain_length or 0) == self.ours.pn
        if self.ours.recv_chain is not None:
            assert chains.receiving_chain is not None
            assert (chains.receiving_chain.key, chains.receiving_chain.length) == (self.ours.recv_chain, self.ours.nr)
        kept = [(key.ratchet_pub, key.index, key.message_key) for key in model.skipped_message_keys]
        ours = [(key.ratchet_pub, key.n, key.mk) for key in self.ours.kept]
        # Ours end with the fifth newer chain, theirs never: what we still have is the end of what they have.
        assert kept[len(kept) - len(ours) :] == ours


def begun() -> tuple[Side, Side]:
    """Both sides of the session of the known answers, which has exchanged its first message."""
    a, b, first = cases_ratchet.first_states()
    spk = BOB.prekey_secret("spk", B, SPK)
    # The root key of the hand-over is no longer in any state; they need it to begin.
    root_key = handed_over()
    Step.ratchet_secret, Step.nonce = coin("ratchet begins", 96)[64:], coin("ratchet first", 24)
    theirs_a, message = asyncio.run(
        Theirs.encrypt_initial_message(
            shared_secret=root_key,
            recipient_ratchet_pub=primitives.dh_public(spk),
            message=b"first",
            associated_data=a.transcript,
            **SETTINGS,
        )
    )
    assert packed(a, message) == first
    Step.ratchet_secret = coin("ratchet accepts", 32)
    theirs_b, plaintext = asyncio.run(
        Theirs.decrypt_initial_message(
            shared_secret=root_key, own_ratchet_priv=spk, message=unpacked(first), associated_data=b.transcript, **SETTINGS
        )
    )
    assert plaintext == b"first"
    sides = Side(a, theirs_a), Side(b, theirs_b)
    for side in sides:
        side.compare()
    return sides


def handed_over() -> bytes:
    """PQXDH's root key, caught on its way into the ratchet."""
    caught = []
    before = ratchet.send_step

    def catch(state: State, coins: Coins) -> State:
        caught.append(state.root_key)
        return before(state, coins)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ratchet, "send_step", catch)
        cases_ratchet.first_states()
    return caught[0]


@pytest.mark.parametrize("seed", range(12))
def test_doubleratchet__the_same_script_gives_the_same_bytes_keys_and_refusals(seed):
    rng = random.Random(seed)
    sides = begun()
    inboxes: tuple[list, list] = ([], [])
    taken = refused = 0
    for step in range(120):
        index = rng.randrange(2)
        inbox = inboxes[index]
        inbox[:] = [item for item in inbox if item[0] > step - LATE_MAX]
        if rng.random() < 0.5 or not inbox:
            text = f"{index} {step}".encode()
            inboxes[1 - index].append((step, sides[index].encrypt(text, rng.randbytes(24)), text))
            continue
        item = rng.choice(inbox)
        message = item[1]
        fate = rng.random()
        if fate < 0.1:  # lost
            inbox.remove(item)
            continue
        if fate < 0.2:  # a byte of the ciphertext damaged
            message = message[:-1] + bytes([message[-1] ^ 1])
        plaintext = sides[index].decrypt(message, rng.randbytes(32))
        assert plaintext in (None, item[2]), f"SEED={seed}"
        taken, refused = taken + (plaintext is not None), refused + (plaintext is None)
    assert taken > 10 and refused > 5, f"SEED={seed}"


@pytest.mark.parametrize(("count", "taken"), [(2000, True), (2001, False)])
def test_doubleratchet__both_step_over_2000_numbers_and_no_more(count, taken):
    a, b = begun()
    b.decrypt(a.encrypt(b"near", coin("near", 24)), coin("near too", 32))
    for _ in range(count):
        a.encrypt(b"lost", coin("lost", 24))
    plaintext = b.decrypt(a.encrypt(b"far", coin("far", 24)), coin("far too", 32))
    assert plaintext == (b"far" if taken else None)
