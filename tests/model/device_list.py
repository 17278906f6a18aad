"""Accounts and their devices: certificate, acceptance, device list, signed list, and what a reader pins of them."""

from dataclasses import dataclass, replace
from typing import Any

from . import primitives, tlv
from .refused import Refused, require

DAY_MS = 24 * 3600 * 1000
VALID_MS_MAX = 30 * DAY_MS
SIGNED_MAX = 28_672

CERTIFICATE = [
    tlv.fixed(1, "account_id", 16),
    tlv.fixed(2, "ark_pub", 32),
    tlv.fixed(3, "aik_pub", 32),
    tlv.number(4, "aik_counter", tlv.U32),
]
ACCEPTANCE = [
    tlv.fixed(1, "account_id", 16),
    tlv.fixed(2, "ark_pub", 32),
    tlv.fixed(3, "aik_pub", 32),
    tlv.number(4, "device_id", tlv.U32),
    tlv.fixed(5, "server_device", 16),
    tlv.fixed(6, "dsk_pub", 32),
    tlv.fixed(7, "ddh_pub", 32),
]
DEVICE = [
    tlv.number(1, "device_id", tlv.U32),
    tlv.fixed(2, "server_device", 16),
    tlv.fixed(3, "dsk_pub", 32),
    tlv.fixed(4, "ddh_pub", 32),
    tlv.number(5, "added_at", tlv.U64),
    tlv.number(6, "manager", tlv.U8, optional=True),
]
DEVICE_LIST = [
    tlv.fixed(1, "account_id", 16),
    tlv.fixed(2, "ark_pub", 32),
    tlv.fixed(3, "aik_pub", 32),
    tlv.number(4, "aik_counter", tlv.U32),
    tlv.fixed(5, "certificate", 64),
    tlv.number(6, "seq", tlv.U64),
    tlv.fixed(7, "prev_hash", 32, optional=True),
    tlv.number(8, "issued_at", tlv.U64),
    tlv.number(9, "expires_at", tlv.U64),
    tlv.string(10, "suites", 1, 16),
    tlv.items(11, "devices", 1, 32),
    tlv.string(12, "removed", 4, 16_384, optional=True),
]
SIGNED_LIST = [
    tlv.string(1, "list", 1, 24_576),
    tlv.fixed(2, "signature", 64),
    tlv.items(3, "accepts", 1, 32, optional=True),
]
ACCEPT = [tlv.number(1, "device_id", tlv.U32), tlv.fixed(2, "signature", 64)]


@dataclass(frozen=True)
class Device:
    device_id: int
    server_device: bytes
    dsk_pub: bytes
    ddh_pub: bytes
    added_at: int
    manager: int | None = None

    @property
    def keys(self) -> tuple[bytes, bytes]:
        return self.dsk_pub, self.ddh_pub


@dataclass(frozen=True)
class DeviceList:
    """A list that keeps all rules; `raw` are its bytes as they came, which is what is signed and hashed."""

    raw: bytes
    account_id: bytes
    ark_pub: bytes
    aik_pub: bytes
    aik_counter: int
    certificate: bytes
    seq: int
    prev_hash: bytes | None
    issued_at: int
    expires_at: int
    suites: bytes
    devices: tuple[Device, ...]
    removed: tuple[int, ...]

    @property
    def hash(self) -> bytes:
        return primitives.sha256(self.raw)

    def expired(self, now: int) -> bool:
        return now >= self.expires_at

    def device(self, device_id: int) -> Device | None:
        return next((device for device in self.devices if device.device_id == device_id), None)


@dataclass(frozen=True)
class SignedList:
    list: DeviceList
    accepted: frozenset[int]  # the devices whose acceptance is there and valid


@dataclass(frozen=True)
class Pin:
    """What a reader keeps of an account."""

    signed: SignedList
    in_time: frozenset[int]  # listed in a list that had not expired when it was read

    @property
    def usable(self) -> frozenset[int]:
        """Those that messages are encrypted to and taken from."""
        return self.signed.accepted

    def may_begin(self, now: int) -> frozenset[int]:
        """Those with which a session may be begun: an expired list gains no device."""
        return self.usable & self.in_time if self.signed.list.expired(now) else self.usable


# ---------------------------------------------------------------------------------------------- making
def certificate_sign(ark_seed: bytes, fields: dict[str, Any]) -> bytes:
    return primitives.sign(ark_seed, "root", tlv.encode(CERTIFICATE, fields))


def acceptance_encode(fields: dict[str, Any], device: dict[str, Any]) -> bytes:
    return tlv.encode(ACCEPTANCE, {**fields, **device})


def acceptance_sign(dsk_seed: bytes, fields: dict[str, Any], device: dict[str, Any]) -> bytes:
    return primitives.sign(dsk_seed, "devaccept", acceptance_encode(fields, device))


def list_encode(fields: dict[str, Any]) -> bytes:
    """`devices` and `removed` as dicts and numbers; no rule is looked at."""
    removed = fields.get("removed")
    packed = None if removed is None else b"".join(number.to_bytes(4, "big") for number in removed)
    devices = [tlv.encode(DEVICE, device) for device in fields["devices"]]
    return tlv.encode(DEVICE_LIST, {**fields, "devices": devices, "removed": packed})


def signed_encode(raw: bytes, signature: bytes, accepts: dict[int, bytes]) -> bytes:
    packed = [tlv.encode(ACCEPT, {"device_id": number, "signature": accepts[number]}) for number in sorted(accepts)]
    return tlv.encode(SIGNED_LIST, {"list": raw, "signature": signature, "accepts": packed or None})


# ---------------------------------------------------------------------------------------------- reading
def ascending(numbers: tuple[int, ...] | bytes) -> bool:
    return all(one < other for one, other in zip(numbers, numbers[1:]))


