"""Known answers of certificates, acceptances, device lists, and what a reader makes of one list after another."""

from typing import Any

from . import device_list, primitives, tlv
from .cases import Case, single
from .fixtures import DAY_MS, NOW, Account, broken, coin, hash_of, with_field

SOURCE = "docs/wire/e2ee.md, 'Accounts and devices'"
ALICE = Account("alice")
SMALL_ORDER = bytes(31) + b"\x80"
NOT_CANONICAL = (2**255 - 19).to_bytes(32, "little")
OUTSIDE = bytes.fromhex("9158312a9a8d6e3b34c891d6d61444f8b8211c5117ebad15bdb0bd68b07e0245")


def read(case: Case, account: Account, signed: bytes, expect: str | None = None, note: str = "", now: int = NOW) -> dict[str, Any]:
    return case.do("read_list", expect, note, account_id=account.account_id, signed=signed, now=now)


def chain(account: Account, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    """Fields of lists that follow one another; each step has `devices` and what else is new."""
    made: list[dict[str, Any]] = []
    for step in steps:
        follows = {"seq": len(made) + 1, "prev_hash": hash_of(made[-1])} if made else {}
        made.append(account.fields(**{**follows, **step}))
    return made


def made() -> list[Case]:
    case = Case("a first list is made and read")
    device = ALICE.device(7, manager=1)
    case.do("certify", ark_seed=ALICE.ark_seed, **ALICE.identity())
    certificate = case.out("signature")
    place = {name: value for name, value in device.items() if name in {row.name for row in device_list.ACCEPTANCE}}
    identity = {name: value for name, value in ALICE.identity().items() if name != "aik_counter"}
    case.do("acceptance", dsk_seed=ALICE.dsk_seed(7), **identity, **place)
    accepts = [{"device_id": 7, "signature": case.out("signature")}]
    fields = {**ALICE.fields([device]), "certificate": certificate}
    case.do("make_list", aik_seed=ALICE.aik_seed, accepts=accepts, **fields)
    read(case, ALICE, case.out("signed"))
    later = Case("a list with everything in it is made and read")
    devices = [ALICE.device(7, manager=1), ALICE.device(9), ALICE.device(0xFFFFFFFF)]
    first, second = chain(ALICE, {"devices": devices}, {"devices": devices, "suites": b"\x01\x02", "removed": [3, 4, 0xFFFFFFFE]})
    read(later, ALICE, ALICE.signed(first))
    accepts = [{"device_id": number, "signature": sig} for number, sig in sorted(ALICE.acceptances(second).items())]
    later.do("make_list", aik_seed=ALICE.aik_seed, accepts=accepts, **second)
    read(later, ALICE, later.out("signed"))
    return [case, later]


def followed() -> list[Case]:
    one, two = [ALICE.device(7)], [ALICE.device(7), ALICE.device(9)]
    lists = chain(ALICE, {"devices": one}, {"devices": two}, {"devices": one, "removed": [9]}, {"devices": one, "removed": [9]})
    signed = [ALICE.signed(fields) for fields in lists]
    other = ALICE.signed({**lists[1], "issued_at": NOW + 1})
    case = Case("one list after another")
    read(case, ALICE, signed[0])
    read(case, ALICE, signed[0], note="the same again")
    read(case, ALICE, signed[2], "GAP", "one is missing between")
    read(case, ALICE, signed[1])
    read(case, ALICE, signed[0], "STALE", "a lower seq")
    read(case, ALICE, other, "FORK", "the same seq, another hash")
    read(case, ALICE, signed[3], "GAP")
    read(case, ALICE, signed[2])
    read(case, ALICE, signed[3], note="the next, after all")
    read(case, ALICE, signed[1], "STALE")

    fork = Case("the next list follows another than the pinned one")
    read(fork, ALICE, other)
    read(fork, ALICE, signed[2], "FORK")
    read(fork, ALICE, other, note="nothing has changed")

    middle = Case("a first contact may be with any seq")
    read(middle, ALICE, signed[2])
    read(middle, ALICE, signed[3])
    return [case, fork, middle]


def replaced() -> list[Case]:
    one = [ALICE.device(7)]
    newer, thief = ALICE.rotated("alice aik 2", 2), ALICE.rotated("alice aik thief", 1)
    lists = chain(ALICE, {"devices": one}, {"devices": one})
    third = newer.fields(one, seq=3, prev_hash=hash_of(lists[1]))
    follows = {"seq": 4, "prev_hash": hash_of(third)}
    case = Case("another AIK with a higher counter, and what the old one signs after that")
    read(case, ALICE, ALICE.signed(lists[0]))
    read(case, ALICE, ALICE.signed(lists[1]))
    read(case, ALICE, newer.signed(third))
    read(case, ALICE, ALICE.signed(ALICE.fields(one, **follows)), "ROLLBACK", "a lower counter, the next seq")
    read(case, ALICE, ALICE.signed(ALICE.fields(one, seq=9, prev_hash=hash_of(third))), "ROLLBACK", "a lower counter, a later seq")
    same = ALICE.fields(one, seq=3, prev_hash=hash_of(lists[1]))
    read(case, ALICE, ALICE.signed(same), "ROLLBACK", "a lower counter, the same seq")
    read(case, ALICE, ALICE.signed(lists[1]), "STALE", "a lower counter, but an old list")
    also = ALICE.rotated("alice aik 3", 2)
    read(case, ALICE, also.signed(also.fields(one, **follows)), "ROLLBACK", "the same counter, another AIK")
    skipped = ALICE.rotated("alice aik 4", 7)
    read(case, ALICE, skipped.signed(skipped.fields(one, **follows)), note="a counter may skip numbers")

    forged = Case("an AIK that the root key has not certified")
    unknown = ALICE.fields(one)
    mine = {**thief.fields(one), "certificate": unknown["certificate"]}
    read(forged, ALICE, thief.signed(mine), "REFUSED")

    reset = Case("another root key")
    mallory = Account("alice")
    mallory.ark_seed = coin("another ark", 32)
    mallory.ark_pub = primitives.sign_public(mallory.ark_seed)
    read(reset, ALICE, ALICE.signed(lists[0]))
    read(reset, ALICE, ALICE.signed(lists[1]))
    read(reset, ALICE, mallory.signed(mallory.fields(one)), "IDENTITY", "with a lower seq")
    read(reset, ALICE, mallory.signed(mallory.fields(one, seq=2, prev_hash=hash_of(lists[0]))), "IDENTITY", "with the same seq")
    read(reset, ALICE, mallory.signed(mallory.fields(one, seq=3, prev_hash=hash_of(lists[1]))), "IDENTITY", "with the next seq")
    return [case, forged, reset]


def devices_again() -> list[Case]:
    seven, nine = ALICE.device(7), ALICE.device(9)
    eight = ALICE.device(8)
    lists = chain(
        ALICE,
        {"devices": [seven, nine]},
        {"devices": [seven], "removed": [9]},
        {"devices": [eight], "removed": [7, 9]},
    )
    third = {"seq": 3, "prev_hash": hash_of(lists[1])}
    case = Case("a removed device does not come back")
    read(case, ALICE, ALICE.signed(lists[0]))
    read(case, ALICE, ALICE.signed(lists[1]))
    read(case, ALICE, ALICE.signed(ALICE.fields([seven, nine], **third)), "REFUSED", "it is back")
    read(case, ALICE, ALICE.signed(ALICE.fields([seven], **third)), "REFUSED", "it is forgotten, and could be back one list later")
    read(case, ALICE, ALICE.signed(ALICE.fields([seven], removed=[8], **third)), "REFUSED", "forgotten for another")
    read(case, ALICE, ALICE.signed(lists[2]), note="removed is cumulative")

    keys = Case("a device keeps its keys")
    read(keys, ALICE, ALICE.signed(lists[0]))
    for name in ("dsk_pub", "ddh_pub"):
        changed = ALICE.device(9, **{name: ALICE.device(10)[name]})
        fields = ALICE.fields([seven, changed], seq=2, prev_hash=hash_of(lists[0]))
        read(keys, ALICE, ALICE.signed(fields), "REFUSED", f"another {name}")
    second = {"seq": 2, "prev_hash": hash_of(lists[0])}
    read(keys, ALICE, ALICE.signed(ALICE.fields([seven], **second)), "REFUSED", "neither listed nor removed any more")
    moved = ALICE.device(9, server_device=bytes(16), added_at=NOW, manager=1)
    read(keys, ALICE, ALICE.signed(ALICE.fields([seven, moved], **second)), note="all else may change")
    return [case, keys]


def expired() -> list[Case]:
    seven, nine = ALICE.device(7), ALICE.device(9)
    short = {"issued_at": NOW, "expires_at": NOW + DAY_MS}
    lists = chain(ALICE, {"devices": [seven], **short}, {"devices": [seven, nine], **short})
    case = Case("an expired list gains no device")
    read(case, ALICE, ALICE.signed(lists[0]), now=NOW)
    case.do("may_begin", note="the last millisecond", account_id=ALICE.account_id, now=NOW + DAY_MS - 1)
    case.do("may_begin", note="expired, but known before", account_id=ALICE.account_id, now=NOW + DAY_MS)
    read(case, ALICE, ALICE.signed(lists[1]), note="9 is new in a list that has expired", now=NOW + DAY_MS)
    renewed = ALICE.fields([seven, nine], seq=3, prev_hash=hash_of(lists[1]))
    read(case, ALICE, ALICE.signed(renewed), note="and known with the next", now=NOW + DAY_MS)
    first = Case("a first contact with a list that has expired")
    read(first, ALICE, ALICE.signed(lists[0]), now=NOW + DAY_MS)
    return [case, first]


def acceptances() -> list[Case]:
    fields = ALICE.fields([ALICE.device(7), ALICE.device(9)])
    valid = ALICE.acceptances(fields)
    case = Case("acceptances come later")
    read(case, ALICE, ALICE.signed(fields, {}), note="none")
    read(case, ALICE, ALICE.signed(fields, {7: valid[7]}))
    read(case, ALICE, ALICE.signed(fields, {7: valid[7], 9: valid[7]}), note="that of another device")
    read(case, ALICE, ALICE.signed(fields, {7: valid[7], 8: valid[7], 9: valid[9]}), note="one of a device that is not listed")
    read(case, ALICE, ALICE.signed(fields, {7: valid[7], 9: bytes(64)}), note="the last list read is the one that counts")

    other = Case("acceptances of another place")
    newer = ALICE.rotated("alice aik 2", 2)
    moved = ALICE.device(7, server_device=bytes(16))
    places = {
        "another AIK": device_list.acceptance_sign(ALICE.dsk_seed(7), newer.identity(), ALICE.device(7)),
        "another server_device": device_list.acceptance_sign(ALICE.dsk_seed(7), ALICE.identity(), moved),
        "signed as a list": primitives.sign(ALICE.dsk_seed(7), "devlist", device_list.acceptance_encode(ALICE.identity(), ALICE.device(7))),
    }
    for note, signature in places.items():
        read(other, ALICE, ALICE.signed(fields, {7: signature, 9: valid[9]}), note=note)
    return [case, other]


def broken_rules() -> list[tuple[str, dict[str, Any]]]:
    """What is signed and accepted as it should be, but breaks one rule of the list."""
    seven, nine = ALICE.device(7), ALICE.device(9)
    follows = {"seq": 2, "prev_hash": bytes(32)}
    changed: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
        ("seq 0", [seven], {"seq": 0}),
        ("seq 0 with prev_hash", [seven], {"seq": 0, "prev_hash": bytes(32)}),
        ("prev_hash in seq 1", [seven], {"prev_hash": bytes(32)}),
        ("no prev_hash in seq 2", [seven], {"seq": 2}),
        ("aik_counter 0", [seven], {"aik_counter": 0}),
        ("expires_at is issued_at", [seven], {"expires_at": NOW}),
        ("expires_at before issued_at", [seven], {"expires_at": NOW - 1}),
        ("valid for a millisecond more than 30 days", [seven], {"expires_at": NOW + 30 * DAY_MS + 1}),
        ("suites not ascending", [seven], {"suites": b"\x02\x01"}),
        ("a suite twice", [seven], {"suites": b"\x02\x02"}),
        ("no device", [], {}),
        ("33 devices", [ALICE.device(number) for number in range(1, 34)], {}),
        ("devices not ascending", [nine, seven], {}),
        ("a device twice", [seven, seven], {}),
        ("two devices of one id", [seven, {**nine, "device_id": 7}], {}),
        ("device id 0", [ALICE.device(0), seven], {}),
        ("removed not ascending", [seven], {**follows, "removed": [9, 8]}),
        ("removed twice", [seven], {**follows, "removed": [9, 9]}),
        ("removed 0", [seven], {**follows, "removed": [0]}),
        ("listed and removed", [seven, nine], {**follows, "removed": [7]}),
        ("the same server_device", [seven, {**nine, "server_device": seven["server_device"]}], {}),
        ("the same dsk_pub", [seven, {**nine, "dsk_pub": seven["dsk_pub"]}], {}),
        ("the same ddh_pub", [seven, {**nine, "ddh_pub": seven["ddh_pub"]}], {}),
        ("dsk_pub is ark_pub", [seven, {**nine, "dsk_pub": ALICE.ark_pub}], {}),
        ("dsk_pub is aik_pub", [seven, {**nine, "dsk_pub": ALICE.aik_pub}], {}),
        ("manager 0", [{**seven, "manager": 0}], {}),
        ("manager 2", [{**seven, "manager": 2}], {}),
        ("dsk_pub of small order", [{**seven, "dsk_pub": SMALL_ORDER}], {}),
        ("dsk_pub not canonical", [{**seven, "dsk_pub": NOT_CANONICAL}], {}),
        ("dsk_pub outside the group of prime order", [{**seven, "dsk_pub": OUTSIDE}], {}),
        ("ddh_pub of small order", [{**seven, "ddh_pub": bytes(32)}], {}),
        ("ddh_pub not canonical", [{**seven, "ddh_pub": NOT_CANONICAL}], {}),
    ]
    return [(name, ALICE.fields(devices, **rest)) for name, devices, rest in changed]


