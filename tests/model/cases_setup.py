"""Known answers of set-ups, lists in them, bundles and private keys that are refused."""

from dataclasses import replace
from typing import Any

from . import prekey, primitives, ratchet, session, tlv
from .cases import Case
from .coins import Coins
from .device_list import read
from .fixtures import DAY_MS, NOW, broken, coin, hash_of, with_field
from .session_steps import (
    A,
    ALICE,
    B,
    BOB,
    KEM_LR,
    KEM_OT,
    OPK,
    SPK,
    accept,
    begin_args,
    begun,
    decrypt,
    encrypt,
    lists,
    secrets_args,
    with_setup,
    with_setup_flipped,
)


def refused_setups() -> list[Case]:
    case, first = begun("set-ups that are refused")
    setup = dict(tlv.fields(first))[2]
    for row in session.SETUP:
        if row.tag not in (1, 10):
            accept(case, "b", with_setup_flipped(first, row.tag), "REFUSED", f"a bit of {row.name} flipped")
    for name, value in (("0", b"\x00"), ("3", b"\x03"), ("255", b"\xff")):
        accept(case, "b", with_setup(first, {1: value}), "REFUSED", f"suite {name}")
    accept(case, "b", with_setup(first, {10: b"\x01"}), "REFUSED", "the KEM prekey is said to be the last")
    accept(case, "b", with_setup(first, {10: b"\x02"}), "REFUSED", "kem_is_last 2")
    accept(case, "b", with_setup(first, {8: None}), "REFUSED", "without its opk_id")
    for tag, name in ((9, "kem_id"), (10, "kem_is_last"), (12, "ct")):
        accept(case, "b", with_setup(first, {tag: None}), "REFUSED", f"without {name}")
    points = {"of small order": bytes(32), "not canonical": (2**255 - 10).to_bytes(32, "little")}
    for name, value in points.items():
        accept(case, "b", with_setup(first, {11: value}), "REFUSED", f"ek_pub {name}")
    for name, raw in broken([row for row in session.SETUP if not row.optional], setup):
        if not name.endswith("missing") or name in ("suite missing", "device_a missing", "spk_id missing", "ek_pub missing"):
            accept(case, "b", with_field(first, 2, raw), "REFUSED", f"set-up: {name}")
    accept(case, "b", first, note="nothing has changed")
    return [case]


def known_session() -> list[Case]:
    """Of a session that is there already the set-up is decoded, and ek_pub compared; T proves the rest."""
    case, first = begun("set-ups of a session that is there already")
    second = encrypt(case, "a", "second")
    accept(case, "b", first)
    for name, changed in (
        ("another ek_pub", {11: primitives.dh_public(coin("another ek", 32))}),
        ("suite 3", {1: b"\x03"}),
        ("kem_is_last 2", {10: b"\x02"}),
        ("device_a 0", {2: bytes(4)}),
        ("list_seq_b 0", {5: bytes(8)}),
        ("without ct", {12: None}),
        ("an unknown field below 0x8000", {13: b"new"}),
    ):
        decrypt(case, "b", with_setup(second, changed), False, "REFUSED", name)
    with_other = with_setup(first, {11: primitives.dh_public(coin("another ek", 32))})
    decrypt(case, "b", with_other, False, "REFUSED", "a repeat, and of another set-up: that is looked at first")
    ids: dict[int, bytes | None] = {2: b"\xff" * 4, 4: bytes(32), 6: bytes(32), 7: b"\xff" * 4, 8: None}
    for name, changed in (("ct", {12: bytes(1088)}), ("ids and hashes", ids)):
        third = encrypt(case, "a", f"other {name}")
        decrypt(case, "b", with_setup(third, changed), new=False, note=f"other {name}: not compared")
    decrypt(case, "b", with_field(second, 2, None), new=False, note="nor need there be one")
    return [case]


def zeros() -> list[Case]:
    """Both sides would agree on every key: only the rule stands in the way."""
    case, first = begun("no id and no seq in a set-up is 0")
    for row in session.SETUP:
        if row.tag in (2, 3, 5, 7, 8, 9):
            accept(case, "b", with_setup(first, {row.tag: bytes(row.most)}), "REFUSED", row.name)
    room = 4096 - len(dict(tlv.fields(first))[2]) - tlv.HEAD
    over = with_setup(first, {0x8000: bytes(room + 1)})
    accept(case, "b", over, "REFUSED", "a set-up of 4,097 bytes")
    accept(case, "b", with_setup(first, {0x8000: bytes(room)}), note="of 4,096, with a field to step over")
    none, bare = begun("no one-time prekey is said in one way", opk=False)
    accept(none, "b", with_setup(bare, {8: bytes(4)}), "REFUSED", "opk_id 0")
    accept(none, "b", bare, note="no opk_id")
    return [case, none]


