"""Known answers of groups, of a reader: what comes in another order, whose signature it is, who comes later, messages, and info."""

from typing import Any

from . import group, group_info, payload, primitives, tlv
from .cases import Case
from .coins import Coins
from .cases_payload import FIRST, FULL, rehashed, without
from .fixtures import NOW, Account, broken, coin, hash_of, with_field
from .group import ADD, ADMIN, CREATE, INFO, LEAVE, MEMBER, SETTINGS
from .group_steps import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DEVICE,
    EVE,
    GROUP_ID,
    add,
    create,
    does,
    dsk_pub,
    forged,
    forged_op,
    founders,
    group_of,
    make,
    remove,
    set_role,
    take,
    usual,
)


def unsigned_of(signed: bytes) -> bytes:
    return with_field(signed, 2, bytes(64))


def compare(case: Case, signed: bytes, expect: str, name: str = "g") -> None:
    step = case.do("compare_op", group=name, signed=signed)
    assert step["out"]["step"] == expect, f"{case.name}: {step['out']['step']}, not {expect}"


# ---------------------------------------------------------------------------------------------- the order
def orders() -> list[Case]:
    case = Case("what came before, what comes too early, and what comes next")
    first = create(case, ALICE, BOB)
    second = add(case, ALICE, CAROL)
    third = add(case, ALICE, DAVE)
    case.do("compare_op", "REFUSED", "cut short", group="late", signed=third[:-1])
    compare(case, second, "gap", "late")
    take(case, ALICE, second, "GAP", "no group yet: only a create can be next", name="late")
    compare(case, first, "next", "late")
    take(case, ALICE, first, name="late")
    compare(case, first, "same", "late")
    take(case, ALICE, first, note="the same again", name="late")
    compare(case, third, "gap", "late")
    take(case, ALICE, third, "GAP", name="late")
    compare(case, second, "next", "late")
    take(case, ALICE, second, name="late")
    take(case, ALICE, first, note="an old one", name="late")
    take(case, ALICE, third, name="late")
    for signed in (first, second, third):
        compare(case, signed, "same", "late")

    other = Case("another group")
    create(other, ALICE, BOB)
    elsewhere = create(other, ALICE, BOB, name="h", group_id=coin("another group", 16))
    next_there = add(other, ALICE, CAROL, name="h")
    for signed in (elsewhere, next_there):
        compare(other, signed, "other")
        take(other, ALICE, signed, "REFUSED")
    return [case, other]


def forks() -> list[Case]:
    case = Case("two admins at once, and one of them is the next")
    create(case, ALICE, BOB, CAROL)
    set_role(case, ALICE, BOB, ADMIN)
    from_alice = make(case, ALICE, ADD, subject=DAVE.account_id, role=MEMBER)
    from_bob = make(case, BOB, ADD, subject=EVE.account_id, role=MEMBER)
    compare(case, from_bob, "next")
    take(case, ALICE, from_alice, note="the server had it first")
    compare(case, from_bob, "fork")
    take(case, BOB, from_bob, "FORK", "it would have had to be signed anew")
    does(case, BOB, ADD, "signed anew", subject=EVE.account_id, role=MEMBER)

    both = usual("the next one follows another than the head")
    known = group_of(both)
    wrong = forged(known, BOB, ADD, prev_hash=bytes(32), subject=EVE.account_id, role=MEMBER)
    compare(both, wrong, "fork")
    take(both, BOB, wrong, "FORK")
    unsigned = unsigned_of(wrong)
    compare(both, unsigned, "fork")
    take(both, BOB, unsigned, "REFUSED", "which nobody has signed: no reason to raise the alarm")
    take(both, CAROL, wrong, "REFUSED", "nor is another's signature")
    member = forged(known, CAROL, ADD, prev_hash=bytes(32), subject=EVE.account_id, role=MEMBER)
    take(both, CAROL, member, "FORK", "before anybody looks whether its author may")
    early = forged(known, EVE, LEAVE, seq=4, prev_hash=bytes(32))
    take(both, EVE, early, "GAP", "a later seq: nobody knows yet")
    add(both, BOB, EVE, note="a reader's state is as it was")

    old = Case("another operation of a seq that was taken")
    first = create(old, ALICE, BOB, CAROL)
    set_role(old, ALICE, BOB, ADMIN)
    for seq in (2, 1):
        what: dict[str, Any] = {"prev_hash": None, "members": group.founders_encode(founders(BOB)), "suite": 1}
        if seq > 1:
            what = {"prev_hash": bytes(32), "subject": EVE.account_id, "role": MEMBER}
        signed = forged(group_of(old), BOB, ADD if seq > 1 else CREATE, seq=seq, state_hash=bytes(32), **what)
        compare(old, signed, "fork")
        take(old, BOB, unsigned_of(signed), "REFUSED", "signed by nobody")
        take(old, CAROL, signed, "REFUSED", "by another")
        take(old, BOB, signed, "FORK")
    take(old, BOB, unsigned_of(first), note="one that was taken is known by its hash, whatever its signature is now")
    return [case, both, old]


