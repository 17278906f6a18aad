"""Known answers of invite links by themselves: the link and its key, and what who has it asks with."""

from typing import Any

from . import join, primitives, tlv
from .cases import Case
from .fixtures import NOW, broken, coin, with_field
from .group_steps import ALICE, BOB, DEVICE, asked, dsk_pub, link_of, request_raw

SOURCE = "docs/wire/e2ee-groups.md, 'Invite links'"
LINK = link_of("one")


def link_args(link: join.Link, **changed: bytes) -> dict[str, bytes]:
    return {**vars(link), **changed}


# ---------------------------------------------------------------------------------------------- links
def links() -> list[Case]:
    found = []
    for name, changed in (
        ("a link", {}),
        ("the same secret in another chat has another key", {"chat_id": coin("another chat", 16)}),
        ("another secret", {"secret": coin("another secret", 32)}),
        ("the operation is in no key", {"op_hash": coin("another operation", 16)}),
        ("zeros", {"chat_id": bytes(16), "secret": bytes(32), "op_hash": bytes(16)}),
        ("ones", {"chat_id": b"\xff" * 16, "secret": b"\xff" * 32, "op_hash": b"\xff" * 16}),
    ):
        case = Case(name)
        case.do("make_link", **link_args(LINK, **changed))
        data, text = case.out("link"), case.out("text")
        case.do("read_link", link=data)
        case.do("read_link", note="as text", text=text)
        found.append(case)
    return [*found, no_links(), no_texts()]


def no_links() -> Case:
    case = Case("what is no link")
    whole = LINK.encode()
    for version in (0, 2, 255):
        case.do("read_link", "REFUSED", f"version {version}", link=bytes([version]) + whole[1:])
    for length in (0, 1, 49, 64):
        case.do("read_link", "REFUSED", f"{length} bytes", link=whole[:length])
    case.do("read_link", "REFUSED", "66 bytes", link=whole + b"\x00")
    case.do("read_link", "REFUSED", "without its version", link=whole[1:])
    case.do("read_link", link=whole)
    return case


def no_texts() -> Case:
    """A link is read by people's programs from wherever they got it: one link, one text."""
    case = Case("what is no text of a link")
    whole = LINK.text
    last = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(whole[-1:])
    assert last % 4 == 0, "two bits of the last letter say nothing"
    bits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last + 1 : last + 2]
    for note, text in (
        ("padding", whole + b"="),
        ("a bit that says nothing", whole[:-1] + bits),
        ("a letter short", whole[:-1]),
        ("two letters short", whole[:-2]),
        ("a letter too many", whole + b"A"),
        ("64 bytes", whole[:-1][:86]),
        ("a blank before it", b" " + whole),
        ("a line's end behind it", whole + b"\n"),
        ("the sign before it", b"#" + whole),
        ("a letter of another alphabet", whole[:5] + b"+" + whole[6:]),
        ("another one", whole[:5] + b"/" + whole[6:]),
        ("a letter of none", whole[:5] + b"\x80" + whole[6:]),
        ("a 0 within", whole[:5] + b"\x00" + whole[6:]),
        ("another version", b"Ag" + whole[2:]),
        ("nothing", b""),
    ):
        case.do("read_link", "REFUSED", note, text=text)
    case.do("read_link", text=whole)
    return case


# ---------------------------------------------------------------------------------------------- requests
def sign_args(**changed: Any) -> dict[str, Any]:
    return {
        "link": LINK.encode(),
        "dsk_seed": ALICE.dsk_seed(DEVICE),
        "account_id": ALICE.account_id,
        "device_id": DEVICE,
        "list_seq": 1,
        "list_hash": coin("alice list", 32),
        "made_at": NOW,
        **changed,
    }


def requests() -> list[Case]:
    found = []
    for name, changed in (
        ("who knows nothing of the group asks", {}),
        ("who was in it asks", {"known_seq": 5}),
        ("the smallest numbers", {"device_id": 1, "list_seq": 1, "made_at": 0, "known_seq": 1}),
        ("the largest numbers", {"device_id": 2**32 - 1, "list_seq": 2**53 - 1, "made_at": 2**53 - 1, "known_seq": 2**53 - 1}),
    ):
        case = Case(name)
        case.do("sign_join", **sign_args(**changed))
        signed = case.out("signed")
        case.do("read_join", signed=signed)
        case.do("prove_join", signed=signed)
        case.do("verify_join", signed=signed, dsk_pub=dsk_pub(ALICE))
        found.append(case)

    none = Case("numbers that nobody has")
    for changed in ({"device_id": 0}, {"list_seq": 0}):
        none.do("sign_join", "REFUSED", **sign_args(**changed))
    none.do("sign_join", "REFUSED", "a link of another version", **sign_args(link=b"\x02" + LINK.encode()[1:]))
    none.do("sign_join", "REFUSED", "a link cut short", **sign_args(link=LINK.encode()[:-1]))
    none.do("sign_join", **sign_args())
    return [*found, none, forms(), proofs()]


