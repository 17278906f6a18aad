"""PQXDH: how a session begins, on both sides, and which of two is sent with."""

from dataclasses import dataclass, field
from typing import Any

from . import prekey, primitives, ratchet, setup as setups, tlv
from .coins import Coins
from .device_list import Device, DeviceList, Pin
from .prekey import Prekey
from .refused import Refused, require
from .setup import SETUP, SUITE, SUITE_CLASSIC
from .state import State

DAY_MS = 24 * 3600 * 1000
SILENT_MS = 30 * DAY_MS

TRANSCRIPT = [
    tlv.number(1, "suite", tlv.U8),
    tlv.fixed(2, "account_a", 16),
    tlv.number(3, "device_a", tlv.U32),
    tlv.fixed(4, "ark_a", 32),
    tlv.fixed(5, "dsk_a", 32),
    tlv.fixed(6, "ddh_a", 32),
    tlv.number(7, "list_seq_a", tlv.U64),
    tlv.fixed(8, "list_hash_a", 32),
    tlv.fixed(9, "account_b", 16),
    tlv.number(10, "device_b", tlv.U32),
    tlv.fixed(11, "ark_b", 32),
    tlv.fixed(12, "dsk_b", 32),
    tlv.fixed(13, "ddh_b", 32),
    tlv.number(14, "list_seq_b", tlv.U64),
    tlv.fixed(15, "list_hash_b", 32),
    tlv.number(16, "spk_id", tlv.U32),
    tlv.fixed(17, "spk_pub", 32),
    tlv.number(18, "opk_id", tlv.U32, optional=True),
    tlv.fixed(19, "opk_pub", 32, optional=True),
    tlv.number(20, "kem_id", tlv.U32, optional=True),
    tlv.fixed(21, "kem_pub_hash", 32, optional=True),
    tlv.number(22, "kem_is_last", tlv.U8, optional=True),
    tlv.fixed(23, "ek_pub", 32),
    tlv.fixed(24, "ct_hash", 32, optional=True),
]


@dataclass(frozen=True)
class Party:
    """One of the two devices, as its account's list has it."""

    list: DeviceList
    device: Device

    @property
    def owner(self) -> prekey.Owner:
        return prekey.Owner(self.list.account_id, self.device.device_id, self.device.dsk_pub)

    def side(self, name: str) -> dict[str, int | bytes]:
        """Who it is, in the transcript; `name` is a or b."""
        return {
            f"account_{name}": self.list.account_id,
            f"device_{name}": self.device.device_id,
            f"ark_{name}": self.list.ark_pub,
            f"dsk_{name}": self.device.dsk_pub,
            f"ddh_{name}": self.device.ddh_pub,
        }


def party(pin: Pin, device_id: int) -> Party:
    device = pin.signed.list.device(device_id)
    if device is None or device_id not in pin.usable:
        raise Refused("DENIED", "no device that the account and the device itself vouch for")
    return Party(pin.signed.list, device)


def party_to_begin_with(pin: Pin, device_id: int, now: int) -> Party:
    require(device_id in pin.may_begin(now), "a device that is new in a list that has expired", "DENIED")
    return party(pin, device_id)


@dataclass(frozen=True)
class Bundle:
    """What the server hands out of a device, verified. Without `kem` only in suite 0x01."""

    spk: Prekey
    kem: Prekey | None
    kem_is_last: bool
    opk: Prekey | None


@dataclass(frozen=True)
class Secrets:
    """A device's own private keys, by id. One-time ones are deleted with the state that their session's first message made."""

    ddh: bytes
    spk: dict[int, bytes]
    opk: dict[int, bytes] = field(default_factory=dict)
    kem_ot: dict[int, bytes] = field(default_factory=dict)
    kem_lr: dict[int, bytes] = field(default_factory=dict)
    kem_lr_used: frozenset[tuple[int, int, bytes]] = frozenset()  # (kem id, spk id, EK)

    def after(self, setup: dict[str, Any]) -> "Secrets":
        """Without what this set-up has used up."""
        used = self.kem_lr_used
        if setup["kem_is_last"]:
            used = used | {(setup["kem_id"], setup["spk_id"], setup["ek_pub"])}
        opk = {id: secret for id, secret in self.opk.items() if id != setup["opk_id"]}
        one_time = not setup["kem_is_last"]
        kem_ot = {id: seed for id, seed in self.kem_ot.items() if not (one_time and id == setup["kem_id"])}
        return Secrets(self.ddh, self.spk, opk, kem_ot, self.kem_lr, used)