def nobody() -> list[Case]:
    """Its acceptance would be refused by itself."""
    fields = ALICE.fields([ALICE.device(0), ALICE.device(7)])
    case = Case("device id 0, and no acceptance of it")
    read(case, ALICE, ALICE.signed(fields, {7: ALICE.acceptances(fields)[7]}), "REFUSED")
    return [case]


def key_of_two_kinds() -> list[Case]:
    """A signing key's bytes can be an agreement key's as well, when their highest bit is not set."""
    even = next(number for number in range(7, 99) if ALICE.device(number)["dsk_pub"][31] < 0x80)
    device = ALICE.device(even, ddh_pub=ALICE.device(even)["dsk_pub"])
    case = Case("a device whose two keys are the same bytes")
    read(case, ALICE, ALICE.signed(ALICE.fields([device])), "REFUSED")
    return [case]


def same_aik_and_ark() -> list[Case]:
    account = Account("alice")
    account.aik_seed, account.aik_pub = account.ark_seed, account.ark_pub
    case = Case("aik_pub is ark_pub")
    read(case, account, account.signed(account.fields([account.device(7)])), "REFUSED")
    return [case]


def refused() -> list[Case]:
    found = [
        single(name, "read_list", "REFUSED", account_id=ALICE.account_id, signed=ALICE.signed(fields), now=NOW)
        for name, fields in broken_rules()
    ]
    first = ALICE.fields([ALICE.device(7, manager=1)])
    whole = device_list.list_encode(ALICE.fields([ALICE.device(7)], seq=2, prev_hash=bytes(32), removed=[3]))
    accepts = ALICE.acceptances(first)
    for name, raw in broken(device_list.DEVICE_LIST, whole):
        signed = ALICE.sign_raw(raw, accepts)
        found.append(single(f"list: {name}", "read_list", "REFUSED", account_id=ALICE.account_id, signed=signed, now=NOW))
    removed_odd = ALICE.sign_raw(with_field(whole, 12, bytes([0, 0, 0, 3, 5])), accepts)
    found.append(single("list: removed of 5 bytes", "read_list", "REFUSED", account_id=ALICE.account_id, signed=removed_odd, now=NOW))
    plain = device_list.list_encode(first)
    item = tlv.encode(device_list.DEVICE, ALICE.device(7, manager=1))
    for name, raw in broken(device_list.DEVICE, item):
        signed = ALICE.sign_raw(with_field(plain, 11, tlv.list_encode([raw])), accepts)
        found.append(single(f"device: {name}", "read_list", "REFUSED", account_id=ALICE.account_id, signed=signed, now=NOW))
    return found + refused_signed(first, plain, accepts)


