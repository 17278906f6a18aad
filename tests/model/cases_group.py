"""Known answers of groups: what every kind of operation does, who may not, and what a reader makes of one after another."""

from typing import Any

from . import group, tlv
from .cases import Case
from .cases_group_join import join_cases
from .cases_group_reader import reader_cases
from .fixtures import NOW, Account, broken, coin, with_field
from .group import ADD, ADMIN, CREATE, INFO, JOIN_KEY, LEAVE, MEMBER, OWNER, REMOVE, ROLE, SETTINGS, Person, State
from .group_steps import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    EVE,
    GROUP_ID,
    add,
    asks,
    create,
    does,
    forged,
    forged_op,
    founders,
    group_of,
    leave,
    link_of,
    make,
    remove,
    set_role,
    signed_by,
    take,
    usual,
)

SOURCE = "docs/wire/e2ee-groups.md, 'Operations', 'Name and description' and 'Invite links'"
INFO_BYTES = coin("sealed info", 60)
LINK = link_of("one")
LINK_KEY = LINK.join_key
RAW = 1  # field 1 of a signed operation


# ---------------------------------------------------------------------------------------------- what every kind does
def course() -> list[Case]:
    case = Case("every kind, one after another")
    create(case, ALICE, BOB, CAROL, info=INFO_BYTES, settings=1)
    add(case, ALICE, DAVE, note="an owner adds a member")
    set_role(case, ALICE, BOB, ADMIN)
    does(case, BOB, INFO, note="an admin changes what it is called", info=coin("other info", 2048))
    does(case, BOB, INFO, note="and takes it away")
    does(case, BOB, INFO, note="there was none: nothing forbids it")
    does(case, BOB, SETTINGS, settings=0)
    does(case, ALICE, SETTINGS, settings=1)
    does(case, ALICE, SETTINGS, note="as it is already", settings=1)
    add(case, BOB, EVE, ADMIN, note="an admin adds an admin")
    remove(case, BOB, CAROL, note="an admin removes a member")
    add(case, EVE, CAROL, note="who comes again, from now on")
    set_role(case, ALICE, CAROL, OWNER, note="two owners")
    set_role(case, CAROL, ALICE, MEMBER, note="an owner takes it from another")
    set_role(case, CAROL, ALICE, OWNER)
    set_role(case, ALICE, ALICE, ADMIN, note="from itself, while there is another")
    remove(case, CAROL, BOB, note="an owner removes an admin")
    set_role(case, CAROL, EVE, OWNER)
    remove(case, CAROL, EVE, note="and an owner")
    leave(case, DAVE)
    leave(case, CAROL, note="the only owner")
    leave(case, ALICE, note="and the last of all")
    take(case, ALICE, forged(group_of(case), ALICE, LEAVE), "REFUSED", "nobody is in it")
    take(case, ALICE, forged(group_of(case), ALICE, ADD, subject=BOB.account_id, role=MEMBER), "REFUSED")

    alone = Case("a group of one, without anything")
    create(alone, ALICE)
    add(alone, ALICE, BOB, OWNER, note="an owner adds an owner")
    leave(alone, BOB)
    leave(alone, ALICE)
    return [case, alone]