def remembered() -> list[Case]:
    case = Case("the last 64 operations are remembered, the head being one")
    ops = [create(case, ALICE, BOB)]
    ops += [does(case, ALICE, SETTINGS, settings=number % 2) for number in range(1, 66)]
    known = group_of(case)
    assert known.state.seq == 66
    # Seq 3 is the last that is remembered, seq 2 the first that is not.
    for seq, note, expect in ((3, "the last of which the hash is known", "FORK"), (2, "the first of which it is not", None)):
        signed = forged(known, ALICE, SETTINGS, seq=seq, prev_hash=bytes(32), state_hash=bytes(32), settings=1)
        compare(case, signed, "fork" if expect else "same")
        take(case, ALICE, signed, expect, note)
        take(case, ALICE, unsigned_of(signed), expect and "REFUSED", "signed by nobody")
        take(case, ALICE, ops[seq - 1], note="and the one that was taken")
        epoch(case, BOB, seq, group.signed_split(ops[seq - 1])[0].hash)
        epoch(case, BOB, seq, bytes(32), expect, note)
    return [case]


# ---------------------------------------------------------------------------------------------- whose signature
def read_list(case: Case, account: Account, signed: bytes) -> None:
    case.do("read_list", account_id=account.account_id, signed=signed, now=NOW)


