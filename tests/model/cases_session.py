"""Known answers of the beginning of a session, on both sides, with all that can be wrong about it."""

from dataclasses import replace
from typing import Any

from . import prekey, primitives, ratchet, session, tlv
from .cases import Case
from .coins import Coins
from .device_list import read
from .fixtures import DAY_MS, NOW, Account, broken, coin, hash_of, with_field

SOURCE = "docs/wire/e2ee.md, 'Beginning a session'"
ALICE, BOB = Account("alice"), Account("bob")
A, B = 7, 21
SPK, OPK, KEM_OT, KEM_LR = 0x5EED0001, 0x0A0B0C0D, 0x00000002, 0xFEDCBA98


def lists(case: Case, **suites: bytes) -> None:
    """Both accounts' first lists, read at a first contact."""
    for account, device in ((ALICE, A), (BOB, B)):
        fields = account.fields([account.device(device)], suites=suites.get(account.name, b"\x02"))
        case.do("read_list", account_id=account.account_id, signed=account.signed(fields), now=NOW)


def secrets_args(account: Account, device: int) -> dict[str, Any]:
    def held(kind: str, id: int) -> list[dict[str, Any]]:
        return [{"id": id, "secret": account.prekey_secret(kind, device, id)}]

    return {
        "ddh": account.ddh_secret(device),
        "spk": held(prekey.SPK, SPK),
        "opk": held(prekey.OPK, OPK),
        "kem_ot": held(prekey.KEM_OT, KEM_OT),
        "kem_lr": held(prekey.KEM_LR, KEM_LR),
    }


def begin_args(us: Account, them: Account, name: str, last: bool = False, opk: bool = True, kem: bool = True) -> dict[str, Any]:
    """What `us` needs to begin; its coins are EK's secret, the encapsulation's coin and the first ratchet key's secret."""
    ours, theirs = (A, B) if us is ALICE else (B, A)
    kem_kind, kem_id = (prekey.KEM_LR, KEM_LR) if last else (prekey.KEM_OT, KEM_OT)
    return {
        "session": name,
        "us": us.account_id,
        "us_device": ours,
        "ddh_secret": us.ddh_secret(ours),
        "them": them.account_id,
        "them_device": theirs,
        "spk": them.prekey(prekey.SPK, theirs, SPK),
        "kem": them.prekey(kem_kind, theirs, kem_id) if kem else None,
        "kem_is_last": int(last) if kem else None,
        "opk": them.prekey(prekey.OPK, theirs, OPK) if opk else None,
        "coins": coin(f"{us.name} begins {name}", 96 if kem else 64),
        "now": NOW + 1000,
    }


def encrypt(case: Case, name: str, text: str, now: int = NOW + 2000) -> bytes:
    case.do("encrypt", session=name, plaintext=text.encode(), coins=coin(f"{case.name} {name} {text}", 24), now=now)
    return case.out("message")


def decrypt(case: Case, name: str, message: bytes, new: bool, expect: str | None = None, note: str = "", now: int = NOW + 3000) -> None:
    coins = coin(f"{case.name} {name} {message.hex()}", 32) if new else b""
    case.do("decrypt", expect, note, session=name, message=message, coins=coins, now=now)


def accept(
    case: Case, name: str, message: bytes, expect: str | None = None, note: str = "", us: Account = BOB, now: int = NOW + 3000
) -> None:
    ours = B if us is BOB else A
    them = ALICE if us is BOB else BOB
    case.do(
        "accept",
        expect,
        note,
        session=name,
        us=us.account_id,
        us_device=ours,
        secrets=us.name,
        them=them.account_id,
        message=message,
        coins=coin(f"{case.name} accepts {name}", 32),
        now=now,
    )


def begun(name: str, suite: bytes = b"\x02", last: bool = False, opk: bool = True) -> tuple[Case, bytes]:
    """A case in which A has begun and encrypted a first message, and B has its private keys at hand."""
    case = Case(name, suite=None if max(suite) == session.SUITE else max(suite))
    lists(case, alice=suite, bob=suite)
    case.do("begin", **begin_args(ALICE, BOB, "a", last, opk, kem=max(suite) == session.SUITE))
    first = encrypt(case, "a", "first")
    case.do("secrets", secrets="bob", **secrets_args(BOB, B))
    return case, first