def forged_begin(suite: int, suites: bytes, kem_is_last: Any = False) -> bytes:
    """A first message of an A that keeps no rule, but computes everything from what it sends."""
    pins = {}
    for account, device in ((ALICE, A), (BOB, B)):
        signed = account.signed(account.fields([account.device(device)], suites=suites))
        pins[account.name] = read(None, account.account_id, signed, NOW)
    us, them = session.party(pins["alice"], A), session.party(pins["bob"], B)
    last = bool(kem_is_last)
    kem = BOB.prekey(prekey.KEM_LR, B, KEM_LR) if last else BOB.prekey(prekey.KEM_OT, B, KEM_OT)
    given = session.bundle_check(them, BOB.prekey(prekey.SPK, B, SPK), kem if suite == session.SUITE else None, last, None, NOW)
    bundle = replace(given, kem_is_last=kem_is_last)
    state = session.begin_in(suite, us, ALICE.ddh_secret(A), them, bundle, Coins(coin("forged begin", 96)), NOW)
    return ratchet.encrypt(state, b"forged", Coins(coin("forged first", 24)), NOW)[1]


def forged_by_a() -> list[Case]:
    """Both sides would agree on every key: only the rule stands in the way."""
    case = Case("A itself keeps a rule not")
    lists(case, alice=b"\x01\x02", bob=b"\x01\x02")
    case.do("secrets", secrets="bob", **secrets_args(BOB, B))
    accept(case, "b", forged_begin(session.SUITE_CLASSIC, b"\x01\x02"), "REFUSED", "suite 0x01, and both have 0x02")
    accept(case, "b", forged_begin(session.SUITE, b"\x01\x02", kem_is_last=2), "REFUSED", "kem_is_last 2")
    accept(case, "b", forged_begin(session.SUITE, b"\x01\x02", kem_is_last=1), note="by the rules")
    return [case]


def bound_lists() -> list[Case]:
    """B knows another list, of either side, than the one that A has bound."""
    found = []
    for account, device, other in ((ALICE, A, 8), (BOB, B, 22)):
        old = account.fields([account.device(device)])
        new = account.fields([account.device(device), account.device(other)], seq=2, prev_hash=hash_of(old))
        known = {"account_id": account.account_id, "signed": account.signed(new), "now": NOW}
        case, first = begun(f"{account.name}'s list is older in the set-up than the one that B has")
        case.do("read_list", **known)
        accept(case, "b", first)
        decrypt(case, "a", encrypt(case, "b", "answer"), new=True)
        found.append(case)

        newer = Case("A knows a newer list")
        lists(newer)
        newer.do("read_list", **known)
        newer.do("begin", **begin_args(ALICE, BOB, "a"))
        ahead = encrypt(newer, "a", "first")
        case, _ = begun(f"{account.name}'s list is newer in the set-up than the one that B has")
        accept(case, "b", ahead, "REFUSED", "it is to be fetched first")
        case.do("read_list", **known)
        accept(case, "b", ahead)
        found.append(case)

        fork = account.fields([account.device(device)], issued_at=NOW + 1)
        other_case = Case(f"{account.name}'s list is another of the same seq in the set-up")
        for one, number in ((ALICE, A), (BOB, B)):
            fields = fork if one is account else one.fields([one.device(number)])
            other_case.do("read_list", account_id=one.account_id, signed=one.signed(fields), now=NOW)
        other_case.do("secrets", secrets="bob", **secrets_args(BOB, B))
        accept(other_case, "b", first, "REFUSED")
        found.append(other_case)
    gone, late = begun("A's device was removed in a list that is newer than the one in the set-up")
    old = ALICE.fields([ALICE.device(A)])
    new = ALICE.fields([ALICE.device(8)], seq=2, prev_hash=hash_of(old), removed=[A])
    gone.do("read_list", account_id=ALICE.account_id, signed=ALICE.signed(new), now=NOW)
    accept(gone, "b", late, "REFUSED")
    return [*found, gone]