def refused_signed(first: dict[str, Any], plain: bytes, accepts: dict[int, bytes]) -> list[Case]:
    """What is wrong with a signed list around a list that is fine."""
    good = ALICE.sign_raw(plain, accepts)
    found = [(f"signed list: {name}", raw) for name, raw in broken(device_list.SIGNED_LIST, good)]
    accept = tlv.encode(device_list.ACCEPT, {"device_id": 7, "signature": accepts[7]})
    for name, raw in broken(device_list.ACCEPT, accept):
        found.append((f"acceptance: {name}", with_field(good, 3, tlv.list_encode([raw]))))
    twice = tlv.list_encode([accept, accept])
    found.append(("an acceptance twice", with_field(good, 3, twice)))
    many = [tlv.encode(device_list.ACCEPT, {"device_id": number, "signature": bytes(64)}) for number in range(1, 34)]
    found.append(("33 acceptances", with_field(good, 3, tlv.list_encode(many))))
    other = tlv.encode(device_list.ACCEPT, {"device_id": 8, "signature": accepts[7]})
    nobody = tlv.encode(device_list.ACCEPT, {"device_id": 0, "signature": accepts[7]})
    found.append(("an acceptance of device 0", with_field(good, 3, tlv.list_encode([nobody, accept]))))
    room = device_list.SIGNED_MAX - len(good) - tlv.HEAD
    found.append(("a signed list of 28,673 bytes", with_field(good, 0x8000, bytes(room + 1))))
    found.append(("acceptances not ascending", with_field(good, 3, tlv.list_encode([other, accept]))))
    found.append(("signed by the root key", with_field(good, 2, primitives.sign(ALICE.ark_seed, "devlist", plain))))
    found.append(("signed under another label", with_field(good, 2, primitives.sign(ALICE.aik_seed, "root", plain))))
    found.append(("a bit of the list flipped", with_field(good, 1, plain[:-1] + bytes([plain[-1] ^ 1]))))
    uncertified = {**first, "certificate": bytes(64)}
    found.append(("no certificate", ALICE.signed(uncertified)))
    wrong = primitives.sign(ALICE.aik_seed, "root", tlv.encode(device_list.CERTIFICATE, ALICE.identity()))
    found.append(("a certificate by the AIK itself", ALICE.signed({**first, "certificate": wrong})))
    later = device_list.certificate_sign(ALICE.ark_seed, {**ALICE.identity(), "aik_counter": 2})
    found.append(("a certificate of another counter", ALICE.signed({**first, "certificate": later})))
    cases = [single(name, "read_list", "REFUSED", account_id=ALICE.account_id, signed=raw, now=NOW) for name, raw in found]
    other_account = single("a list of another account", "read_list", "REFUSED", account_id=bytes(16), signed=good, now=NOW)
    return [*cases, other_account]