def suite_of(ours: DeviceList, theirs: DeviceList) -> int:
    """The highest that both have. There is no other choice, so nobody can talk two devices down."""
    common = set(ours.suites) & set(theirs.suites)
    require(bool(common), "no suite in common", "DENIED")
    suite = max(common)
    require(suite in (SUITE_CLASSIC, SUITE), "a suite that we do not know", "DENIED")
    return suite


def bundle_check(them: Party, spk: bytes, kem: bytes | None, kem_is_last: bool, opk: bytes | None, now: int) -> Bundle:
    kem_kind = prekey.KEM_LR if kem_is_last else prekey.KEM_OT
    return Bundle(
        prekey.check(prekey.SPK, them.owner, spk, now),
        None if kem is None else prekey.check(kem_kind, them.owner, kem, now),
        kem_is_last,
        None if opk is None else prekey.check(prekey.OPK, them.owner, opk, now),
    )


def transcript(a: Party, b: Party, setup: dict[str, Any], spk_pub: bytes, opk_pub: bytes | None, kem_pub: bytes | None) -> bytes:
    kem = setup["suite"] == SUITE
    values = {
        **{name: setup[name] for name in ("suite", "spk_id", "opk_id", "kem_id", "kem_is_last", "ek_pub")},
        **a.side("a"),
        **b.side("b"),
        **{name: setup[name] for name in ("list_seq_a", "list_hash_a", "list_seq_b", "list_hash_b")},
        "spk_pub": spk_pub,
        "opk_pub": opk_pub,
        "kem_pub_hash": primitives.sha256(kem_pub) if kem and kem_pub is not None else None,
        "ct_hash": primitives.sha256(setup["ct"]) if kem else None,
    }
    return primitives.transcript("pqxdh", tlv.encode(TRANSCRIPT, values))


def root_key(agreements: list[bytes], shared: bytes, transcript_hash: bytes) -> bytes:
    ikm = b"\xff" * 32 + b"".join(agreements) + shared
    return primitives.derive(b"", ikm, "pqxdh", transcript_hash, 32)


# ---------------------------------------------------------------------------------------------- A
def begin(us: Party, ddh_secret: bytes, them: Party, bundle: Bundle, coins: Coins, now: int) -> State:
    """A's state, in the only suite that there can be."""
    suite = suite_of(us.list, them.list)
    require((bundle.kem is not None) == (suite == SUITE), "a bundle of another suite", "DENIED")
    return begin_in(suite, us, ddh_secret, them, bundle, coins, now)


def begin_in(suite: int, us: Party, ddh_secret: bytes, them: Party, bundle: Bundle, coins: Coins, now: int) -> State:
    """Drawn are EK's secret, the coin of the encapsulation, and the secret of the first ratchet key."""
    ek = coins.draw(32)
    ek_pub = primitives.dh_public(ek)
    ct, shared = primitives.kem_encaps(bundle.kem.public, coins.draw(32)) if bundle.kem else (None, b"")
    setup: dict[str, Any] = {
        "suite": suite,
        "device_a": us.device.device_id,
        "list_seq_a": us.list.seq,
        "list_hash_a": us.list.hash,
        "list_seq_b": them.list.seq,
        "list_hash_b": them.list.hash,
        "spk_id": bundle.spk.id,
        "opk_id": bundle.opk.id if bundle.opk else None,
        "kem_id": bundle.kem.id if bundle.kem else None,
        "kem_is_last": int(bundle.kem_is_last) if bundle.kem else None,
        "ek_pub": ek_pub,
        "ct": ct,
    }
    agreements = [
        primitives.dh(ddh_secret, bundle.spk.public),
        primitives.dh(ek, them.device.ddh_pub),
        primitives.dh(ek, bundle.spk.public),
    ]
    if bundle.opk:
        agreements.append(primitives.dh(ek, bundle.opk.public))
    opk_pub = bundle.opk.public if bundle.opk else None
    kem_pub = bundle.kem.public if bundle.kem else None
    bound = transcript(us, them, setup, bundle.spk.public, opk_pub, kem_pub)
    state = State(
        transcript=bound,
        root_key=root_key(agreements, shared, bound),
        our_secret=b"",
        their_pub=bundle.spk.public,
        send_chain=None,
        ek_pub=ek_pub,
        created_at=now,
        stepped_at=now,
        setup=tlv.encode(SETUP, setup),
    )
    return ratchet.send_step(state, coins)