def heirs() -> list[Case]:
    admin = Case("the heir is an admin, who came after members")
    create(admin, ALICE, BOB, CAROL)
    add(admin, ALICE, DAVE, ADMIN)
    add(admin, ALICE, EVE, ADMIN)
    leave(admin, ALICE, note="dave, who was there before eve")
    leave(admin, DAVE, note="eve")
    leave(admin, EVE, note="of two founders the one with the smaller id")

    role = Case("a role that came later counts, since when somebody is there does not change")
    create(role, ALICE, BOB)
    add(role, ALICE, CAROL)
    add(role, ALICE, DAVE)
    set_role(role, ALICE, DAVE, ADMIN)
    set_role(role, ALICE, CAROL, ADMIN)
    leave(role, ALICE, note="carol: an admin after dave, but longer there")

    again = Case("who was away and came again is there since then")
    create(again, ALICE, BOB, CAROL)
    add(again, ALICE, DAVE)
    for one in (BOB, CAROL):
        remove(again, ALICE, one)
        add(again, ALICE, one)
    leave(again, ALICE, note="dave")

    other = Case("no heir, while there is another owner")
    create(other, ALICE, BOB, CAROL)
    set_role(other, ALICE, BOB, OWNER)
    leave(other, ALICE)
    leave(other, BOB)

    alone = Case("the only owner stays one, alone or not")
    create(alone, ALICE)
    for role_of in (ADMIN, MEMBER):
        make(alone, ALICE, ROLE, "REFUSED", "nobody else is there", **subject(ALICE, role_of))
        take(alone, ALICE, forged(group_of(alone), ALICE, ROLE, **subject(ALICE, role_of)), "REFUSED")
    add(alone, ALICE, BOB, ADMIN)
    make(alone, ALICE, ROLE, "REFUSED", "an admin is", **subject(ALICE, ADMIN))
    take(alone, ALICE, forged(group_of(alone), ALICE, ROLE, **subject(ALICE, MEMBER)), "REFUSED")
    set_role(alone, ALICE, BOB, OWNER)
    set_role(alone, ALICE, ALICE, MEMBER, note="now there is another")
    return [admin, role, again, other, alone]


# ---------------------------------------------------------------------------------------------- who may not
def subject(account: Account, role: int | None = None) -> dict[str, Any]:
    return {"subject": account.account_id, **({} if role is None else {"role": role})}


NOT_ALLOWED: list[tuple[str, Account, int, dict[str, Any]]] = [
    ("a stranger adds itself", EVE, ADD, subject(EVE, MEMBER)),
    ("a stranger removes", EVE, REMOVE, subject(CAROL)),
    ("a stranger leaves", EVE, LEAVE, {}),
    ("a stranger gives a role", EVE, ROLE, subject(CAROL, ADMIN)),
    ("a stranger gives a name", EVE, INFO, {"info": INFO_BYTES}),
    ("a stranger sets", EVE, SETTINGS, {"settings": 1}),
    ("a member adds", CAROL, ADD, subject(EVE, MEMBER)),
    ("a member removes", CAROL, REMOVE, subject(DAVE)),
    ("a member removes itself", CAROL, REMOVE, subject(CAROL)),
    ("a member gives a role", CAROL, ROLE, subject(DAVE, ADMIN)),
    ("a member gives itself a role", CAROL, ROLE, subject(CAROL, OWNER)),
    ("a member gives a name", CAROL, INFO, {"info": INFO_BYTES}),
    ("a member takes the name away", CAROL, INFO, {}),
    ("a member sets", CAROL, SETTINGS, {"settings": 1}),
    ("an admin adds an owner", BOB, ADD, subject(EVE, OWNER)),
    ("an admin gives a role", BOB, ROLE, subject(CAROL, ADMIN)),
    ("an admin gives itself a role", BOB, ROLE, subject(BOB, OWNER)),
    ("an admin removes the owner", BOB, REMOVE, subject(ALICE)),
    ("an admin removes itself", BOB, REMOVE, subject(BOB)),
    ("an owner removes itself", ALICE, REMOVE, subject(ALICE)),
    ("added is who is there", ALICE, ADD, subject(CAROL, MEMBER)),
    ("added is who is there, with another role", ALICE, ADD, subject(CAROL, ADMIN)),
    ("an owner adds itself", ALICE, ADD, subject(ALICE, OWNER)),
    ("removed is who is not there", ALICE, REMOVE, subject(EVE)),
    ("a role for who is not there", ALICE, ROLE, subject(EVE, ADMIN)),
    ("the role that it has", ALICE, ROLE, subject(CAROL, MEMBER)),
    ("the owner's own role, as it is", ALICE, ROLE, subject(ALICE, OWNER)),
    ("the only owner becomes an admin", ALICE, ROLE, subject(ALICE, ADMIN)),
    ("the only owner becomes a member", ALICE, ROLE, subject(ALICE, MEMBER)),
    ("role 0 is given", ALICE, ROLE, subject(CAROL, 0)),
    ("role 4 is given", ALICE, ROLE, subject(CAROL, 4)),
    ("somebody is added with role 0", ALICE, ADD, subject(EVE, 0)),
    ("somebody is added with role 4", ALICE, ADD, subject(EVE, 4)),
    ("a setting that there is not", ALICE, SETTINGS, {"settings": 2}),
    ("one that there is and one that there is not", ALICE, SETTINGS, {"settings": 3}),
    ("the highest bit of settings", ALICE, SETTINGS, {"settings": 0x80}),
    ("a stranger makes a link", EVE, JOIN_KEY, {"join_key": LINK_KEY}),
    ("a member makes a link", CAROL, JOIN_KEY, {"join_key": LINK_KEY}),
    ("a member ends the link", CAROL, JOIN_KEY, {}),
]