def lists_in_setup() -> list[Case]:
    case = Case("a device without its acceptance")
    fields = ALICE.fields([ALICE.device(A)])
    case.do("read_list", account_id=ALICE.account_id, signed=ALICE.signed(fields), now=NOW)
    bobs = BOB.fields([BOB.device(B)])
    case.do("read_list", account_id=BOB.account_id, signed=BOB.signed(bobs, {}), now=NOW)
    case.do("begin", "REFUSED", **begin_args(ALICE, BOB, "a"))
    case.do("read_list", account_id=BOB.account_id, signed=BOB.signed(bobs), now=NOW)
    case.do("begin", **begin_args(ALICE, BOB, "a"))
    first = encrypt(case, "a", "first")
    case.do("secrets", secrets="bob", **secrets_args(BOB, B))
    case.do("read_list", note="B has not seen A's acceptance", account_id=ALICE.account_id, signed=ALICE.signed(fields, {}), now=NOW)
    accept(case, "b", first, "REFUSED")
    case.do("read_list", account_id=ALICE.account_id, signed=ALICE.signed(fields), now=NOW)
    accept(case, "b", first)
    expired = Case("no session with a device that is new in a list that has expired")
    lists(expired)
    late = NOW + 30 * DAY_MS
    fresh = BOB.fields([BOB.device(B), BOB.device(22)], seq=2, prev_hash=hash_of(bobs))
    expired.do("read_list", account_id=BOB.account_id, signed=BOB.signed(fresh), now=late)
    keys = {name: BOB.prekey(kind, 22, id, late + 1000) for name, kind, id in (("spk", "spk", SPK), ("kem", "kem-ot", KEM_OT))}
    args = {**begin_args(ALICE, BOB, "a", opk=False), **keys, "them_device": 22}
    expired.do("begin", "REFUSED", **{**args, "now": late})
    expired.do("begin", note="a millisecond before", **{**args, "now": late - 1})
    return [case, expired]


def refused_bundles() -> list[Case]:
    case = Case("bundles that are refused")
    lists(case)
    good = begin_args(ALICE, BOB, "a")
    late = {
        name: BOB.prekey(kind, B, id, NOW + 1000)
        for name, kind, id in (("spk", "spk", SPK), ("kem", "kem-ot", KEM_OT), ("opk", "opk", OPK))
    }
    for name, data in late.items():
        case.do("begin", "REFUSED", f"{name} has expired", **{**good, name: data})
    other = {name: ALICE.prekey(kind, B, id) for name, kind, id in (("spk", "spk", SPK), ("kem", "kem-ot", KEM_OT), ("opk", "opk", OPK))}
    for name, data in other.items():
        case.do("begin", "REFUSED", f"{name} of another account", **{**good, name: data})
    case.do("begin", "REFUSED", "opk as spk", **{**good, "spk": good["opk"]})
    case.do("begin", "REFUSED", "spk as opk", **{**good, "opk": good["spk"]})
    case.do("begin", "REFUSED", "kem-ot as kem-lr", **{**good, "kem_is_last": 1})
    case.do("begin", "REFUSED", "kem-lr as kem-ot", **{**good, "kem": BOB.prekey(prekey.KEM_LR, B, KEM_LR)})
    case.do("begin", "REFUSED", "no KEM prekey", **{**good, "kem": None, "kem_is_last": None})
    case.do("begin", "REFUSED", "a device that is not listed", **{**good, "them_device": 22})
    case.do("begin", **good)
    return [case]


def missing_secrets() -> list[Case]:
    case, first = begun("a private half that B has not")
    held = secrets_args(BOB, B)
    for name in ("spk", "opk", "kem_ot"):
        case.do("secrets", secrets="bob", **{**held, name: []})
        accept(case, "b", first, "REFUSED", f"of {name}")
    wrong = {**held, "kem_lr": held["kem_ot"], "kem_ot": []}
    case.do("secrets", secrets="bob", **wrong)
    accept(case, "b", first, "REFUSED", "of kem_ot, though kem_lr has one of that id")
    case.do("secrets", secrets="bob", **{**held, "ddh": coin("another ddh", 32)})
    accept(case, "b", first, "REFUSED", "another DDH: another root key")
    case.do("secrets", secrets="bob", **held)
    accept(case, "b", first)
    return [case]


def cases() -> list[Case]:
    parts = (refused_setups, zeros, known_session, forged_by_a, bound_lists, lists_in_setup, refused_bundles, missing_secrets)
    return [case for part in parts for case in part()]