# ---------------------------------------------------------------------------------------------- B
def list_check(seq: int, hash: bytes, known: DeviceList) -> None:
    """A list that the set-up names, beside the one that we have: an older one is what there was when A wrote."""
    require(seq <= known.seq, "a newer list, to be fetched first", "DENIED")
    require(seq < known.seq or hash == known.hash, "another list of the same seq", "DENIED")


def setup_check(us: Party, their_pin: Pin, data: bytes) -> tuple[dict[str, Any], Party]:
    """The set-up, and the device that sent it, when it is about the lists that we have verified."""
    setup = setups.decode(data)
    theirs = their_pin.signed.list
    require(setup["suite"] == suite_of(us.list, theirs), "not the highest suite in common", "DENIED")
    primitives.dh_check(setup["ek_pub"])
    list_check(setup["list_seq_a"], setup["list_hash_a"], theirs)
    list_check(setup["list_seq_b"], setup["list_hash_b"], us.list)
    return setup, party(their_pin, setup["device_a"])


def secret_of(secrets: dict[int, bytes], id: int) -> bytes:
    if id not in secrets:
        raise Refused("NOTFOUND", "a prekey whose private half is gone")
    return secrets[id]


def accept(us: Party, secrets: Secrets, their_pin: Pin, data: bytes, coins: Coins, now: int) -> tuple[State, Secrets, bytes]:
    """B's state after the first message of A that came, which private keys are left, and the plaintext."""
    message = ratchet.message_decode(data)
    require(message.setup is not None, "a message without a set-up and no session for it", "DENIED")
    setup, them = setup_check(us, their_pin, message.setup or b"")
    spk = secret_of(secrets.spk, setup["spk_id"])
    opk = None if setup["opk_id"] is None else secret_of(secrets.opk, setup["opk_id"])
    kem = None
    if setup["suite"] == SUITE:
        kem = secret_of(secrets.kem_lr if setup["kem_is_last"] else secrets.kem_ot, setup["kem_id"])
    used = (setup["kem_id"], setup["spk_id"], setup["ek_pub"])
    require(not (setup["kem_is_last"] and used in secrets.kem_lr_used), "the same first message again", "DENIED")
    agreements = [
        primitives.dh(spk, them.device.ddh_pub),
        primitives.dh(secrets.ddh, setup["ek_pub"]),
        primitives.dh(spk, setup["ek_pub"]),
    ]
    if opk is not None:
        agreements.append(primitives.dh(opk, setup["ek_pub"]))
    shared = b"" if kem is None else primitives.kem_decaps(kem, setup["ct"])
    opk_pub = None if opk is None else primitives.dh_public(opk)
    kem_pub = None if kem is None else primitives.kem_public(kem)
    bound = transcript(them, us, setup, primitives.dh_public(spk), opk_pub, kem_pub)
    state = State(
        transcript=bound,
        root_key=root_key(agreements, shared, bound),
        our_secret=spk,
        their_pub=None,
        send_chain=None,
        ek_pub=setup["ek_pub"],
        created_at=now,
        stepped_at=now,
    )
    state, plaintext = ratchet.decrypt(state, data, coins, now)
    return state, secrets.after(setup), plaintext


# ---------------------------------------------------------------------------------------------- several sessions
def sends_with(ours: State | None, accepted: State) -> State:
    """With which to send, once `accepted` was begun by the other and `ours` was sent with until now."""
    if ours is None or ours.setup is None:
        return accepted  # ours has been answered, so the other began anew and has reason to
    return min(ours, accepted, key=lambda state: state.transcript)


def is_silent(state: State, now: int) -> bool:
    """Nothing was heard for 30 days: begin anew."""
    heard = state.created_at if state.heard_at is None else state.heard_at
    return now - heard >= SILENT_MS