def not_allowed() -> list[Case]:
    """What its author's own device does not make, and what a reader does not take."""
    made, read = usual("what is not made"), usual("what is not taken, whoever signs it")
    for note, author, kind, fields in NOT_ALLOWED:
        make(made, author, kind, "REFUSED", note, **fields)
        take(read, author, forged(group_of(read), author, kind, **fields), "REFUSED", note)
    for case in (made, read):
        add(case, BOB, EVE, note="nothing has changed")
    admins = usual("an admin does not remove an admin")
    set_role(admins, ALICE, CAROL, ADMIN)
    make(admins, BOB, REMOVE, "REFUSED", **subject(CAROL))
    take(admins, BOB, forged(group_of(admins), BOB, REMOVE, **subject(CAROL)), "REFUSED")
    return [made, read, admins]


def gone() -> list[Case]:
    case = usual("who was removed, or left, does nothing any more")
    remove(case, ALICE, BOB)
    take(case, BOB, forged(group_of(case), BOB, ADD, **subject(EVE, MEMBER)), "REFUSED")
    take(case, BOB, forged(group_of(case), BOB, LEAVE), "REFUSED")
    leave(case, ALICE, note="carol or dave is the owner now")
    take(case, ALICE, forged(group_of(case), ALICE, ADD, **subject(BOB, MEMBER)), "REFUSED")
    return [case]


# ---------------------------------------------------------------------------------------------- what it is made of
WHOLE: dict[int, dict[str, Any]] = {
    ADD: subject(EVE, MEMBER),
    REMOVE: subject(CAROL),
    LEAVE: {},
    ROLE: subject(CAROL, ADMIN),
    INFO: {"info": INFO_BYTES},
    SETTINGS: {"settings": 1},
    JOIN_KEY: {"join_key": LINK_KEY},
}
MORE: dict[str, Any] = {
    "subject": EVE.account_id,
    "role": MEMBER,
    "members": group.founders_encode(founders(ALICE)),
    "suite": 1,
    "info": INFO_BYTES,
    "settings": 1,
    "join_key": LINK_KEY,
    "request": asks(LINK, EVE),
}


def fields_of_kinds() -> list[Case]:
    case = usual("fields that a kind needs, or has not")
    known = group_of(case)
    for kind, whole in WHOLE.items():
        for name in whole:
            if name in group.MUST[kind]:
                raw = {other: value for other, value in whole.items() if other != name}
                take(case, ALICE, forged(known, ALICE, kind, **raw), "REFUSED", f"kind {kind} without {name}")
        for name, value in MORE.items():
            if name not in whole and name not in group.MAY.get(kind, ()):
                take(case, ALICE, forged(known, ALICE, kind, **whole, **{name: value}), "REFUSED", f"kind {kind} with {name}")
    again = {"members": MORE["members"], "suite": 1}
    take(case, ALICE, forged(known, ALICE, CREATE, **again), "REFUSED", "create, once more")
    for name, value in (("author_device", 0), ("list_seq", 0)):
        take(case, ALICE, forged(known, ALICE, LEAVE, **{name: value}), "REFUSED", f"{name} 0")
    take(case, ALICE, forged(known, ALICE, LEAVE, prev_hash=None), "REFUSED", "no prev_hash in seq 3")
    return [case]


