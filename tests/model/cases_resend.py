"""Known answers of mail between devices and of asking again: its two encodings, what is in mail, and a message that is asked for."""

from typing import Any

from . import payload, resend, tlv
from .cases import Case
from .cases_group import usual
from .cases_payload import FIRST, rehashed, without
from .fixtures import HOUR_MS, NOW, broken, coin, with_field
from .session_steps import A, ALICE, B, BOB, accept, begin_args, begun

SOURCE = "docs/wire/e2ee.md, 'Mail' and 'Asking again'"
CHAT = coin("resend chat", 16)
ITEM = resend.Item(CHAT, 5, coin("resend message", 16))
# To another account, and to a device of one's own.
MAIL: dict[str, Any] = {**FIRST, "thread_id": payload.NO_THREAD, "peer_list_seq": 4, "peer_list_hash": coin("payload peer list", 32)}
OWN_MAIL = without(MAIL, "peer_list_seq", "peer_list_hash")
ANSWER: dict[str, Any] = {**MAIL, "body": b"what it said", "again": ITEM.encode()}
ACCOUNT = MAIL["account_id"]
EXPECTED: dict[str, Any] = {"thread_id": payload.NO_THREAD, "account_id": ACCOUNT, "device_id": 7, "reader": coin("payload reader", 16)}
OWN: dict[str, Any] = {**EXPECTED, "reader": ACCOUNT}


def some_items(count: int) -> list[resend.Item]:
    """Ascending, several of one chat."""
    made = [resend.Item(coin(f"resend chat {at // 3}", 16), 1 + at % 3 * 300, coin(f"resend message {at}", 16)) for at in range(count)]
    return sorted(made)


# ---------------------------------------------------------------------------------------------- encodings
def requests() -> list[Case]:
    far = resend.Item(b"\xff" * 16, 2**53 - 1, b"\xff" * 16)
    low = resend.Item(bytes(16), 1, bytes(16))
    found = []
    for name, items in (
        ("a request for one message", [ITEM]),
        ("two of one chat", [ITEM, resend.Item(CHAT, 6, bytes(16))]),
        ("numbers ascend, not their last bytes", [resend.Item(CHAT, 0xFF, bytes(16)), resend.Item(CHAT, 0x100, bytes(16))]),
        ("a chat before another, whatever the numbers", [resend.Item(bytes(16), 9, bytes(16)), resend.Item(bytes(15) + b"\x01", 1, bytes(16))]),
        ("ids do not ascend", [resend.Item(CHAT, 1, b"\xff" * 16), resend.Item(CHAT, 2, bytes(16))]),
        ("one id in two places", [ITEM, resend.Item(CHAT, 6, ITEM.msg_id)]),
        ("the smallest and the largest", [low, far]),
        ("a request for 32 messages", some_items(resend.ITEMS_MAX)),
    ):
        case = Case(name)
        case.do("make_resend", items=[vars(item) for item in items])
        case.do("read_resend", request=case.out("request"))
        found.append(case)
    return [*found, no_requests(), stepped_over(), single_items()]


def no_requests() -> Case:
    case = Case("what is no request")
    whole = resend.encode([ITEM, resend.Item(CHAT, 6, bytes(16))])
    for note, raw in broken(resend.REQUEST, resend.encode([ITEM]) + tlv.put(0x8000, b"")):
        case.do("read_resend", "REFUSED", note, request=raw)
    other = resend.Item(CHAT, 6, bytes(16))
    for note, rows in (
        ("33 messages", some_items(resend.ITEMS_MAX + 1)),
        ("a message twice", [ITEM, ITEM]),
        ("a place twice", [ITEM, resend.Item(CHAT, 5, b"\xff" * 16)]),
        ("numbers that descend", [other, ITEM]),
        ("chats that descend", [resend.Item(b"\x01" + bytes(15), 1, bytes(16)), resend.Item(bytes(16), 2, bytes(16))]),
        ("the last two descend", [ITEM, resend.Item(CHAT, 9, bytes(16)), resend.Item(CHAT, 8, bytes(16))]),
        ("number 0", [resend.Item(CHAT, 0, bytes(16))]),
        ("number 0 before another", [resend.Item(CHAT, 0, bytes(16)), ITEM]),
    ):
        case.do("read_resend", "REFUSED", note, request=resend.encode(rows))
    for note, raw in broken(resend.ITEM, ITEM.encode()):
        case.do("read_resend", "REFUSED", f"an item: {note}", request=resend.encode_raw([raw]))
        case.do("read_resend", "REFUSED", f"the second item: {note}", request=resend.encode_raw([resend.Item(CHAT, 1, bytes(16)).encode(), raw]))
    listed = tlv.list_encode([ITEM.encode()])
    for note, value in (
        ("an item cut by a byte", listed[:-1]),
        ("an item's length cut short", listed + bytes(3)),
        ("an empty item behind", listed + bytes(4)),
        ("an item that says it is longer", b"\xff\xff\xff\xff" + listed[4:]),
        ("4,097 items", tlv.list_encode([b""] * 4097)),
    ):
        case.do("read_resend", "REFUSED", note, request=tlv.put(1, value))
    for length in (1, 6, 10, 67, len(whole) - 1):
        case.do("read_resend", "REFUSED", f"{length} bytes of it", request=whole[:length])
    case.do("read_resend", request=whole)
    return case


