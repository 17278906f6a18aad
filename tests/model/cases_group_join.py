"""Known answers of groups with an invite link: which one holds, who comes by it, and which requests let nobody in."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from . import group, join, primitives, tlv
from .cases import Case
from .fixtures import DAY_MS, NOW, Account, broken, coin, with_field
from .group import ADD, ADMIN, INFO, JOIN_KEY, LEAVE, MEMBER, OWNER, REMOVE, SETTINGS, Person, State
from .group_steps import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    EVE,
    GROUP_ID,
    add,
    asked,
    asks,
    create,
    does,
    dsk_pub,
    forged,
    forged_op,
    group_of,
    leave,
    let_in,
    link_of,
    make,
    remove,
    request_raw,
    set_link,
    set_role,
    signed_by,
    take,
    usual,
)

ONE, TWO, THREE = (link_of(name) for name in ("one", "two", "three"))
# Of order 1: with it as a key S B = R holds for whatever was signed.
ORDER_ONE = b"\x01" + bytes(31)


def who_asks(request: bytes, subject: Account = EVE, role: int = MEMBER) -> dict[str, Any]:
    return {"subject": subject.account_id, "role": role, "request": request}


def refused(case: Case, request: bytes, note: str, subject: Account = EVE, role: int = MEMBER, author: Account = ALICE) -> None:
    """Neither made nor taken."""
    fields = who_asks(request, subject, role)
    make(case, author, ADD, "REFUSED", note, **fields)
    take(case, author, forged(group_of(case), author, ADD, **fields), "REFUSED")


def compared(case: Case, op: bytes, expect: str | None) -> None:
    """What is compared is decoded, and nothing else is looked at."""
    case.do("compare_op", expect, group="g", signed=op)


# ---------------------------------------------------------------------------------------------- which link holds
def links() -> list[Case]:
    case = usual("one invite link after another")
    set_link(case, ALICE, ONE, note="an owner makes one")
    set_link(case, ALICE, ONE, note="as it is already")
    set_link(case, BOB, TWO, note="an admin makes another: the first holds no more")
    set_link(case, BOB, None, note="and ends it")
    set_link(case, ALICE, None, note="there was none: nothing forbids it")
    set_link(case, ALICE, THREE)
    does(case, BOB, INFO, note="whatever else is done, it holds", info=coin("sealed info", 60))
    does(case, BOB, SETTINGS, settings=1)
    set_role(case, ALICE, CAROL, ADMIN)
    add(case, BOB, EVE, note="without a request")
    leave(case, DAVE, note="who leaves may come back by it")
    remove(case, BOB, EVE, note="who was removed may not: the link ends")
    remove(case, ALICE, CAROL, note="with none there is nothing to end")
    set_link(case, BOB, ONE, note="one of before is as good as a new one")
    leave(case, ALICE)
    leave(case, BOB, note="nobody is left: it holds, and there is nobody to let in")
    take(case, BOB, forged(group_of(case), BOB, JOIN_KEY), "REFUSED", "who is in it no more")

    most = Case("all that a state has")
    create(most, ALICE, BOB, info=coin("most info", 2048), settings=1)
    set_link(most, ALICE, ONE)
    remove(most, ALICE, BOB)

    loaded = Case("a state with a link")
    people = (Person(ALICE.account_id, OWNER, 1),)
    for name, state in (("g", State(GROUP_ID, 7, 1, people, join_key=ONE.join_key)), ("h", State(GROUP_ID, 7, 1, people))):
        loaded.do("load_group", group=name, state=state.encode(), head=coin(f"head {name}", 32))
    let_in(loaded, ALICE, EVE, asks(ONE, EVE))
    make(loaded, ALICE, ADD, "REFUSED", "which the other has not", name="h", **who_asks(asks(ONE, EVE)))
    return [case, most, loaded]


def keys() -> list[Case]:
    """The operation itself: what is no key has not 32 bytes."""
    case = usual("what is no key of a link")
    known = group_of(case)
    whole = forged_op(known, ALICE, JOIN_KEY, join_key=ONE.join_key)
    for length in (0, 31, 33):
        op = signed_by(ALICE, with_field(whole, 17, coin("a key", length)))
        take(case, ALICE, op, "REFUSED", f"a key of {length} bytes")
        compared(case, op, "REFUSED")
    zeros = signed_by(ALICE, with_field(whole, 17, group.NO_KEY))
    take(case, ALICE, zeros, "REFUSED", "zeros: a link that ends is left out")
    compared(case, zeros, "REFUSED")
    for author in (CAROL, EVE):
        for key in (ONE.join_key, None):
            take(case, author, forged(known, author, JOIN_KEY, join_key=key), "REFUSED", "whoever is no admin")
    take(case, ALICE, forged(known, ALICE, JOIN_KEY, join_key=ONE.join_key, state_hash=known.state.hash), "REFUSED", "the state before it")
    without_key = forged(known, ALICE, JOIN_KEY)
    moved = with_field(dict(tlv.fields(without_key))[1], 17, ONE.join_key)
    take(case, ALICE, signed_by(ALICE, moved), "REFUSED", "the hash of the state without it")
    take(case, ALICE, signed_by(BOB, whole), "REFUSED", "somebody else's signature")
    set_link(case, BOB, ONE, note="nothing has changed")
    point = Case("a key that nothing holds under")
    create(point, ALICE, BOB)
    bad = join.Link(ONE.chat_id, ONE.secret, ONE.op_hash)
    for note, key in (("not on the curve", b"\x02" + bytes(31)), ("not canonical", b"\xff" * 32), ("of order 1", ORDER_ONE)):
        does(point, ALICE, JOIN_KEY, note, join_key=key)
        refused(point, asks(bad, EVE, join_key=key), "asked with another link's key")
    raw = request_raw(bad, EVE, join_key=ORDER_ONE)
    scalar = (7).to_bytes(32, "little")
    proof = primitives.sodium.crypto_scalarmult_ed25519_base_noclamp(scalar) + scalar
    refused(point, with_field(asked(bad, EVE, raw), 2, proof), "S B is R, which is all that a key of order 1 asks")
    return [case, point]


# ---------------------------------------------------------------------------------------------- who comes by it
def comers() -> list[Case]:
    case = usual("who asks with the link comes in")
    set_link(case, ALICE, ONE)
    let_in(case, BOB, EVE, asks(ONE, EVE), note="an admin lets in")
    set_role(case, ALICE, EVE, ADMIN, note="a member like others")
    leave(case, DAVE)
    let_in(case, EVE, DAVE, asks(ONE, DAVE, known_seq=6, device_id=0xFFFFFFFF), note="who left comes back")
    leave(case, DAVE)
    let_in(case, ALICE, DAVE, asks(ONE, DAVE), note="with what was asked before: a reader does not look at known_seq")
    remove(case, ALICE, DAVE)
    refused(case, asks(ONE, DAVE), "who was removed, by the link that ended", DAVE)
    set_link(case, ALICE, TWO)
    refused(case, asks(ONE, DAVE), "by the link of before", DAVE)
    let_in(case, ALICE, DAVE, asks(TWO, DAVE), note="but by the next one")
    add(case, ALICE, Account("frank"), note="who did not ask is added as ever")

    late = usual("when it was made is no reader's business")
    set_link(late, ALICE, ONE)
    for number, changed in enumerate(
        (
            {"made_at": 0},
            {"made_at": NOW - 31 * DAY_MS},
            {"made_at": 2**53 - 1},
            {"known_seq": 2**53 - 1},
            {"list_seq": 2**53 - 1, "list_hash": bytes(32)},
        )
    ):
        one = Account(f"asker {number}")
        let_in(late, ALICE, one, asks(ONE, one, **changed))

    device = usual("nor whether the asker's device signed")
    set_link(device, ALICE, ONE)
    let_in(device, ALICE, EVE, with_field(asks(ONE, EVE), 3, bytes(64)), note="nothing but zeros")
    frank = Account("frank")
    let_in(device, BOB, frank, asked(ONE, EVE, request_raw(ONE, frank)), note="another's device")

    unknown = usual("what is stepped over is proven, too")
    set_link(unknown, ALICE, ONE)
    raw = request_raw(ONE, EVE) + tlv.put(0x8000, b"new")
    refused(unknown, with_field(asked(ONE, EVE, raw), 1, request_raw(ONE, EVE)), "and not left out")
    let_in(unknown, ALICE, EVE, asked(ONE, EVE, raw))
    short = request_raw(ONE, frank)
    most, over = (short + tlv.put(0x8000, bytes(length - len(short) - tlv.HEAD)) for length in (256, 257))
    refused(unknown, asked(ONE, frank, over), "257 bytes", frank)
    let_in(unknown, ALICE, frank, asked(ONE, frank, most), note="256 bytes")
    return [case, late, device, unknown]


# ---------------------------------------------------------------------------------------------- who does not
def no_comers() -> list[Case]:
    case = usual("requests that let nobody in")
    good = asks(ONE, EVE)
    refused(case, good, "no link was ever made")
    set_link(case, ALICE, TWO)
    refused(case, good, "another link holds")
    set_link(case, ALICE, ONE)
    for role in (ADMIN, OWNER):
        refused(case, good, f"as {role}", role=role)
    refused(case, good, "somebody else than asked", Account("frank"))
    refused(case, asks(ONE, CAROL), "who is in it", CAROL)
    refused(case, good, "by a member", author=CAROL)
    refused(case, good, "by the asker itself", author=EVE)
    refused(case, asks(ONE, EVE, join_key=TWO.join_key), "says another link's key, and proves this one's")
    refused(case, asked(TWO, EVE, request_raw(ONE, EVE)), "says this link's key, and proves another's")
    other_chat = join.Link(bytes(16), ONE.secret, ONE.op_hash)
    refused(case, asked(other_chat, EVE, request_raw(ONE, EVE)), "the same secret, in another chat")
    for note, changed in forgeries(good):
        refused(case, changed, note)
    for name, value in (("device_id", 0), ("list_seq", 0), ("known_seq", 0)):
        refused(case, asks(ONE, EVE, **{name: value}), f"{name} 0")
    set_link(case, BOB, None)
    refused(case, good, "no link holds any more")
    set_link(case, BOB, ONE)
    let_in(case, BOB, EVE, good, note="nothing has changed")
    refused(case, good, "who came by it already")
    return [case, shapes(), bounds()]


def forgeries(good: bytes) -> list[tuple[str, bytes]]:
    parts = dict(tlv.fields(good))
    raw, proof, signature = parts[1], parts[2], parts[3]
    early = with_field(raw, 6, (NOW - 1).to_bytes(8, "big"))
    gop = primitives.sign(ONE.seed, "gop", raw)
    return [
        ("no proof", with_field(good, 2, bytes(64))),
        ("a bit of the proof", with_field(good, 2, proof[:-1] + bytes([proof[-1] ^ 1]))),
        ("the device's signature as a proof", with_field(good, 2, signature)),
        ("proof and signature the other way round", with_field(with_field(good, 2, signature), 3, proof)),
        ("the proof of another time", with_field(good, 1, early)),
        ("a proof under another label", with_field(good, 2, gop)),
        ("a proof under none", with_field(good, 2, primitives.ed25519_sign(ONE.seed, raw))),
    ]


def shapes() -> Case:
    case = usual("what is no signed join request")
    set_link(case, ALICE, ONE)
    whole = request_raw(ONE, EVE, known_seq=2)
    for note, raw in broken(join.REQUEST, whole):
        if raw:
            refused(case, asked(ONE, EVE, raw), f"join request: {note}")
    good = asked(ONE, EVE, whole)
    for note, raw in broken(join.SIGNED, good, longest=join.REQUEST_MAX):
        if raw:
            refused(case, raw, f"signed join request: {note}")
    for tag in (4, 0x7FFF, 0x8000, 0xFFFF):
        refused(case, with_field(good, tag, b"new"), f"field {tag} beside the signatures: nobody has signed it")
    refused(case, coin("no request", 300), "anything")
    let_in(case, ALICE, EVE, good)
    return case


def bounds() -> Case:
    case = usual("how long a request can be, and where it can be")
    set_link(case, ALICE, ONE)
    known = group_of(case)
    for length in (0, 1, 512, 513):
        op = forged(known, ALICE, ADD, **who_asks(coin("a long request", length)))
        take(case, ALICE, op, "REFUSED", f"{length} bytes")
        compared(case, op, "REFUSED")
    good = asks(ONE, EVE)
    for kind, fields in ((REMOVE, {"subject": CAROL.account_id}), (LEAVE, {}), (INFO, {}), (JOIN_KEY, {})):
        take(case, ALICE, forged(known, ALICE, kind, request=good, **fields), "REFUSED", f"kind {kind} has none")
    take(case, ALICE, forged(known, ALICE, ADD, join_key=ONE.join_key, **who_asks(good)), "REFUSED", "an add with a key")
    newer = forged(known, ALICE, 9, state_hash=bytes(32), request=b"1", join_key=bytes(32))
    take(case, ALICE, newer, "UNSUPPORTED", "whatever a newer client puts there")
    let_in(case, ALICE, EVE, good)
    return case


# ---------------------------------------------------------------------------------------------- the order, and who comes later
def orders() -> list[Case]:
    """What a request says is the operation's form; whether it is true comes with what the operation does."""
    case = usual("a request is looked at in its turn")
    set_link(case, ALICE, ONE)
    known = group_of(case)
    fields = who_asks(with_field(asks(ONE, EVE), 2, bytes(64)))
    wrong = forged(known, ALICE, ADD, **fields)
    compared(case, wrong, None)
    take(case, ALICE, wrong, "REFUSED")
    ahead = forged(known, ALICE, ADD, seq=known.state.seq + 2, **fields)
    take(case, ALICE, ahead, "GAP", "those between are asked for first")
    behind = forged(known, ALICE, ADD, prev_hash=bytes(32), **fields)
    take(case, ALICE, behind, "FORK", "after another than the head, and signed")
    take(case, ALICE, with_field(behind, 2, bytes(64)), "REFUSED", "and not signed")
    other_key = forged(known, ALICE, ADD, prev_hash=bytes(32), **who_asks(asks(TWO, EVE)))
    compared(case, other_key, None)
    take(case, ALICE, other_key, "FORK", "by another link, and signed")
    for note, changed in (
        ("an admin asked for", {"role": ADMIN}),
        ("somebody else asked", {"request": asks(ONE, DAVE)}),
        ("no request", {"request": b"request"}),
        ("a number that there is not", {"request": asks(ONE, EVE, known_seq=0)}),
        ("a field of tomorrow in it", {"request": asked(ONE, EVE, request_raw(ONE, EVE) + tlv.put(8, b"new"))}),
    ):
        op = forged(known, ALICE, ADD, prev_hash=bytes(32), **{**fields, **changed})
        take(case, ALICE, op, "REFUSED", f"{note}: no operation at all")
        compared(case, op, "REFUSED")
    twice = let_in(case, ALICE, EVE, asks(ONE, EVE))
    remove(case, ALICE, EVE)
    take(case, ALICE, twice, note="one that was taken is known by its hash, whatever holds by now")
    return [case]


