"""Sender chains: one ciphertext for all devices of a group."""

from dataclasses import dataclass, replace
from typing import Any

from . import primitives, tlv
from .coins import Coins
from .ratchet import HEADER_MAX, KEPT_MS, N_MAX, SEALED_MAX, STEP_OVER_MAX, TAG, chain_step
from .refused import Refused, require
from .state import KEPT_MAX

DAY_MS = 24 * 3600 * 1000
VERSION = 1
MESSAGES_MAX = 500
AGE_MS_MAX = 7 * DAY_MS
SIGNED_TAG_LAST = 5

CHAIN = [
    tlv.fixed(1, "chain_id", 8),
    tlv.number(2, "iteration", tlv.U32),
    tlv.fixed(3, "chain_key", 32),
    tlv.fixed(4, "sign_pub", 32),
    tlv.number(5, "epoch", tlv.U64),
    tlv.fixed(6, "group_hash", 32),
]
HEADER = [
    tlv.fixed(1, "group_id", 16),
    tlv.number(2, "epoch", tlv.U64),
    tlv.fixed(3, "group_hash", 32),
    tlv.fixed(4, "account", 16),
    tlv.number(5, "device_id", tlv.U32),
    tlv.fixed(6, "chain_id", 8),
    tlv.number(7, "iteration", tlv.U32),
]
MESSAGE = [
    tlv.number(1, "version", tlv.U8),
    tlv.string(2, "header", 1, HEADER_MAX),
    tlv.fixed(3, "nonce", 24),
    tlv.fixed(4, "commitment", 32),
    tlv.string(5, "sealed", TAG, SEALED_MAX),
    tlv.fixed(6, "signature", 64),
]
SIGNED = MESSAGE[:SIGNED_TAG_LAST]
SENDING = [
    tlv.fixed(1, "group_id", 16),
    tlv.fixed(2, "account", 16),
    tlv.number(3, "device_id", tlv.U32),
    tlv.fixed(4, "chain_id", 8),
    tlv.number(5, "iteration", tlv.U32),
    tlv.fixed(6, "chain_key", 32),
    tlv.fixed(7, "sign_seed", 32),
    tlv.number(8, "created_at", tlv.U64),
]
RECEIVING = [
    *SENDING[:6],
    tlv.fixed(7, "sign_pub", 32),
    tlv.number(8, "first_iteration", tlv.U32),
    tlv.items(9, "kept", 1, KEPT_MAX, optional=True),
]
KEPT = [tlv.number(1, "n", tlv.U32), tlv.fixed(2, "mk", 32), tlv.number(3, "kept_at", tlv.U64)]


@dataclass(frozen=True)
class Owner:
    """Whose chain it is."""

    group_id: bytes
    account: bytes
    device_id: int


@dataclass(frozen=True)
class Sending(Owner):
    chain_id: bytes
    iteration: int  # the next
    chain_key: bytes
    sign_seed: bytes
    created_at: int

    def encode(self) -> bytes:
        return tlv.encode(SENDING, vars(self))

    def due(self, now: int) -> bool:
        """Whether a new chain is drawn before the next message, for no other reason than this one's length and age."""
        return self.iteration >= MESSAGES_MAX or now - self.created_at >= AGE_MS_MAX


@dataclass(frozen=True)
class Kept:
    n: int
    mk: bytes
    kept_at: int


@dataclass(frozen=True)
class Receiving(Owner):
    chain_id: bytes
    iteration: int  # the next
    chain_key: bytes
    sign_pub: bytes
    first_iteration: int
    kept: tuple[Kept, ...] = ()

    def encode(self) -> bytes:
        return tlv.encode(RECEIVING, {**vars(self), "kept": [tlv.encode(KEPT, vars(kept)) for kept in self.kept] or None})


def sending_decode(data: bytes) -> Sending:
    return Sending(**tlv.decode(SENDING, data))


def receiving_decode(data: bytes) -> Receiving:
    values = tlv.decode(RECEIVING, data)
    kept = tuple(Kept(**tlv.decode(KEPT, item)) for item in values["kept"] or [])
    require(all(one.n < other.n for one, other in zip(kept, kept[1:])), "kept keys do not ascend")
    require(all(values["first_iteration"] <= one.n < values["iteration"] for one in kept), "a kept key that is not of the past")
    require(values["first_iteration"] <= values["iteration"], "a chain before its beginning")
    return Receiving(**{**values, "kept": kept})


# ---------------------------------------------------------------------------------------------- keys
def message_keys(mk: bytes, owner: Owner, chain_id: bytes) -> tuple[bytes, bytes]:
    """The key that encrypts, and the key that commits to it."""
    info = owner.group_id + owner.account + owner.device_id.to_bytes(4, "big") + chain_id
    out = primitives.derive(b"", mk, "sk-chain", info, 64)
    return out[:32], out[32:]


# ---------------------------------------------------------------------------------------------- sending
def new(owner: Owner, coins: Coins, now: int) -> Sending:
    chain_id, chain_key, sign_seed = coins.draw(8), coins.draw(32), coins.draw(32)
    return Sending(**vars(owner), chain_id=chain_id, iteration=0, chain_key=chain_key, sign_seed=sign_seed, created_at=now)


def give(chain: Sending, epoch: int, group_hash: bytes) -> bytes:
    """The chain as it is now: who gets it opens what comes from now on, and nothing before."""
    values = {**vars(chain), "sign_pub": primitives.sign_public(chain.sign_seed), "epoch": epoch, "group_hash": group_hash}
    return tlv.encode(CHAIN, values)