# ---------------------------------------------------------------------------------------------- what works
def talks() -> list[Case]:
    found = []
    for name, suite, last, opk in (
        ("with one-time prekeys of both kinds", b"\x02", False, True),
        ("without a one-time prekey of X25519", b"\x02", False, False),
        ("with the prekey of last resort", b"\x02", True, True),
        ("with the prekey of last resort alone", b"\x02", True, False),
        ("suite 0x01, which only tests know", b"\x01", False, True),
        ("suite 0x01 without a one-time prekey", b"\x01", False, False),
    ):
        case, first = begun(name, suite, last, opk)
        second = encrypt(case, "a", "second")
        accept(case, "b", first)
        decrypt(case, "b", second, new=False, note="its set-up is for a session that is there")
        answer = encrypt(case, "b", "answer")
        decrypt(case, "a", answer, new=True, note="from now on without a set-up")
        decrypt(case, "b", encrypt(case, "a", "third"), new=True)
        found.append(case)
    return found


def other_first() -> list[Case]:
    case, first = begun("the first message to come is not the first that was sent")
    second, third = encrypt(case, "a", "second"), encrypt(case, "a", "third")
    accept(case, "b", third, note="two keys are kept")
    decrypt(case, "b", first, new=False)
    decrypt(case, "b", second, new=False)
    decrypt(case, "b", second, False, "REPEATED")
    return [case]


def suites() -> list[Case]:
    case = Case("the highest suite in common is the one")
    lists(case, alice=b"\x01\x02", bob=b"\x01\x02\x03")
    classic = begin_args(ALICE, BOB, "a", kem=False)
    case.do("begin", "REFUSED", "a bundle for the lower one", **classic)
    case.do("begin", **begin_args(ALICE, BOB, "a"))
    first = encrypt(case, "a", "first")
    case.do("secrets", secrets="bob", **secrets_args(BOB, B))
    lower = with_setup(first, {1: b"\x01", 9: None, 10: None, 12: None})
    accept(case, "b", lower, "REFUSED", "the lower one, without its KEM")
    accept(case, "b", with_setup(first, {1: b"\x01"}), "REFUSED", "the lower one in name only")
    accept(case, "b", with_setup(first, {1: b"\x03"}), "REFUSED", "one that A has not")
    accept(case, "b", first)

    down = Case("nothing above suite 0x01 in common", suite=session.SUITE_CLASSIC)
    lists(down, alice=b"\x01\x02", bob=b"\x01")
    down.do("begin", "REFUSED", "a bundle for the higher one", **begin_args(ALICE, BOB, "a"))
    down.do("begin", **begin_args(ALICE, BOB, "a", kem=False))

    none = Case("no suite in common")
    lists(none, alice=b"\x02", bob=b"\x01")
    none.do("begin", "REFUSED", **begin_args(ALICE, BOB, "a"))
    none.do("begin", "REFUSED", **begin_args(ALICE, BOB, "a", kem=False))
    unknown = Case("the highest in common is none that we know")
    lists(unknown, alice=b"\x02\x03", bob=b"\x02\x03")
    unknown.do("begin", "REFUSED", **begin_args(ALICE, BOB, "a"))
    unknown.do("begin", "REFUSED", "a bundle without KEM", **begin_args(ALICE, BOB, "a", kem=False))
    return [case, down, none, unknown]


# ---------------------------------------------------------------------------------------------- used once
def used_up() -> list[Case]:
    once, first = begun("a one-time prekey is used once")
    accept(once, "b", first)
    accept(once, "again", first, "REFUSED", "both private halves are gone")
    without, bare = begun("a one-time prekey of ML-KEM alone is used once", opk=False)
    accept(without, "b", bare)
    accept(without, "again", bare, "REFUSED")
    last, replayed = begun("the same first message under the prekey of last resort", last=True, opk=False)
    second = encrypt(last, "a", "second")
    accept(last, "b", replayed)
    accept(last, "again", replayed, "REFUSED", "a replay")
    accept(last, "again", second, "REFUSED", "another message of the same set-up")
    other = {**begin_args(ALICE, BOB, "other", last=True, opk=False), "coins": coin("other coins", 96)}
    last.do("begin", note="a new EK under the same prekeys", **other)
    accept(last, "b2", encrypt(last, "other", "first"))
    return [once, without, last]


def failed_keeps() -> list[Case]:
    case, first = begun("a first message that fails uses nothing up")
    found = dict(tlv.fields(first))
    sealed = found[6]
    accept(case, "b", with_field(first, 6, sealed[:-1] + bytes([sealed[-1] ^ 1])), "REFUSED", "a bit of the ciphertext flipped")
    accept(case, "b", with_setup_flipped(first, 12), "REFUSED", "a bit of the KEM's ciphertext flipped")
    accept(case, "b", with_field(first, 2, None), "REFUSED", "without its set-up")
    accept(case, "b", first, note="both private halves are still there")
    return [case]