def later() -> list[Case]:
    case = Case("who comes later by a link")
    ops = [(ALICE, create(case, ALICE, BOB)), (ALICE, set_role(case, ALICE, BOB, ADMIN))]
    made = set_link(case, BOB, ONE)
    ops += [(BOB, made), (ALICE, let_in(case, ALICE, CAROL, asks(ONE, CAROL)))]
    ops += [(BOB, let_in(case, BOB, DAVE, asks(ONE, DAVE))), (BOB, remove(case, BOB, CAROL)), (ALICE, add(case, ALICE, CAROL))]
    hashes = [primitives.sha256(dict(tlv.fields(signed))[1])[: join.OP_HASH] for _, signed in ops]

    def comes(
        one: Account, expect: str | None = None, note: str = "", op_hash: bytes | None = None, but: Mapping[int, bytes] = MappingProxyType({})
    ) -> None:
        given = [{"signed": but.get(at, signed), "dsk_pub": dsk_pub(author)} for at, (author, signed) in enumerate(ops)]
        case.do("join_group", expect, note, group=f"j{len(case.steps)}", account_id=one.account_id, op_hash=op_hash, ops=given)

    for one in (CAROL, DAVE):
        comes(one, note="nobody asked where it was led to")
        comes(one, op_hash=hashes[2], note="by the link of an operation that is there")
        comes(one, op_hash=hashes[0], note="or any before")
        comes(one, "REFUSED", "of none", bytes(16))
        comes(one, "REFUSED", "of one that came behind", hashes[5])
    comes(CAROL, "REFUSED", "of the one that brought it in", hashes[3])
    comes(DAVE, note="which is before that which brought the other in", op_hash=hashes[3])
    comes(BOB, "REFUSED", "a founder has nothing before", hashes[2])
    comes(EVE, note="who never came was led nowhere", op_hash=bytes(16))
    unsigned = [with_field(signed, 2, bytes(64)) for _, signed in ops]
    comes(DAVE, note="nobody looks at the signatures of before the link", op_hash=hashes[2], but={0: unsigned[0], 1: unsigned[1]})
    comes(DAVE, "REFUSED", "but at that of what made it", op_hash=hashes[2], but={2: unsigned[2]})
    comes(DAVE, "REFUSED", "and at those between that and what brought the account in", op_hash=hashes[2], but={3: unsigned[3]})
    comes(DAVE, note="which nobody does who came without one", but={2: unsigned[2], 3: unsigned[3]})
    known = group.Group(*vouched(ops[:3]))
    for note, request in (
        ("but at the rules: a proof that does not hold", with_field(asks(ONE, CAROL), 2, bytes(64))),
        ("another link", asks(TWO, CAROL)),
        ("another asker", asks(ONE, EVE)),
    ):
        comes(DAVE, "REFUSED", note, but={3: forged(known, ALICE, ADD, **who_asks(request, CAROL))})
    return [case]


def vouched(ops: list[tuple[Account, bytes]]) -> tuple[State, tuple[bytes, ...]]:
    """The state and the hashes that these come to."""
    known: group.Group | None = None
    for author, signed in ops:
        _, known = group.take(known, signed, dsk_pub(author))
    assert known is not None
    return known.state, known.hashes


def join_cases() -> list[Case]:
    parts = (links, keys, comers, no_comers, orders, later)
    return [case for part in parts for case in part()]
