"""The Double Ratchet: a message, and the state before and after it."""

from dataclasses import dataclass, replace
from typing import Any

from . import primitives, setup, tlv
from .coins import Coins
from .refused import require
from .state import KEPT_MAX, SETUP_MAX, Kept, State

DAY_MS = 24 * 3600 * 1000
VERSION = 1
STEP_OVER_MAX = 2000
KEPT_MS = 14 * DAY_MS
KEPT_CHAINS = 100
UNANSWERED_MAX = 200
UNANSWERED_MS = 7 * DAY_MS
HEADER_MAX = 1024
SEALED_MAX = 262_144
TAG = 16
NEED_STEP = 0x01
N_MAX = 2**32 - 1

HEADER = [
    tlv.fixed(1, "ratchet_pub", 32),
    tlv.number(2, "pn", tlv.U32),
    tlv.number(3, "n", tlv.U32),
    tlv.number(4, "flags", tlv.U8),
]
MESSAGE = [
    tlv.number(1, "version", tlv.U8),
    tlv.string(2, "setup", 1, SETUP_MAX, optional=True),
    tlv.string(3, "header", 1, HEADER_MAX),
    tlv.fixed(4, "nonce", 24),
    tlv.fixed(5, "commitment", 32),
    tlv.string(6, "sealed", TAG, SEALED_MAX),
]


@dataclass(frozen=True)
class Header:
    raw: bytes  # as it came: what is authenticated
    ratchet_pub: bytes
    pn: int
    n: int
    flags: int


@dataclass(frozen=True)
class Message:
    setup: bytes | None
    header: Header
    nonce: bytes
    commitment: bytes
    sealed: bytes


def message_decode(data: bytes) -> Message:
    values: dict[str, Any] = tlv.decode(MESSAGE, data)
    require(values.pop("version") == VERSION, "another version", "UNSUPPORTED")
    header = Header(values["header"], **tlv.decode(HEADER, values["header"]))
    require(header.flags & ~NEED_STEP == 0, "a flag that does not exist")
    require(header.n < N_MAX, "a number that is never sent")
    primitives.dh_check(header.ratchet_pub)
    return Message(**{**values, "header": header})


# ---------------------------------------------------------------------------------------------- keys
def root_step(root_key: bytes, secret: bytes, public: bytes) -> tuple[bytes, bytes]:
    """The next root key, and the key of a new chain."""
    out = primitives.derive(root_key, primitives.dh(secret, public), "rk", b"", 64)
    return out[:32], out[32:]


def chain_step(chain_key: bytes) -> tuple[bytes, bytes]:
    """A message's key, and the chain's next."""
    return primitives.hmac(chain_key, b"\x01"), primitives.hmac(chain_key, b"\x02")


def message_keys(mk: bytes, transcript: bytes) -> tuple[bytes, bytes]:
    """The key that encrypts, and the key that commits to it."""
    out = primitives.derive(b"", mk, "mk", transcript, 64)
    return out[:32], out[32:]


def send_step(state: State, coins: Coins) -> State:
    """A ratchet key of our own and a new sending chain. The old chain's length is told in every header of the new one."""
    assert state.their_pub is not None
    secret = coins.draw(32)
    root_key, send_chain = root_step(state.root_key, secret, state.their_pub)
    return replace(state, our_secret=secret, root_key=root_key, send_chain=send_chain, pn=state.ns, ns=0)


# ---------------------------------------------------------------------------------------------- sending
def is_of_last_resort(state: State) -> bool:
    """Whether what is sent carries a set-up whose KEM prekey others have, too. Once it is answered there is none."""
    return state.setup is not None and tlv.decode(setup.SETUP, state.setup)["kem_is_last"] == 1


def needs_answer(state: State, now: int) -> bool:
    if is_of_last_resort(state):
        return True
    return state.unanswered >= UNANSWERED_MAX or now - state.stepped_at >= UNANSWERED_MS


def encrypt(state: State, plaintext: bytes, coins: Coins, now: int) -> tuple[State, bytes]:
    assert state.send_chain is not None
    require(len(plaintext) + TAG <= SEALED_MAX, "a plaintext too long", "TOOBIG")
    require(state.ns < N_MAX, "a chain that has no more numbers", "TOOBIG")
    state = drop_ended(state, now)
    header = tlv.encode(
        HEADER,
        {
            "ratchet_pub": primitives.dh_public(state.our_secret),
            "pn": state.pn,
            "n": state.ns,
            "flags": NEED_STEP if needs_answer(state, now) else 0,
        },
    )
    mk, send_chain = chain_step(state.send_chain)
    message = seal(mk, state, header, coins.draw(24), plaintext)
    unanswered = min(state.unanswered + 1, N_MAX)
    return replace(state, send_chain=send_chain, ns=state.ns + 1, unanswered=unanswered, needs_step=None), message