def stepped_over() -> Case:
    case = Case("fields to step over")
    more = ITEM.encode() + tlv.put(0x8000, b"new")
    case.do("read_resend", note="beside the items", request=resend.encode([ITEM]) + tlv.put(0x8000, b"new"))
    case.do("read_resend", note="in an item", request=resend.encode_raw([more]))
    case.do("read_resend", "REFUSED", "in items that descend", request=resend.encode_raw([resend.Item(CHAT, 6, bytes(16)).encode(), more]))
    case.do("read_again", note="beside an item", again=more)
    return case


def single_items() -> Case:
    case = Case("an item by itself")
    for item in (ITEM, resend.Item(bytes(16), 1, bytes(16)), resend.Item(b"\xff" * 16, 2**53 - 1, b"\xff" * 16)):
        case.do("make_again", **vars(item))
        case.do("read_again", again=case.out("again"))
    case.do("read_again", "REFUSED", "number 0", again=resend.Item(CHAT, 0, bytes(16)).encode())
    for note, raw in broken(resend.ITEM, ITEM.encode()):
        case.do("read_again", "REFUSED", note, again=raw)
    return case


# ---------------------------------------------------------------------------------------------- what is in mail
def mails() -> list[Case]:
    found = []
    body = resend.encode([ITEM])
    for name, values, expected in (
        ("mail to another account", {**MAIL, "body": b"said"}, EXPECTED),
        ("mail to another device of one's own", {**OWN_MAIL, "body": b"said"}, OWN),
        ("mail without a body", MAIL, EXPECTED),
        ("a request as mail", {**MAIL, "content_type": resend.CONTENT_TYPE, "body": body}, EXPECTED),
        ("an answer to another account", ANSWER, EXPECTED),
        ("an answer to another device of one's own", without(ANSWER, "peer_list_seq", "peer_list_hash"), OWN),
        ("an answer with what had no body", without(ANSWER, "body"), EXPECTED),
        ("an answer of another time than the message's", {**ANSWER, "sent_at": NOW - 20 * HOUR_MS}, EXPECTED),
        ("an answer whose ids are the same", {**ANSWER, "msg_id": ITEM.msg_id}, EXPECTED),
    ):
        case = Case(name)
        case.do("make_payload", **values)
        case.do("read_payload", payload=case.out("payload"), **expected)
        found.append(case)
    empty = len(tlv.encode(payload.PAYLOAD, {**ANSWER, "body": b"", "body_hash": bytes(32), "padding": b"\x00"}))
    padded = Case("an item is in the length that is padded")
    for length in (479, 480, 481, 4096, 4097):
        padded.do("make_payload", note=f"{length} bytes with one of padding", **{**ANSWER, "body": bytes(length - empty)})
        padded.do("read_payload", payload=padded.out("payload"), **EXPECTED)
    same = Case("an item is in no body_hash")
    for values in (ANSWER, without(ANSWER, "again")):
        same.do("make_payload", **values)
        same.do("read_payload", payload=same.out("payload"), **EXPECTED)
    assert same.steps[1]["out"]["body_hash"] == same.steps[3]["out"]["body_hash"]
    return [*found, padded, same]