def packed(*rows: tuple[Account, int]) -> bytes:
    return b"".join(account.account_id + bytes([role]) for account, role in rows)


def creates() -> list[Case]:
    one, two = sorted((ALICE, BOB), key=lambda account: account.account_id)
    both = packed((one, OWNER), (two, MEMBER))
    # `one` is the author.
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("members do not ascend", {"members": packed((two, MEMBER), (one, OWNER))}),
        ("a member twice", {"members": packed((one, OWNER), (two, MEMBER), (two, MEMBER))}),
        ("the author twice", {"members": packed((one, OWNER), (one, OWNER))}),
        ("the author is not in it", {"members": packed((two, MEMBER))}),
        ("the author is not in it, and somebody else is the owner", {"members": packed((two, OWNER))}),
        ("the author is a member", {"members": packed((one, MEMBER), (two, MEMBER))}),
        ("somebody else is the owner", {"members": packed((one, MEMBER), (two, OWNER))}),
        ("two owners", {"members": packed((one, OWNER), (two, OWNER))}),
        ("an admin among the founders", {"members": packed((one, OWNER), (two, ADMIN))}),
        ("role 0", {"members": packed((one, OWNER), (two, 0))}),
        ("role 4", {"members": packed((one, OWNER), (two, 4))}),
        ("a byte too many", {"members": both + b"\x01"}),
        ("a byte too few", {"members": both[:-1]}),
        ("settings that say nothing, where they can be missing", {"settings": 0}),
        ("a setting that there is not", {"settings": 2}),
        ("one that there is and one that there is not", {"settings": 3}),
        ("info of 54 bytes", {"info": coin("short info", 54)}),
        ("info of 2,049 bytes", {"info": coin("long info", 2049)}),
        ("prev_hash in seq 1", {"prev_hash": bytes(32)}),
        ("seq 0", {"seq": 0}),
        ("seq 0 with prev_hash", {"seq": 0, "prev_hash": bytes(32)}),
        ("seq 2 with prev_hash", {"seq": 2, "prev_hash": bytes(32)}),
        ("no members", {"members": None}),
        ("no suite", {"suite": None}),
        ("a subject", {"subject": two.account_id}),
        ("a role", {"role": MEMBER}),
        ("another state's hash", {"state_hash": bytes(32)}),
    ]
    case = Case("what is no create")
    for note, changed in wrong:
        take(case, one, forged(None, one, CREATE, **{"members": both, "suite": 1, **changed}), "REFUSED", note)
    for kind, whole in WHOLE.items():
        signed = forged(None, one, CREATE, **{"members": both, "suite": 1})
        raw = with_field(dict(tlv.fields(signed))[1], 4, bytes([kind]))
        take(case, one, signed_by(one, raw), "REFUSED", f"kind {kind} in seq 1, with the fields of create")
        alone = tlv.encode(group.OPERATION, {**dict_of(raw), **{name: None for name in group.KIND_FIELDS}, **whole})
        take(case, one, signed_by(one, alone), "REFUSED", f"kind {kind} in seq 1")
    take(case, one, forged(None, one, CREATE, members=both, suite=1), note="one that is")
    return [case, *many_founders()]


def dict_of(raw: bytes) -> dict[str, Any]:
    return tlv.decode(group.OPERATION, raw)


def many_founders() -> list[Case]:
    rows = {coin(f"founder {number}", 16) for number in range(group.FOUNDERS_MAX - 1)}
    whole = [{"account": account, "role": MEMBER} for account in rows] + founders(ALICE)
    whole.sort(key=lambda row: row["account"])
    most = Case("768 founders")
    does(most, ALICE, CREATE, group_id=GROUP_ID, members=whole, suite=1, info=coin("most info", 2048), settings=1)
    more = sorted([*whole, *founders(BOB)], key=lambda row: row["account"])
    more = [{**row, "role": OWNER if row["account"] == ALICE.account_id else MEMBER} for row in more]
    past = Case("769 founders")
    take(past, ALICE, forged(None, ALICE, CREATE, members=group.founders_encode(more), suite=1), "REFUSED")
    return [most, past]