def forms() -> Case:
    case = Case("what is no signed join request")

    def no_request(signed: bytes, note: str) -> None:
        for do in ("read_join", "prove_join"):
            case.do(do, "REFUSED", note, signed=signed)
        case.do("verify_join", "REFUSED", note, signed=signed, dsk_pub=dsk_pub(ALICE))

    whole = request_raw(LINK, ALICE, known_seq=2)
    for note, raw in broken(join.REQUEST, whole):
        no_request(asked(LINK, ALICE, raw), f"join request: {note}")
    for name in ("device_id", "list_seq", "known_seq"):
        no_request(asked(LINK, ALICE, request_raw(LINK, ALICE, **{name: 0})), f"{name} 0")
    good = asked(LINK, ALICE, whole)
    for note, raw in broken(join.SIGNED, good, longest=join.REQUEST_MAX):
        no_request(raw, f"signed join request: {note}")
    for tag in (4, 0x7FFF, 0x8000, 0xFFFF):
        no_request(with_field(good, tag, b"new"), f"field {tag} beside the signatures")
    over = whole + tlv.put(0x8000, bytes(join.REQUEST_MAX + 1 - len(whole) - tlv.HEAD))
    no_request(asked(LINK, ALICE, over), "257 bytes")
    for note, raw in (
        ("a field to step over", whole + tlv.put(0x8000, b"new")),
        ("256 bytes", whole + tlv.put(0xFFFF, bytes(join.REQUEST_MAX - len(whole) - tlv.HEAD))),
    ):
        signed = asked(LINK, ALICE, raw)
        case.do("read_join", note=note, signed=signed)
        case.do("prove_join", signed=signed)
        case.do("verify_join", signed=signed, dsk_pub=dsk_pub(ALICE))
    return case


def proofs() -> Case:
    case = Case("whose request it is not")
    raw = request_raw(LINK, ALICE)
    good = asked(LINK, ALICE, raw)
    parts = dict(tlv.fields(good))

    def is_not(signed: bytes, note: str, proven: bool = False, verified: bool = False, key: bytes = dsk_pub(ALICE)) -> None:
        case.do("read_join", note=note, signed=signed)
        case.do("prove_join", None if proven else "REFUSED", signed=signed)
        case.do("verify_join", None if verified else "REFUSED", signed=signed, dsk_pub=key)

    is_not(with_field(good, 2, bytes(64)), "no proof", verified=True)
    is_not(with_field(good, 3, bytes(64)), "no signature", proven=True)
    is_not(with_field(with_field(good, 2, parts[3]), 3, parts[2]), "the other way round")
    is_not(with_field(good, 1, request_raw(LINK, ALICE, made_at=NOW + 1)), "of another time")
    is_not(with_field(good, 1, request_raw(LINK, BOB)), "of another person")
    is_not(with_field(good, 1, request_raw(LINK, ALICE) + tlv.put(0x8000, b"new")), "with more in it")
    is_not(good, "another device of the same account", proven=True, key=dsk_pub(ALICE, DEVICE + 1))
    is_not(good, "somebody else's device", proven=True, key=dsk_pub(BOB))
    is_not(good, "the link's key as a device's", proven=True, key=LINK.join_key)
    is_not(good, "a key that is none", proven=True, key=bytes(32))
    is_not(asked(link_of("two"), ALICE, raw), "by another link", verified=True)
    is_not(asked(LINK, BOB, raw), "by another device", proven=True)
    is_not(asked(LINK, ALICE, request_raw(LINK, ALICE, join_key=link_of("two").join_key)), "another link's key", verified=True)
    is_not(asked(LINK, ALICE, request_raw(LINK, ALICE, join_key=bytes(32))), "a link's key that is none", verified=True)
    for label in ("gop", "devaccept", "sk-msg"):
        proof, signature = primitives.sign(LINK.seed, label, raw), primitives.sign(ALICE.dsk_seed(DEVICE), label, raw)
        is_not(with_field(with_field(good, 2, proof), 3, signature), f"under {label}")
    is_not(good, "and whose it is", proven=True, verified=True)
    return case


def cases() -> list[Case]:
    return links() + requests()