def no_mails() -> list[Case]:
    case = Case("what is no mail")
    chat = {**FIRST, "thread_id": CHAT}
    in_chat = {**EXPECTED, "thread_id": CHAT}
    group = {"group_epoch": 5, "group_hash": coin("payload group", 32)}
    dest = {"dest": EXPECTED["reader"]}
    for note, values, expected in (
        ("sseq 2, with prev", {**MAIL, "sseq": 2, "prev": coin("payload prev", 16)}, EXPECTED),
        ("sseq 2, without prev", {**MAIL, "sseq": 2}, EXPECTED),
        ("sseq 0", {**MAIL, "sseq": 0}, EXPECTED),
        ("prev with sseq 1", {**MAIL, "prev": coin("payload prev", 16)}, EXPECTED),
        ("a group's head", {**MAIL, **group}, EXPECTED),
        ("a group's head, to one's own", {**OWN_MAIL, **group}, OWN),
        ("dest, to another account", {**MAIL, **dest}, EXPECTED),
        ("dest, to one's own", {**OWN_MAIL, **dest}, OWN),
        ("dest and the peer's list, to one's own", {**MAIL, **dest}, OWN),
        ("no list of the peer, who is another", OWN_MAIL, EXPECTED),
        ("the peer's list, who is oneself", MAIL, OWN),
        ("peer_list_seq without its hash", without(MAIL, "peer_list_hash"), EXPECTED),
        ("another account", MAIL, {**EXPECTED, "account_id": coin("another", 16)}),
        ("another device", MAIL, {**EXPECTED, "device_id": 8}),
        ("mail in a chat", MAIL, in_chat),
        ("what is of a chat, as mail", chat, EXPECTED),
        ("what is of a chat, as mail, with all else that mail has", {**MAIL, "thread_id": CHAT}, EXPECTED),
        ("a request for mail as what is of a chat", {**ANSWER, "thread_id": CHAT}, EXPECTED),
        ("an answer in a chat", {**chat, "again": ITEM.encode()}, in_chat),
        ("an answer in a chat, to one's own", {**chat, **dest, "again": ITEM.encode()}, {**in_chat, "reader": ACCOUNT}),
        ("an answer in a group", {**chat, **group, "again": ITEM.encode()}, in_chat),
        ("an answer with a group's head", {**ANSWER, **group}, EXPECTED),
        ("an answer with dest, to one's own", {**OWN_MAIL, **dest, "again": ITEM.encode()}, OWN),
        ("an answer of number 0", {**ANSWER, "again": resend.Item(CHAT, 0, ITEM.msg_id).encode()}, EXPECTED),
        ("an answer of zeros", {**ANSWER, "again": bytes(resend.ITEM_BYTES)}, EXPECTED),
        ("an answer whose item has another field", {**ANSWER, "again": with_field(with_field(ITEM.encode(), 3, None), 4, bytes(16))}, EXPECTED),
        ("an answer whose item has a field to step over", {**ANSWER, "again": ITEM.encode()[:36] + tlv.put(0x8000, bytes(16))}, EXPECTED),
        ("an answer whose item has its bytes otherwise", {**ANSWER, "again": tlv.put(1, bytes(8)) + tlv.put(2, bytes(16)) + ITEM.encode()[36:]}, EXPECTED),
    ):
        case.do("read_payload", "REFUSED", note, payload=payload.encode(values), **expected)
    for note, again in (
        ("empty", b""),
        ("57 bytes", ITEM.encode()[:-1]),
        ("59 bytes", ITEM.encode() + b"\x00"),
        ("with a field to step over", ITEM.encode() + tlv.put(0x8000, b"")),
    ):
        raw = rehashed(with_field(payload.encode(ANSWER), 18, again))
        case.do("read_payload", "REFUSED", f"again: {note}", payload=raw, **EXPECTED)
    behind = rehashed(with_field(payload.encode(ANSWER), 0x8000, b"new"))
    case.do("read_payload", note="a field to step over", payload=behind, **EXPECTED)
    unknown = rehashed(with_field(payload.encode(ANSWER), 19, b"new"))
    case.do("read_payload", "REFUSED", "field 19", payload=unknown, **EXPECTED)
    return [case, in_groups()]


def in_groups() -> Case:
    """In a group nothing is an answer, and mail is nothing that is said in it."""
    case = usual("no mail in a group")
    seq, head = case.run.groups["g"].state.seq, case.run.groups["g"].head
    said = {**FIRST, "account_id": ALICE.account_id, "thread_id": CHAT, "group_epoch": seq, "group_hash": head, "body": b"said"}
    where = {"group": "g", "thread_id": CHAT, "account_id": ALICE.account_id, "device_id": 7}
    case.do("read_group_payload", payload=payload.encode(said), **where)
    case.do("read_group_payload", "REFUSED", "an answer", payload=payload.encode({**said, "again": ITEM.encode()}), **where)
    mail = without({**said, "thread_id": payload.NO_THREAD}, "group_epoch", "group_hash")
    for thread in (CHAT, payload.NO_THREAD):
        case.do("read_group_payload", "REFUSED", "mail", payload=payload.encode(mail), **{**where, "thread_id": thread})
    return case