def lists_of(account: Account, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for step in steps:
        follows = {"seq": len(made) + 1, "prev_hash": hash_of(made[-1])} if made else {}
        made.append(account.fields(**{**follows, **step}))
    return made


def signer(case: Case, signed: bytes, expect: str | None = None, note: str = "") -> None:
    case.do("signer", expect, note, signed=signed)


def signers() -> list[Case]:
    seven, nine, eleven = ALICE.device(7), ALICE.device(9), ALICE.device(11)
    lists = lists_of(
        ALICE, {"devices": [seven, nine]}, {"devices": [seven], "removed": [9]}, {"devices": [seven, eleven], "removed": [9]}
    )
    signed_lists = [ALICE.signed(fields) for fields in lists]

    def op(device: int, seq: int, **changed: Any) -> bytes:
        of = {"author_device": device, "list_seq": seq, "list_hash": hash_of(lists[min(seq, len(lists)) - 1]), **changed}
        return forged(None, ALICE, CREATE, members=group.founders_encode(founders(ALICE)), suite=1, **of)

    case = Case("the author's device, by the pinned list")
    read_list(case, ALICE, signed_lists[0])
    signer(case, op(7, 1))
    signer(case, op(9, 1))
    signer(case, op(7, 1, list_hash=bytes(32)), "REFUSED", "the author has another list of this seq")
    signer(case, op(8, 1), "REFUSED", "a device that the list has not")
    signer(case, op(7, 2), note="a newer list is fetched first")
    read_list(case, ALICE, signed_lists[1])
    signer(case, op(7, 2))
    signer(case, op(7, 1), note="an older list, a device that is still there")
    signer(case, op(7, 1, list_hash=bytes(32)), note="its hash is not known any more, nor needed")

    gone = Case("a device that was removed is none of the author's any more")
    for signed in signed_lists:
        read_list(gone, ALICE, signed)
    signer(gone, op(9, 1), "REFUSED", "it was in the list that it names")
    signer(gone, op(9, 2), "REFUSED")
    signer(gone, op(9, 3), "REFUSED")
    signer(gone, op(11, 1), note="one that came later, whatever list it names")
    signer(gone, op(9, 4, list_hash=bytes(32)), note="a newer list is fetched first, and only then")

    rotated = Case("another AIK")
    newer = ALICE.rotated("alice aik 2", 2)
    second = newer.fields([seven], seq=2, prev_hash=hash_of(lists[0]), removed=[9])
    read_list(rotated, ALICE, signed_lists[0])
    read_list(rotated, ALICE, newer.signed(second))
    signer(rotated, op(9, 1), "REFUSED")
    signer(rotated, op(7, 1), note="a device that is still there")
    signer(rotated, op(7, 2), "REFUSED", "the list of before has this seq, and the hash of another one")

    unused = Case("a device that is listed and has not accepted")
    valid = ALICE.acceptances(lists[0])
    read_list(unused, ALICE, ALICE.signed(lists[0], {7: valid[7]}))
    signer(unused, op(9, 1), "REFUSED")
    signer(unused, op(7, 1))
    return [case, gone, rotated, unused]


# ---------------------------------------------------------------------------------------------- who comes later
def join(
    case: Case, account: Account, ops: list[tuple[Account | None, bytes]], expect: str | None = None, note: str = "", name: str = "j"
) -> None:
    given = [{"signed": signed, **({} if author is None else {"dsk_pub": dsk_pub(author)})} for author, signed in ops]
    case.do("join_group", expect, note, group=name, account_id=account.account_id, ops=given)


def comes_later() -> list[Case]:
    case = Case("all before the first operation that brought somebody in is vouched for")
    ops = [(ALICE, create(case, ALICE, BOB))]
    ops.append((ALICE, add(case, ALICE, CAROL)))
    ops.append((ALICE, set_role(case, ALICE, BOB, ADMIN)))
    ops.append((BOB, add(case, BOB, DAVE)))
    ops.append((BOB, does(case, BOB, SETTINGS, settings=1)))

    def changed(*seqs: int) -> list[tuple[Account | None, bytes]]:
        return [(author, unsigned_of(signed) if at + 1 in seqs else signed) for at, (author, signed) in enumerate(ops)]

    join(case, DAVE, changed(), name="all")
    join(case, DAVE, [(None if at < 3 else author, signed) for at, (author, signed) in enumerate(ops)], note="without the keys of before")
    join(case, DAVE, changed(1, 2, 3), note="nobody looks at the signatures of before", name="before")
    join(case, DAVE, changed(4), "REFUSED", "but at that of who vouches", name="none")
    join(case, DAVE, changed(5), "REFUSED", "and at those after it", name="none")
    nobody = [(author if at != 3 else None, signed) for at, (author, signed) in enumerate(ops)]
    join(case, DAVE, nobody, "REFUSED", "whose device nobody knows", name="none")
    join(case, CAROL, changed(1), note="carol came with the second", name="carol")
    join(case, CAROL, changed(3), "REFUSED", name="none")
    join(case, BOB, changed(1), "REFUSED", "a founder looks at all", name="none")
    join(case, BOB, changed(), name="bob")
    join(case, EVE, changed(), note="who never came looks at all", name="eve")
    join(case, EVE, changed(2), "REFUSED", name="none")
    join(case, DAVE, [*changed()[:2], *changed()[3:]], "GAP", "one is missing", name="none")
    join(case, DAVE, changed()[1:], "GAP", "the first is missing", name="none")
    join(case, DAVE, [], "GAP", "nothing came", name="none")

    again = Case("who was removed and came again trusts who brought it in first")
    more = [(ALICE, create(again, ALICE, BOB, CAROL))]
    more.append((ALICE, set_role(again, ALICE, BOB, ADMIN)))
    more.append((ALICE, remove(again, ALICE, CAROL)))
    more.append((BOB, add(again, BOB, CAROL)))
    more.append((ALICE, remove(again, ALICE, BOB)))
    more.append((ALICE, add(again, ALICE, DAVE)))
    more.append((ALICE, remove(again, ALICE, DAVE)))
    more.append((ALICE, add(again, ALICE, DAVE)))
    join(again, CAROL, list(more), note="from the first on", name="carol")
    join(again, DAVE, list(more), name="dave")
    for name, one, vouched in (("carol", CAROL, 0), ("bob, who is no more in it,", BOB, 0), ("dave", DAVE, 5)):
        for at in range(len(more)):
            ops = [(author, unsigned_of(signed) if number == at else signed) for number, (author, signed) in enumerate(more)]
            join(again, one, list(ops), None if at < vouched else "REFUSED", f"{name} came with seq {vouched + 1}", name=f"j{at}")

    rules = Case("what is vouched for must keep the rules")
    create(rules, ALICE, BOB)
    first = [(ALICE, create(rules, ALICE, BOB, name="f"))]
    known = group_of(rules, "f")
    bad = forged(known, BOB, ADD, subject=CAROL.account_id, role=MEMBER)
    join(rules, CAROL, [*first, (BOB, bad)], "REFUSED", "a member adds")
    wrong = forged(known, ALICE, ADD, subject=CAROL.account_id, role=MEMBER, state_hash=bytes(32))
    join(rules, CAROL, [*first, (ALICE, wrong)], "REFUSED", "another state")
    later = forged(known, BOB, 9, state_hash=bytes(32))
    join(rules, CAROL, [*first, (BOB, later)], "UNSUPPORTED", "a kind that there is not")
    into = forged(known, ALICE, ADD, subject=CAROL.account_id, role=MEMBER)
    join(rules, CAROL, [*first, (BOB, bad), (BOB, later)], "REFUSED", "one by one: what is refused comes first")
    join(rules, CAROL, [*first, (ALICE, into), (None, forged_op(known, BOB, LEAVE))], "REFUSED", "what cannot be decoded")
    broken_chain = forged(known, ALICE, ADD, subject=CAROL.account_id, role=MEMBER, prev_hash=bytes(32))
    join(rules, CAROL, [*first, (ALICE, broken_chain)], "FORK", "it follows something else")
    join(rules, CAROL, [*first, (ALICE, unsigned_of(broken_chain))], "REFUSED", "it does, and nobody has signed it")
    return [case, again, rules]


# ---------------------------------------------------------------------------------------------- messages
def epoch(case: Case, sender: Account, seq: int, group_hash: bytes, expect: str | None = None, note: str = "") -> None:
    case.do("check_epoch", expect, note, group="g", account_id=sender.account_id, group_epoch=seq, group_hash=group_hash)


def hashes_of(case: Case, name: str = "g") -> dict[int, bytes]:
    known = group_of(case, name)
    return {seq: known.hash_of(seq) or b"" for seq in range(1, known.state.seq + 1)}


def epochs() -> list[Case]:
    case = usual("what a message says of the group that its sender knew")
    remove(case, ALICE, DAVE)
    known = hashes_of(case)
    epoch(case, BOB, 3, known[3])
    epoch(case, BOB, 3, known[2], "FORK")
    epoch(case, BOB, 2, known[2], note="the sender had not heard of the last one")
    epoch(case, BOB, 1, known[1])
    epoch(case, BOB, 2, known[3], "FORK")
    epoch(case, BOB, 1, bytes(32), "FORK")
    epoch(case, BOB, 4, bytes(32), "GAP", "operations are asked for first")
    epoch(case, BOB, 2**52, known[3], "GAP")
    epoch(case, BOB, 0, bytes(32), "REFUSED", "there is no seq 0")
    epoch(case, DAVE, 2, known[2], "REFUSED", "sent when dave was in it, and came when the removal was known")
    epoch(case, DAVE, 3, known[3], "REFUSED")
    epoch(case, DAVE, 3, known[2], "REFUSED", "whoever is not in it raises no alarm")
    epoch(case, DAVE, 2, bytes(32), "REFUSED")
    epoch(case, EVE, 3, known[3], "REFUSED", "who never was in it")
    epoch(case, EVE, 1, bytes(32), "REFUSED")
    epoch(case, EVE, 4, bytes(32), "GAP", "who may be by then")
    add(case, ALICE, DAVE)
    epoch(case, DAVE, 2, known[2], note="in it again: what was sent before is taken, too")
    return [case]


def payloads() -> list[Case]:
    case = usual("payloads of a group")
    known = hashes_of(case)
    who = {"thread_id": FIRST["thread_id"], "account_id": BOB.account_id, "device_id": DEVICE}
    fields = {**without(FULL, "peer_list_seq", "peer_list_hash"), **who, "group_epoch": 2, "group_hash": known[2]}

    def read(values: dict[str, Any], expect: str | None = None, note: str = "", **changed: Any) -> None:
        case.do("read_group_payload", expect, note, group="g", payload=payload.encode(values), **{**who, **changed})

    read(fields)
    read({**fields, "group_epoch": 1, "group_hash": known[1]}, note="of before")
    read({**fields, "group_hash": known[1]}, "FORK")
    read({**fields, "group_epoch": 3}, "GAP")
    read(without(fields, "group_epoch", "group_hash"), "REFUSED", "no epoch")
    read(without(fields, "group_hash"), "REFUSED", "an epoch without its hash")
    read({**fields, "peer_list_seq": 1, "peer_list_hash": bytes(32)}, "REFUSED", "a peer's list")
    read({**fields, "dest": ALICE.account_id}, "REFUSED", "dest, in a group")
    read({**fields, "dest": BOB.account_id}, "REFUSED")
    read(fields, "REFUSED", "another device than the session's", device_id=8)
    read(fields, "REFUSED", "another account than the session's", account_id=ALICE.account_id)
    read(fields, "REFUSED", "another thread", thread_id=bytes(16))
    read({**fields, "account_id": EVE.account_id}, "REFUSED", "who is not in it", account_id=EVE.account_id)
    strange = {**fields, "account_id": EVE.account_id, "group_hash": bytes(32)}
    read(strange, "REFUSED", "who is not in it, with another hash", account_id=EVE.account_id)
    header = {"group_epoch": 2, "group_hash": known[2]}
    read(fields, note="of a chain, whose header says the same", **header)
    read(fields, "REFUSED", "whose header says another epoch", **{**header, "group_epoch": 1})
    read(fields, "REFUSED", "whose header says another hash", **{**header, "group_hash": known[1]})
    for at in ({"group_epoch": 3}, {"group_epoch": 1}, {"group_hash": bytes(32)}):
        read({**fields, **at}, "REFUSED", "whose payload says something else", **header)
    read({**fields, "group_hash": bytes(32)}, "FORK", "both say what is not so", **{**header, "group_hash": bytes(32)})
    read({**fields, "group_epoch": 3}, "GAP", "both know more", **{**header, "group_epoch": 3})
    flipped = payload.encode(fields)
    flipped = rehashed(with_field(flipped, 14, known[2][:-1] + bytes([known[2][-1] ^ 1])))
    case.do("read_group_payload", "FORK", group="g", payload=flipped, **who)
    return [case]


# ---------------------------------------------------------------------------------------------- name and description
NAME, ABOUT = "Ein Name: ä".encode(), "What it is about.\n".encode()


def infos() -> list[Case]:
    found = []
    for number, (name, values) in enumerate(
        {
            "a name and a description": {"name": NAME, "about": ABOUT},
            "a name alone": {"name": NAME},
            "the shortest of both": {"name": b"n", "about": b"a"},
            "the shortest of all": {"name": b"n"},
            "the shortest description": {"about": b"a"},
            "a description alone": {"about": ABOUT},
            "the longest of both": {"name": b"n" * 128, "about": "ä".encode() * 512},
        }.items()
    ):
        case = Case(name)
        case.do("seal_info", group_id=GROUP_ID, coins=coin(f"info {number}", 64), **values)
        key, info, key_id = case.out("key"), case.out("info"), case.out("key_id")
        case.do("open_info", group_id=GROUP_ID, key=key, info=info)
        create(case, ALICE, BOB, info=info)
        case.do("make_group_keys", group_id=GROUP_ID, info_key_id=key_id, info_key=key)
        case.do("read_group_keys", keys=case.out("keys"))
        found.append(case)
    return [*found, *broken_infos(), new_key()]


def new_key() -> Case:
    case = Case("another name has another key")
    seals = []
    for number in range(2):
        case.do("seal_info", group_id=GROUP_ID, name=NAME, coins=coin(f"another key {number}", 64))
        seals.append((case.out("key"), case.out("info")))
    create(case, ALICE, BOB, info=seals[0][1])
    does(case, ALICE, INFO, info=seals[1][1])
    case.do("open_info", group_id=GROUP_ID, key=seals[1][0], info=seals[1][1])
    case.do("open_info", "REFUSED", "the key of before", group_id=GROUP_ID, key=seals[0][0], info=seals[1][1])
    return case


def sealed_raw(plain: bytes) -> bytes:
    """Sealed as it should be, whatever is in it."""
    key, key_id, nonce = coin("raw info key", 32), coin("raw info id", 8), coin("raw info nonce", 24)
    return key_id + nonce + primitives.aead_seal(key, nonce, GROUP_ID + key_id, plain)


def broken_infos() -> list[Case]:
    case = Case("what does not open")
    made = group_info.seal(GROUP_ID, {"name": NAME, "about": ABOUT}, Coins(coin("broken info", 64)))

    def opens(info: bytes, note: str, key: bytes = made.key, group_id: bytes = GROUP_ID) -> None:
        case.do("open_info", "REFUSED", note, group_id=group_id, key=key, info=info)

    for at, name in ((0, "key_id"), (8, "nonce"), (32, "ciphertext"), (len(made.info) - 1, "tag")):
        opens(made.info[:at] + bytes([made.info[at] ^ 1]) + made.info[at + 1 :], f"a bit of {name}")
    opens(made.info, "another key", key=bytes(32))
    opens(made.info, "another group", group_id=bytes(16))
    opens(made.info[:-1], "cut by a byte")
    opens(made.info[:54], "shorter than any")
    opens(made.info[:47], "shorter than what is always there")
    opens(made.info[:32], "no ciphertext")
    key = coin("raw info key", 32)
    whole = tlv.encode(group_info.INFO, {"name": NAME, "about": ABOUT})
    for note, raw in broken(group_info.INFO, whole, longest=1024):
        opens(sealed_raw(raw), note, key)
    opens(sealed_raw(tlv.put(0x8000, b"new")), "neither a name nor a description", key)
    longest = tlv.encode(group_info.INFO, {"name": NAME})
    longest += tlv.put(0x8000, bytes(group_info.SEALED_MAX - len(sealed_raw(b"")) - len(longest) - tlv.HEAD))
    case.do("open_info", note="2,048 bytes, with a field to step over", group_id=GROUP_ID, key=key, info=sealed_raw(longest))
    not_utf8 = {"cut in a letter": NAME[:-1], "a surrogate": b"\xed\xa0\x80", "an overlong letter": b"\xc0\xaf", "no letter": b"\xff"}
    for note, bad in not_utf8.items():
        opens(sealed_raw(tlv.encode(group_info.INFO, {"name": bad})), f"a name that is not UTF-8: {note}", key)
        opens(sealed_raw(tlv.encode(group_info.INFO, {"about": bad})), f"a description that is not UTF-8: {note}", key)
    for note, values in (("a name too long", {"name": b"n" * 129}), ("a description too long", {"about": b"a" * 1025})):
        case.do("seal_info", "REFUSED", note, group_id=GROUP_ID, coins=coin("too long", 64), **values)
    case.do("seal_info", "REFUSED", "neither of the two", group_id=GROUP_ID, coins=coin("neither", 64))
    return [case]


def group_keys() -> list[Case]:
    case = Case("the keys of a group, for its members")
    key = {"info_key_id": coin("info key id", 8), "info_key": coin("info key", 32)}
    chain = coin("a chain is read by itself", 152)
    for note, values in (
        ("everything", {**key, "given": chain}),
        ("a key alone", key),
        ("a chain alone", {"given": chain}),
    ):
        case.do("make_group_keys", note=note, group_id=GROUP_ID, **values)
        case.do("read_group_keys", keys=case.out("keys"))
    whole = group_info.keys_encode({"group_id": GROUP_ID, **key, "chain": chain})
    for tag, name in ((2, "id"), (3, "key")):
        case.do("read_group_keys", "REFUSED", f"no {name}", keys=with_field(whole, tag, None))
    for note, raw in broken(group_info.GROUP_KEYS, whole, longest=1024):
        case.do("read_group_keys", "REFUSED", note, keys=raw)
    nothing = tlv.encode(group_info.GROUP_KEYS, {"group_id": GROUP_ID})
    case.do("read_group_keys", "REFUSED", "neither a key nor a chain", keys=nothing)
    case.do("read_group_keys", "REFUSED", "nor with a field to step over", keys=with_field(nothing, 0x8000, b"new"))
    for length in (1, 1024):
        case.do("read_group_keys", note=f"a chain of {length} bytes", keys=with_field(nothing, 4, coin("a chain", length)))
    case.do("read_group_keys", note="a field to step over", keys=with_field(whole, 0x8000, b"new"))
    return [case]


def reader_cases() -> list[Case]:
    parts = (orders, forks, remembered, signers, comes_later, epochs, payloads, infos, group_keys)
    return [case for part in parts for case in part()]