def encrypt(chain: Sending, epoch: int, group_hash: bytes, plaintext: bytes, coins: Coins) -> tuple[Sending, bytes]:
    require(len(plaintext) + TAG <= SEALED_MAX, "a plaintext too long", "TOOBIG")
    require(chain.iteration < N_MAX, "a chain that has no more numbers", "TOOBIG")
    header = tlv.encode(HEADER, {**vars(chain), "epoch": epoch, "group_hash": group_hash})
    mk, chain_key = chain_step(chain.chain_key)
    message = seal(mk, chain, header, coins.draw(24), plaintext)
    return replace(chain, iteration=chain.iteration + 1, chain_key=chain_key), message


def seal(mk: bytes, chain: Sending, header: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    key, commit_key = message_keys(mk, chain, chain.chain_id)
    values: dict[str, Any] = {
        "version": VERSION,
        "header": header,
        "nonce": nonce,
        "commitment": primitives.hmac(commit_key, header + nonce),
        "sealed": primitives.aead_seal(key, nonce, header, plaintext),
    }
    return sign(tlv.encode(SIGNED, values), chain.sign_seed)


def sign(fields: bytes, sign_seed: bytes) -> bytes:
    """The message of these fields, 1 to 5."""
    return fields + tlv.put(6, primitives.sign(sign_seed, "sk-msg", fields))


# ---------------------------------------------------------------------------------------------- receiving
def take(known: Receiving | None, owner: Owner, data: bytes) -> Receiving:
    """A chain that came by the session with `owner`'s device. `known` is what the reader has of this owner and chain_id."""
    values = tlv.decode(CHAIN, data)
    primitives.sign_check(values["sign_pub"])
    require(values["iteration"] < N_MAX, "a number that is never sent")
    if known is None:
        chain = {name: values[name] for name in ("chain_id", "iteration", "chain_key", "sign_pub")}
        return Receiving(**vars(owner), **chain, first_iteration=values["iteration"])
    name = (known.group_id, known.account, known.device_id, known.chain_id)
    assert name == (*vars(owner).values(), values["chain_id"]), "a chain of another name is not what is known of this one"
    require(known.sign_pub == values["sign_pub"], "another chain of a known name", "DENIED")
    return known


@dataclass(frozen=True)
class Message:
    signed: bytes
    header: bytes
    owner: Owner
    chain_id: bytes
    iteration: int
    epoch: int
    group_hash: bytes
    nonce: bytes
    commitment: bytes
    sealed: bytes
    signature: bytes


def message_decode(data: bytes) -> Message:
    values = tlv.decode(MESSAGE, data, closed=True)
    require(values.pop("version") == VERSION, "another version", "UNSUPPORTED")
    header = tlv.decode(HEADER, values["header"])
    owner = Owner(header.pop("group_id"), header.pop("account"), header.pop("device_id"))
    require(header["iteration"] < N_MAX, "a number that is never sent")
    signed = b"".join(tlv.put(tag, value) for tag, value in tlv.fields(data) if tag <= SIGNED_TAG_LAST)
    return Message(signed=signed, owner=owner, **header, **values)


def drop_ended(chain: Receiving, now: int) -> Receiving:
    alive = tuple(kept for kept in chain.kept if now < kept.kept_at + KEPT_MS)
    return replace(chain, kept=alive[-KEPT_MAX:])


def step_to(chain: Receiving, iteration: int, now: int) -> tuple[Receiving, bytes]:
    """The chain behind this iteration, whose key it is; those stepped over are kept."""
    require(iteration - chain.iteration <= STEP_OVER_MAX, "too many to be stepped over", "TOOBIG")
    chain_key, added = chain.chain_key, []
    for n in range(chain.iteration, iteration):
        mk, chain_key = chain_step(chain_key)
        added.append(Kept(n, mk, now))
    mk, chain_key = chain_step(chain_key)
    return replace(chain, iteration=iteration + 1, chain_key=chain_key, kept=chain.kept + tuple(added)), mk


def key_of(chain: Receiving, iteration: int, now: int) -> tuple[Receiving, bytes]:
    require(iteration >= chain.first_iteration, "from before this reader was given the chain", "DENIED")
    chain = drop_ended(chain, now)
    if iteration >= chain.iteration:
        return step_to(chain, iteration, now)
    for kept in chain.kept:
        if kept.n == iteration:
            return replace(chain, kept=tuple(other for other in chain.kept if other is not kept)), kept.mk
    raise Refused("REPEATED", "its key was used or given up")


def decrypt(chain: Receiving, data: bytes, now: int) -> tuple[Receiving, Message, bytes]:
    """The chain after the message, the message, and its plaintext. The order of the checks is the document's."""
    message = message_decode(data)
    require(message.chain_id == chain.chain_id, "a chain that the reader has not", "DENIED")
    require(message.owner == Owner(chain.group_id, chain.account, chain.device_id), "a chain of somebody else", "DENIED")
    primitives.verify(chain.sign_pub, "sk-msg", message.signed, message.signature)
    chain, mk = key_of(chain, message.iteration, now)
    key, commit_key = message_keys(mk, chain, chain.chain_id)
    primitives.hmac_verify(commit_key, message.header + message.nonce, message.commitment)
    plaintext = primitives.aead_open(key, message.nonce, message.header, message.sealed)
    return drop_ended(chain, now), message, plaintext