# ---------------------------------------------------------------------------------------------- a message that is asked for
class Story:
    """Alice and Bob, a device each: what they say goes into payloads, and those into their sessions."""

    def __init__(self, case: Case) -> None:
        self.case, self.at = case, NOW + 2000

    def says(self, session: str, who: Any, note: str = "", **values: Any) -> tuple[bytes, dict[str, Any]]:
        """The message, and what its reader expects."""
        device, them = (A, BOB) if who is ALICE else (B, ALICE)
        self.at += 1000
        made = {
            **FIRST,
            "account_id": who.account_id,
            "device_id": device,
            "msg_id": coin(f"{self.case.name} {self.at}", 16),
            "sent_at": self.at,
            "list_seq": 1,
            "list_hash": self.case.run.pins[who.account_id].signed.list.hash,
            "peer_list_seq": 1,
            "peer_list_hash": self.case.run.pins[them.account_id].signed.list.hash,
            **values,
        }
        self.case.do("make_payload", note=note, **made)
        plaintext, coins = self.case.out("payload"), coin(f"{self.case.name} {session} {self.at}", 24)
        self.case.do("encrypt", session=session, plaintext=plaintext, coins=coins, now=self.at)
        expected = {"thread_id": made["thread_id"], "account_id": who.account_id, "device_id": device, "reader": them.account_id}
        return self.case.out("message"), expected

    def hears(self, session: str, said: tuple[bytes, dict[str, Any]], new: bool, expect: str | None = None, note: str = "") -> None:
        message, expected = said
        coins = coin(f"{self.case.name} {session} {len(self.case.steps)}", 32) if new else b""
        self.case.do("decrypt", expect, note, session=session, message=message, coins=coins, now=self.at)
        if not expect:
            self.case.do("read_payload", payload=self.case.out("plaintext"), **expected)

    def asks(self, session: str, who: Any, item: resend.Item) -> tuple[bytes, dict[str, Any]]:
        self.case.do("make_resend", items=[vars(item)])
        body = self.case.out("request")
        return self.says(session, who, content_type=resend.CONTENT_TYPE, thread_id=payload.NO_THREAD, body=body)

    def is_asked(self) -> None:
        """What was heard last is a request."""
        self.case.do("read_resend", request=bytes.fromhex(self.case.steps[-1]["out"]["body"]))


def asked_for() -> Case:
    """B loses a message on the way, and asks; A answers with what it said."""
    case, first = begun("a message is asked for, and comes")
    story = Story(case)
    accept(case, "b", first)
    story.hears("a", story.says("b", BOB, thread_id=CHAT, body=b"go on"), new=True)
    lost, expected = story.says("a", ALICE, note="number 5 of its chat", thread_id=CHAT, msg_id=ITEM.msg_id, body=b"what it said")
    sent_at = story.at
    damaged = lost[:-1] + bytes([lost[-1] ^ 1]), expected
    story.hears("b", damaged, new=True, expect="REFUSED", note="it was damaged on its way")
    story.hears("a", story.asks("b", BOB, ITEM), new=False)
    story.is_asked()
    again = {"thread_id": payload.NO_THREAD, "sent_at": sent_at, "body": b"what it said", "again": ITEM.encode()}
    story.hears("b", story.says("a", ALICE, note="the answer", **again), new=True)
    case.do("read_again", again=ITEM.encode())
    return case


def put_back() -> Case:
    """B is put back to an older state, and its keys are used twice: A begins anew with the request for what B said."""
    case, first = begun("a device that was put back, and is asked")
    story = Story(case)
    accept(case, "b", first)
    older = bytes.fromhex(case.steps[-1]["state"])
    for text in (b"one", b"two"):
        story.hears("a", story.says("b", BOB, thread_id=CHAT, body=text), new=text == b"one")
    case.do("load", note="B is put back", session="b", state=older)
    lost = story.says("b", BOB, thread_id=CHAT, msg_id=ITEM.msg_id, body=b"what it said")
    sent_at = story.at
    story.hears("a", lost, new=False, expect="REPEATED", note="under a key that was used")
    begin = {**begin_args(ALICE, BOB, "a2", last=True, opk=False), "now": story.at}
    case.do("begin", note="with the next thing that A sends to B", **begin)
    message, expected = story.asks("a2", ALICE, ITEM)
    accept(case, "b2", message, now=story.at)
    case.do("choose", ours="b", accepted="b2")
    # `choose` has no state: the plaintext is that of the step before.
    plaintext = bytes.fromhex(case.steps[-2]["out"]["plaintext"])
    case.do("read_payload", payload=plaintext, **expected)
    story.is_asked()
    again = {"thread_id": payload.NO_THREAD, "sent_at": sent_at, "body": b"what it said", "again": ITEM.encode()}
    story.hears("a2", story.says("b2", BOB, note="the answer", **again), new=True)
    return case


def cases() -> list[Case]:
    return [*requests(), *mails(), *no_mails(), asked_for(), put_back()]