def encodings() -> list[Case]:
    case = usual("encodings that are not in order")
    known = group_of(case)
    whole = forged_op(known, ALICE, INFO, info=INFO_BYTES)
    for note, raw in broken(group.OPERATION, whole, longest=2048):
        if raw:
            take(case, ALICE, signed_by(ALICE, raw), "REFUSED", f"operation: {note}")
    signed = signed_by(ALICE, whole)
    for note, raw in broken(group.SIGNED, signed, longest=64):
        take(case, ALICE, raw, "REFUSED", f"signed operation: {note}")
    stepped = signed_by(ALICE, with_field(whole, 0x8000, b"new"))
    for tag in (3, 0x7FFF, 0x8000, 0xFFFF):
        take(case, ALICE, with_field(stepped, tag, b"new"), "REFUSED", f"field {tag} beside the signature: nobody has signed it")
    case.do("compare_op", "REFUSED", group="g", signed=with_field(stepped, 0x8000, b"new"))
    take(case, ALICE, stepped, note="a field to step over, within what is signed")
    make(case, ALICE, LEAVE, note="follows the hash of the bytes as they came")
    return [case, bounds()]


def bounds() -> Case:
    """What is at its most, or one byte past it, and right in all else."""
    case = usual("the longest and the shortest")
    for length, expect in ((1, "REFUSED"), (54, "REFUSED"), (55, None), (2048, None), (2049, "REFUSED")):
        signed = forged(group_of(case), ALICE, INFO, info=coin("long info", length))
        take(case, ALICE, signed, expect, f"info of {length} bytes, which nobody here opens")
    for length, expect in ((16_001, "REFUSED"), (16_000, None)):
        raw = forged_op(group_of(case), ALICE, INFO)
        raw += tlv.put(0x8000, bytes(length - len(raw) - tlv.HEAD))
        take(case, ALICE, signed_by(ALICE, raw), expect, f"an operation of {length} bytes, with a field to step over")
    return case


# ---------------------------------------------------------------------------------------------- the most people
def most_people() -> list[Case]:
    accounts = sorted({coin(f"one of many {number}", 16) for number in range(group.PEOPLE_MAX - 2)} | {ALICE.account_id})
    people = tuple(Person(one, OWNER if one == ALICE.account_id else MEMBER, 1 + at) for at, one in enumerate(accounts))
    state = State(GROUP_ID, 5000, 1, people, INFO_BYTES, 1)
    case = Case("4,096 people and no more")
    case.do("load_group", group="g", state=state.encode(), head=coin("head of many", 32))
    add(case, ALICE, BOB)
    make(case, ALICE, ADD, "REFUSED", "the 4,097th", **subject(CAROL, MEMBER))
    take(case, ALICE, forged(group_of(case), ALICE, ADD, **subject(CAROL, MEMBER)), "REFUSED")
    remove(case, ALICE, BOB)
    add(case, ALICE, CAROL, note="in the place of another")
    return [case]


# ---------------------------------------------------------------------------------------------- signatures and states
def not_signed() -> list[Case]:
    case = usual("a signature that does not hold, a state that it does not lead to")
    known = group_of(case)
    raw = forged_op(known, BOB, ADD, **subject(EVE, MEMBER))
    whole = signed_by(BOB, raw)
    flipped = with_field(whole, 2, bytes(64))
    take(case, BOB, flipped, "REFUSED", "no signature")
    take(case, BOB, signed_by(CAROL, raw), "REFUSED", "somebody else's")
    take(case, BOB, signed_by(BOB, raw, "devlist"), "REFUSED", "under another label")
    take(case, CAROL, whole, "REFUSED", "another device's key")
    case.do("read_op", "REFUSED", "a key that is none", group="g", signed=whole, dsk_pub=bytes(32))
    moved = with_field(raw, 9, (NOW + 1).to_bytes(8, "big"))
    take(case, BOB, tlv.encode(group.SIGNED, {"operation": moved, "signature": dict(tlv.fields(whole))[2]}), "REFUSED", "of other bytes")
    take(case, BOB, forged(known, BOB, ADD, state_hash=known.state.hash, **subject(EVE, MEMBER)), "REFUSED", "the state before it")
    take(case, BOB, forged(known, BOB, ADD, state_hash=bytes(32), **subject(EVE, MEMBER)), "REFUSED", "another state's hash")
    take(case, BOB, whole)
    return [case]