def removed_decode(packed: bytes | None) -> tuple[int, ...]:
    if packed is None:
        return ()
    require(len(packed) % 4 == 0, "removed is not numbers of 4 bytes")
    return tuple(int.from_bytes(packed[at : at + 4], "big") for at in range(0, len(packed), 4))


def list_decode(raw: bytes) -> DeviceList:
    values = tlv.decode(DEVICE_LIST, raw)
    devices = tuple(Device(**tlv.decode(DEVICE, item)) for item in values["devices"])
    return DeviceList(raw, **{**values, "devices": devices, "removed": removed_decode(values["removed"])})


def list_check(found: DeviceList) -> None:
    """The rules that a list keeps by itself."""
    require(found.seq >= 1, "seq is from 1")
    require((found.prev_hash is None) == (found.seq == 1), "prev_hash is missing in seq 1, and only there")
    require(found.aik_counter >= 1, "aik_counter is from 1")
    valid_ms = found.expires_at - found.issued_at
    require(0 < valid_ms <= VALID_MS_MAX, "expires_at is not after issued_at, or by more than 30 days")
    require(ascending(found.suites), "suites do not ascend")
    ids = tuple(device.device_id for device in found.devices)
    require(ascending(ids) and ascending(found.removed), "device ids do not ascend")
    require(0 not in ids and 0 not in found.removed, "a device id is not 0")
    require(not set(ids) & set(found.removed), "a device is both listed and removed")
    servers = {device.server_device for device in found.devices}
    require(len(servers) == len(ids), "two devices are one to the server")
    require(all(device.manager in (None, 1) for device in found.devices), "manager is 1 or missing")
    list_keys_check(found)


def list_keys_check(found: DeviceList) -> None:
    signing = [found.ark_pub, found.aik_pub, *(device.dsk_pub for device in found.devices)]
    agreement = [device.ddh_pub for device in found.devices]
    require(len(set(signing + agreement)) == len(signing + agreement), "two keys of the account are the same bytes")
    for key in signing:
        primitives.sign_check(key)
    for key in agreement:
        primitives.dh_check(key)


def accepted(found: DeviceList, items: list[bytes] | None) -> frozenset[int]:
    """An acceptance that does not hold is as good as none; the list stands without it."""
    accepts = [tlv.decode(ACCEPT, item) for item in items or []]
    ids = tuple(accept["device_id"] for accept in accepts)
    require(ascending(ids) and 0 not in ids, "acceptances do not ascend, or one is of device 0")
    valid: set[int] = set()
    for accept in accepts:
        device = found.device(accept["device_id"])
        if device is None:
            continue
        signed = acceptance_encode(vars(found), vars(device))
        try:
            primitives.verify(device.dsk_pub, "devaccept", signed, accept["signature"])
        except Refused:
            continue
        valid.add(device.device_id)
    return frozenset(valid)


def signed_decode(account_id: bytes, data: bytes) -> SignedList:
    """A signed list of this account, by itself: decoded, certified, signed, and by the rules."""
    require(len(data) <= SIGNED_MAX, "a signed list too long", "TOOBIG")
    values = tlv.decode(SIGNED_LIST, data)
    found = list_decode(values["list"])
    require(found.account_id == account_id, "a list of another account", "DENIED")
    primitives.verify(found.ark_pub, "root", tlv.encode(CERTIFICATE, vars(found)), found.certificate)
    primitives.verify(found.aik_pub, "devlist", found.raw, values["signature"])
    list_check(found)
    return SignedList(found, accepted(found, values["accepts"]))


def follow(pin: Pin, found: DeviceList) -> None:
    """Whether the list may come after what is pinned. The order of the questions is part of the protocol.

    Another root key first: it answers every other question differently. A lower seq next, so that an old list of before a
    change of AIK is old and no attack. ROLLBACK before FORK: who once held an AIK must not be able to stop a chat with it.
    """
    pinned = pin.signed.list
    if found.ark_pub != pinned.ark_pub:
        raise Refused("IDENTITY", "another root key")
    if found.seq < pinned.seq:
        raise Refused("STALE", "a lower seq")
    same_counter = found.aik_counter == pinned.aik_counter
    if found.aik_counter < pinned.aik_counter or (same_counter and found.aik_pub != pinned.aik_pub):
        raise Refused("ROLLBACK", "an AIK that was replaced")
    if found.seq == pinned.seq and found.hash != pinned.hash:
        raise Refused("FORK", "the same seq, another hash")
    if found.seq > pinned.seq + 1:
        raise Refused("GAP", "the lists between are missing")
    if found.seq == pinned.seq + 1 and found.prev_hash != pinned.hash:
        raise Refused("FORK", "it follows another list than ours")
    devices_check(pinned, found)


def devices_check(pinned: DeviceList, found: DeviceList) -> None:
    """What was removed stays removed, and what was listed stays, with its keys, or is removed: so no other memory is needed."""
    require(set(pinned.removed) <= set(found.removed), "a device that was removed is back, or forgotten", "DENIED")
    for device in pinned.devices:
        now = found.device(device.device_id)
        if now is None:
            require(device.device_id in found.removed, "a device that is neither listed nor removed any more", "DENIED")
        else:
            require(now.keys == device.keys, "a device with other keys than before", "DENIED")


def read(pin: Pin | None, account_id: bytes, data: bytes, now: int) -> Pin:
    """The new pin. `pin` is None at a first contact."""
    signed = signed_decode(account_id, data)
    found = signed.list
    if pin is not None:
        follow(pin, found)
    old = pin or Pin(signed, frozenset())
    listed = frozenset(device.device_id for device in found.devices)
    return replace(
        old,
        signed=signed,
        in_time=old.in_time if found.expired(now) else old.in_time | listed,
    )