def bounds() -> list[Case]:
    """Just inside, and fields that are stepped over."""
    most = ALICE.fields([ALICE.device(number) for number in range(1, 33)])
    removed = list(range(100, 100 + 4096))
    many = ALICE.fields([ALICE.device(7)], seq=2, prev_hash=bytes(32), removed=removed)
    suites = ALICE.fields([ALICE.device(7)], suites=bytes(range(1, 17)))
    short = ALICE.fields([ALICE.device(7)], expires_at=NOW + 1)
    cases = []
    for name, fields in (
        ("32 devices", most),
        ("4,096 removed devices", many),
        ("16 suites", suites),
        ("valid for a millisecond", short),
    ):
        cases.append(single(name, "read_list", account_id=ALICE.account_id, signed=ALICE.signed(fields), now=NOW))
    first = ALICE.fields([ALICE.device(7)])
    good = ALICE.signed(first)
    whole = with_field(good, 0x8000, bytes(device_list.SIGNED_MAX - len(good) - tlv.HEAD))
    cases.append(single("a signed list of 28,672 bytes", "read_list", account_id=ALICE.account_id, signed=whole, now=NOW))
    item = with_field(tlv.encode(device_list.DEVICE, ALICE.device(7)), 0xFFFF, bytes(20_000))
    plain = with_field(device_list.list_encode(first), 11, tlv.list_encode([item]))
    signed = ALICE.sign_raw(with_field(plain, 0x8000, b"new"), ALICE.acceptances(first))
    stepped = with_field(signed, 0x8001, b"new too")
    cases.append(
        single("unknown fields from 0x8000 on, hashed all the same", "read_list", account_id=ALICE.account_id, signed=stepped, now=NOW)
    )
    return cases


def cases() -> list[Case]:
    parts = (made, followed, replaced, devices_again, expired, acceptances, bounds, refused, nobody, key_of_two_kinds, same_aik_and_ark)
    return [case for part in parts for case in part()]