def newer_clients() -> list[Case]:
    """Kinds and suites that there are not yet: whatever else is said, a reader is too old for them, as soon as they are decoded."""
    case = usual("of a newer client")
    known = group_of(case)

    def too_old(signed: bytes, note: str) -> None:
        take(case, CAROL, signed, "UNSUPPORTED", note)
        case.do("compare_op", "UNSUPPORTED", group="g", signed=signed)

    for kind in (9, 255):
        too_old(later_kind(known, CAROL, kind), f"kind {kind}, of a member")
    more = {"members": bytes(18), "suite": 9, "settings": 255, "role": 77}
    too_old(later_kind(known, BOB, 9, **more), "values that a known kind cannot have")
    too_old(later_kind(known, BOB, 9, author_device=0, list_seq=0), "numbers that are 0")
    too_old(later_kind(known, EVE, 9), "of somebody who is not in it")
    too_old(later_kind(known, BOB, 9, made_at=NOW + 1), "signed by another device than the one asked")
    too_old(with_field(later_kind(known, BOB, 9), 2, bytes(64)), "by nobody")
    too_old(later_kind(known, BOB, 9, seq=9), "not the next")
    too_old(later_kind(known, BOB, 9, prev_hash=bytes(32)), "after another than the head")
    too_old(later_kind(known, BOB, 9, seq=2), "another than the one that was taken")
    too_old(later_kind(known, BOB, 9, group_id=bytes(16)), "of another group")
    founded = {"members": MORE["members"]}
    too_old(later_kind(known, BOB, CREATE, suite=2, **founded), "a create of another suite, late")
    for note, raw in not_an_operation(dict(tlv.fields(later_kind(known, CAROL, 9)))[RAW]):
        take(case, CAROL, signed_by(CAROL, raw), "REFUSED", f"kind 9: {note}")
    take(case, CAROL, later_kind(known, CAROL, 0), "REFUSED", "kind 0")
    beside = with_field(later_kind(known, CAROL, 9), 0x8000, b"new")
    take(case, CAROL, beside, "REFUSED", "kind 9 with a field beside the signature")
    take(case, BOB, later_kind(known, BOB, LEAVE, suite=2), "REFUSED", "a suite beside another kind")
    add(case, BOB, EVE, note="nothing of all that was kept")

    first = Case("of a newer client, in seq 1")
    take(first, ALICE, later_kind(None, ALICE, 9), "UNSUPPORTED")
    for suite in (0, 2, 255):
        take(first, ALICE, later_kind(None, ALICE, CREATE, suite=suite, **founded), "UNSUPPORTED", f"suite {suite}")
    other = {"suite": 2, "members": bytes(17), "settings": 9, "subject": BOB.account_id}
    take(first, ALICE, later_kind(None, ALICE, CREATE, **other), "UNSUPPORTED", "with what suite 1 has not")
    take(first, ALICE, later_kind(None, ALICE, CREATE, **founded), "REFUSED", "no suite at all")
    take(first, ALICE, later_kind(None, ALICE, 0, suite=2, **founded), "REFUSED", "kind 0")
    create(first, ALICE)
    return [case, first]


def not_an_operation(raw: bytes) -> list[tuple[str, bytes]]:
    """What has not the form of one, whatever its kind is."""
    common = [row for row in group.OPERATION if not row.optional]
    return [(note, bad) for note, bad in broken(common, raw) if bad] + [("field 19", with_field(raw, 19, b"new"))]


def later_kind(known: group.Group | None, author: Account, kind: int, **changed: Any) -> bytes:
    return forged(known, author, kind, state_hash=bytes(32), **changed)


def cases() -> list[Case]:
    parts = (course, heirs, not_allowed, gone, fields_of_kinds, creates, encodings, most_people, not_signed, newer_clients)
    return [case for part in parts for case in part()] + reader_cases() + join_cases()
