"""Mail, and requests for what did not open, by chance: a part of random_cases.py."""

import random
from typing import Any

from . import payload, resend
from .cases import Case
from .cases_payload import rehashed
from .cases_resend import CHAT, EXPECTED, ITEM, MAIL, OWN
from .fixtures import coin, with_field
from .random_parts import damage

REQUESTS = 12
MAILS = 12
CHATS = 3
OTHERWISE = {
    "sseq": 2,
    "prev": coin("payload prev", 16),
    "group_epoch": 5,
    "group_hash": coin("payload group", 32),
    "dest": EXPECTED["reader"],
    "thread_id": CHAT,
}


def some_item(rng: random.Random) -> resend.Item:
    """Of few places, so that some are there twice."""
    seq = rng.choice((rng.randrange(1, 9), rng.randrange(1, 600), rng.randrange(1, 2**53)))
    return resend.Item(coin(f"chat {rng.randrange(CHATS)}", 16), seq, rng.choice((bytes(16), rng.randbytes(16))))


def some_items(rng: random.Random) -> list[resend.Item]:
    """A request's that is right."""
    by_place = {item.place: item for item in (some_item(rng) for _ in range(rng.choice((1, 2, 3, 3, 8, 50))))}
    return sorted(by_place.values())[: resend.ITEMS_MAX]


def with_more(rng: random.Random, raw: bytes) -> bytes:
    return with_field(raw, rng.choice((0, 4, 0x7FFF, 0x8000, 0x8000, 0xFFFF, 0xFFFF)), rng.randbytes(rng.randrange(5)))


def wrong(rng: random.Random, items: list[resend.Item]) -> bytes:
    """One thing that is perhaps not as it must be."""
    rows = [item.encode() for item in items]
    at, other = rng.randrange(len(rows)), rng.randrange(len(rows))
    how = rng.choice(("swap", "twice", "place", "any", "zero", "field", "beside", "short", "many", "none"))
    if how == "swap":
        rows[at], rows[other] = rows[other], rows[at]
    elif how == "twice":
        rows.insert(at, rows[other])
    elif how == "place":
        rows.insert(at + 1, resend.Item(*items[at].place, rng.randbytes(16)).encode())
    elif how == "any":
        rows.insert(rng.randrange(len(rows) + 1), some_item(rng).encode())
    elif how == "zero":
        rows[at] = resend.Item(items[at].chat_id, 0, items[at].msg_id).encode()
    elif how == "field":
        rows[at] = with_more(rng, rows[at])
    elif how == "short":
        rows[at] = with_field(rows[at], rng.randrange(1, 4), rng.choice((None, b"", rng.randbytes(rng.choice((7, 8, 9, 15, 16, 17))))))
    elif how == "many":
        rows = [resend.Item(CHAT, 1 + number, bytes(16)).encode() for number in range(rng.choice((31, 32, 33, 40)))]
    body = resend.encode_raw(rows if how != "none" else [])
    return with_more(rng, body) if how == "beside" else body


def read(case: Case, do: str, **args: bytes) -> None:
    """The step, unless a bit made a number that JSON does not keep."""
    step = case.take(do, {name: data.hex() for name, data in args.items()})
    out = step.get("out", {})
    if any(item["seq"] >= 2**53 for item in out.get("items", [out] if out else [])):
        case.steps.pop()


def request(case: Case, rng: random.Random) -> None:
    items = some_items(rng)
    case.do("make_resend", items=[vars(item) for item in items])
    data = case.out("request") if rng.random() < 0.4 else wrong(rng, items)
    read(case, "read_resend", request=damage(rng, rng.choice(("none",) * 6 + ("bit", "cut")), data))


def again(case: Case, rng: random.Random) -> bytes:
    case.do("make_again", **vars(some_item(rng)))
    data = case.out("again")
    chance = rng.random()
    if chance < 0.1:
        data = resend.Item(CHAT, 0, ITEM.msg_id).encode()
    elif chance < 0.2:
        data = with_more(rng, data)
    data = damage(rng, rng.choice(("none",) * 8 + ("bit", "cut")), data)
    read(case, "read_again", again=data)
    return data


def mail(case: Case, rng: random.Random) -> None:
    to_us = rng.random() < 0.4
    values: dict[str, Any] = {**MAIL, "content_type": rng.choice((resend.CONTENT_TYPE, rng.randbytes(rng.randrange(1, 65))))}
    if to_us == (rng.random() < 0.9):  # mostly as it must be
        values |= {"peer_list_seq": None, "peer_list_hash": None}
    values |= {"body": rng.choice((None, rng.randbytes(rng.randrange(1, 700)), resend.encode(some_items(rng))))}
    if rng.random() < 0.5:
        values |= {"again": again(case, rng)}
    if rng.random() < 0.4:
        for name in rng.sample(list(OTHERWISE), rng.choice((1, 1, 2, 3))):
            values |= {name: OTHERWISE[name]}
    data = payload.encode(values)
    if rng.random() < 0.15:
        data = rehashed(with_field(data, rng.choice((19, 0x7FFF, 0x8000, 0xFFFF)), rng.randbytes(rng.randrange(40))))
    data = damage(rng, rng.choice(("none",) * 8 + ("bit", "cut")), data)
    expected = {**(OWN if to_us else EXPECTED)}
    if values["thread_id"] == CHAT and rng.random() < 0.8 or rng.random() < 0.05:
        expected |= {"thread_id": CHAT}
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in expected.items()}
    case.take("read_payload", {"payload": data.hex(), **shown})


def resend_case(seed: int) -> Case:
    rng = random.Random(seed)
    case = Case(f"SEED={seed}")
    for _ in range(REQUESTS):
        request(case, rng)
    for _ in range(MAILS):
        mail(case, rng)
    return case