# ---------------------------------------------------------------------------------------------- both at once
def both_begin() -> list[Case]:
    found = []
    for smaller in ("a", "b"):
        case = both(smaller)
        found.append(case)
    return found


def both(smaller: str) -> Case:
    """Both begin before anything of the other has come. Which T is smaller hangs on A's coins, so they are searched."""
    for attempt in range(64):
        case = Case(f"both begin at once; the session that {smaller.upper()} began is sent with")
        lists(case)
        mine = {**begin_args(ALICE, BOB, "a"), "coins": coin(f"both {attempt}", 96)}
        case.do("begin", **mine)
        case.do("begin", **begin_args(BOB, ALICE, "b"))
        if (case.run.sessions["a"].transcript < case.run.sessions["b"].transcript) == (smaller == "a"):
            break
    from_a, from_b = encrypt(case, "a", "from A"), encrypt(case, "b", "from B")
    case.do("secrets", secrets="alice", **secrets_args(ALICE, A))
    case.do("secrets", secrets="bob", **secrets_args(BOB, B))
    accept(case, "a at B", from_a)
    case.do("choose", note="what B sends with", ours="b", accepted="a at B")
    accept(case, "b at A", from_b, us=ALICE)
    case.do("choose", note="what A sends with", ours="a", accepted="b at A")
    at_a, at_b = ("a", "a at B") if smaller == "a" else ("b at A", "b")
    other_a, other_b = ("b at A", "b") if smaller == "a" else ("a", "a at B")
    last_a, last_b = encrypt(case, at_a, "A again"), encrypt(case, at_b, "B again")
    decrypt(case, at_b, last_a, new=at_b == "b")
    decrypt(case, at_a, last_b, new=at_a == "a")
    late = encrypt(case, "a", "late") if smaller == "b" else encrypt(case, "b", "late")
    decrypt(case, other_b if smaller == "b" else other_a, late, new=False, note="the other session still decrypts")
    return case


def anew() -> list[Case]:
    case, first = begun("who begins anew when the session was answered is followed")
    accept(case, "b", first)
    decrypt(case, "a", encrypt(case, "b", "answer"), new=True)
    case.do("choose", note="with no other session", ours=None, accepted="b")
    other = {**begin_args(ALICE, BOB, "new", last=True, opk=False), "coins": coin("begun anew", 96)}
    case.do("begin", **other)
    accept(case, "new at B", encrypt(case, "new", "hello again"))
    case.do("choose", note="whatever the transcripts are", ours="b", accepted="new at B")

    silent = Case("30 days of silence")
    lists(silent)
    silent.do("begin", **begin_args(ALICE, BOB, "a"))
    silent.do("is_silent", session="a", now=NOW + 1000 + 30 * DAY_MS - 1)
    silent.do("is_silent", note="counted from its beginning", session="a", now=NOW + 1000 + 30 * DAY_MS)
    first = encrypt(silent, "a", "first")
    silent.do("secrets", secrets="bob", **secrets_args(BOB, B))
    accept(silent, "b", first)
    silent.do("is_silent", session="b", now=NOW + 3000 + 30 * DAY_MS - 1)
    silent.do("is_silent", note="counted from the last message", session="b", now=NOW + 3000 + 30 * DAY_MS)
    return [case, silent]


# ---------------------------------------------------------------------------------------------- what is refused
def flip(data: bytes, tag: int) -> bytes:
    value = dict(tlv.fields(data))[tag]
    return with_field(data, tag, value[:-1] + bytes([value[-1] ^ 1]))


def with_fields(data: bytes, changed: dict[int, bytes | None]) -> bytes:
    for tag, value in changed.items():
        data = with_field(data, tag, value)
    return data


def with_setup(message: bytes, changed: dict[int, bytes | None]) -> bytes:
    return with_field(message, 2, with_fields(dict(tlv.fields(message))[2], changed))


def with_setup_flipped(message: bytes, tag: int) -> bytes:
    return with_field(message, 2, flip(dict(tlv.fields(message))[2], tag))


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
    works = (talks, other_first, suites, used_up, failed_keeps, both_begin, anew)
    refuses = (refused_setups, zeros, known_session, forged_by_a, bound_lists, lists_in_setup, refused_bundles, missing_secrets)
    return [case for part in works + refuses for case in part()]