def seal(mk: bytes, state: State, header: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    key, commit_key = message_keys(mk, state.transcript)
    values = {
        "version": VERSION,
        "setup": state.setup,
        "header": header,
        "nonce": nonce,
        "commitment": primitives.hmac(commit_key, header + nonce),
        "sealed": primitives.aead_seal(key, nonce, state.transcript + header, plaintext),
    }
    return tlv.encode(MESSAGE, values)


# ---------------------------------------------------------------------------------------------- receiving
def keep_until(state: State, until: int, now: int) -> State:
    """Keeps the keys of the receiving chain from `nr` to before `until`."""
    if state.recv_chain is None or until <= state.nr:
        return state
    assert state.their_pub is not None
    chain_key, added = state.recv_chain, []
    for n in range(state.nr, until):
        mk, chain_key = chain_step(chain_key)
        added.append(Kept(state.their_pub, n, mk, now, state.recv_chains))
    return replace(state, recv_chain=chain_key, nr=until, kept=state.kept + tuple(added))


def drop_ended(state: State, now: int) -> State:
    """Without the kept keys that are too old, of too old a chain, or too many."""
    alive = tuple(kept for kept in state.kept if now < kept.kept_at + KEPT_MS and state.recv_chains - kept.chain < KEPT_CHAINS)
    return replace(state, kept=alive[-KEPT_MAX:])


def steps_check(state: State, header: Header) -> None:
    """Before any key is derived: a header costs its sender nothing, so it must cost us nothing."""
    stepped = [header.n if header.ratchet_pub != state.their_pub else header.n - state.nr]
    if header.ratchet_pub != state.their_pub and state.recv_chain is not None:
        stepped.append(header.pn - state.nr)
    require(max(stepped) <= STEP_OVER_MAX, "too many numbers to be stepped over", "TOOBIG")


def receive_step(state: State, header: Header, now: int) -> State:
    """Their new ratchet key: the rest of the old chain is kept, and a new one begins."""
    state = keep_until(state, header.pn, now)
    root_key, recv_chain = root_step(state.root_key, state.our_secret, header.ratchet_pub)
    return replace(
        state,
        root_key=root_key,
        recv_chain=recv_chain,
        their_pub=header.ratchet_pub,
        nr=0,
        recv_chains=state.recv_chains + 1,
        unanswered=0,
        stepped_at=now,
    )


def take_kept(state: State, header: Header, now: int) -> tuple[State, bytes] | None:
    for kept in drop_ended(state, now).kept:
        if (kept.ratchet_pub, kept.n) == (header.ratchet_pub, header.n):
            return replace(state, kept=tuple(other for other in state.kept if other is not kept)), kept.mk
    return None


def advance(state: State, header: Header, now: int) -> tuple[State, bytes]:
    """The state with the receiving chain behind this message, and the message's key."""
    if header.ratchet_pub == state.their_pub:
        require(state.recv_chain is not None, "their prekey is no ratchet key of a message", "DENIED")
        require(header.n >= state.nr, "a number that was used or given up", "REPEATED")
    else:
        old = any(kept.ratchet_pub == header.ratchet_pub for kept in state.kept)
        require(not old, "a number of an old chain that was used or given up", "REPEATED")
    steps_check(state, header)
    state = drop_ended(state, now)
    if header.ratchet_pub != state.their_pub:
        state = receive_step(state, header, now)
    state = keep_until(state, header.n, now)
    assert state.recv_chain is not None
    mk, recv_chain = chain_step(state.recv_chain)
    return replace(state, recv_chain=recv_chain, nr=header.n + 1), mk


def unseal(mk: bytes, transcript: bytes, message: Message) -> bytes:
    key, commit_key = message_keys(mk, transcript)
    primitives.hmac_verify(commit_key, message.header.raw + message.nonce, message.commitment)
    return primitives.aead_open(key, message.nonce, transcript + message.header.raw, message.sealed)


def decrypt(state: State, data: bytes, coins: Coins, now: int) -> tuple[State, bytes]:
    """The state after the message, and its plaintext. Coins are drawn only when it holds, and only for a new ratchet key."""
    message = message_decode(data)
    if message.setup is not None:
        require(setup.decode(message.setup)["ek_pub"] == state.ek_pub, "a set-up of another session", "DENIED")
    chains_before = state.recv_chains
    state, mk = take_kept(state, message.header, now) or advance(state, message.header, now)
    plaintext = unseal(mk, state.transcript, message)
    if state.recv_chains != chains_before:
        state = send_step(state, coins)
    asked = 1 if message.header.flags & NEED_STEP else state.needs_step
    return replace(drop_ended(state, now), heard_at=now, setup=None, needs_step=asked), plaintext
