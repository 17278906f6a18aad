"""Known answers of sender chains: how one is given and taken, and what comes late, twice, never, too late, or broken."""

from dataclasses import replace
from typing import Any

from . import payload, primitives, sender_chain, tlv
from .cases import Case
from .cases_payload import FULL, without
from .coins import Coins
from .fixtures import DAY_MS, NOW, Account, broken, coin, with_field
from .group_steps import ALICE, BOB, DEVICE, GROUP_ID, create, group_of
from .ratchet import chain_step
from .sender_chain import Kept, Owner, Receiving, Sending

SOURCE = "docs/wire/e2ee-groups.md, 'Sender chains'"
EPOCH, HASH = 5, coin("chain epoch hash", 32)
OWNER = Owner(GROUP_ID, ALICE.account_id, DEVICE)
LATEST = {"group_epoch": EPOCH, "group_hash": HASH}
KEPT_MS = 14 * DAY_MS


def owner_args(account: Account = ALICE, device: int = DEVICE, group_id: bytes = GROUP_ID) -> dict[str, Any]:
    return {"group_id": group_id, "account_id": account.account_id, "device_id": device}


# ---------------------------------------------------------------------------------------------- steps
def new(case: Case, name: str = "a", now: int = NOW) -> None:
    case.do("new_chain", chain=name, coins=coin(f"{case.name} {name}", 72), now=now, **owner_args())


def give(case: Case, name: str = "a", note: str = "", **at: Any) -> bytes:
    case.do("give_chain", note=note, chain=name, **{**LATEST, **at})
    return case.out("given")


def take(case: Case, given: bytes, expect: str | None = None, note: str = "", name: str = "b", **owner: Any) -> None:
    case.do("take_chain", expect, note, chain=name, given=given, **{**owner_args(), **owner})


def taken(case: Case, given: bytes, expect: str, note: str = "", name: str = "b") -> None:
    take(case, given, note=note, name=name)
    assert case.steps[-1]["out"]["step"] == expect, note


def encrypt(case: Case, text: str, name: str = "a", note: str = "", **at: Any) -> bytes:
    coins = coin(f"{case.name} {name} {text}", 24)
    case.do("chain_encrypt", note=note, chain=name, plaintext=text.encode(), coins=coins, **{**LATEST, **at})
    return case.out("message")


def decrypt(case: Case, message: bytes, expect: str | None = None, note: str = "", name: str = "b", now: int = NOW + 1000) -> None:
    case.do("chain_decrypt", expect, note, chain=name, message=message, now=now)


def usual(name: str) -> Case:
    """A chain of alice, `a`, which `b` has taken at its beginning."""
    case = Case(name)
    new(case)
    take(case, give(case))
    return case


# ---------------------------------------------------------------------------------------------- without steps
def sending(iteration: int = 0, **changed: Any) -> Sending:
    """A chain at that iteration, by itself."""
    first = sender_chain.new(OWNER, Coins(coin("a chain by itself", 72)), NOW)
    chain_key = first.chain_key
    for _ in range(iteration):
        _, chain_key = chain_step(chain_key)
    return replace(first, iteration=iteration, chain_key=chain_key, **changed)


def receiving(iteration: int = 0) -> Receiving:
    return sender_chain.take(None, OWNER, sender_chain.give(sending(iteration), EPOCH, HASH))


def loaded(name: str, a: Sending, b: Receiving) -> Case:
    case = Case(name)
    case.do("load_chain", chain="a", kind="sending", state=a.encode())
    case.do("load_chain", chain="b", kind="receiving", state=b.encode())
    return case


def forged(chain: Sending, raw: bytes = b"", **changed: Any) -> bytes:
    """A message sealed and signed as it should be, whatever its header is; `raw` is put behind the header's fields."""
    values = {**vars(chain), "epoch": EPOCH, "group_hash": HASH, **changed}
    return sealed_around(chain, tlv.encode(sender_chain.HEADER, values) + raw)


def sealed_around(chain: Sending, header: bytes) -> bytes:
    mk, _ = chain_step(chain.chain_key)
    return sender_chain.seal(mk, chain, header, coin("forged", 24), b"forged")


def resigned(message: bytes, tag: int, value: bytes | None, seed: bytes) -> bytes:
    """The message with a field changed, signed again by the chain's key."""
    fields = with_field(with_field(message, 6, None), tag, value)
    return sender_chain.sign(fields, seed)


# ---------------------------------------------------------------------------------------------- the course of things
def course() -> list[Case]:
    case = usual("one after another")
    for number in range(4):
        decrypt(case, encrypt(case, f"text {number}"))
    decrypt(case, encrypt(case, ""), note="an empty plaintext")
    decrypt(case, encrypt(case, "the group has gone on", group_epoch=6, group_hash=bytes(32)))

    order = usual("out of order, lost and repeated")
    messages = [encrypt(order, f"text {number}") for number in range(7)]
    decrypt(order, messages[3], note="keeps 0, 1 and 2")
    decrypt(order, messages[1])
    decrypt(order, messages[1], "REPEATED", "its key was used")
    decrypt(order, messages[3], "REPEATED", "so was that of the newest")
    decrypt(order, messages[0])
    decrypt(order, messages[6], note="keeps 4 and 5 behind 2; 2 never comes")
    decrypt(order, messages[5])
    decrypt(order, messages[4])
    decrypt(order, encrypt(order, "on it goes"))

    late = usual("who comes later opens what comes from then on")
    before = [encrypt(late, f"before {number}") for number in range(3)]
    given = give(late, note="at its iteration now", group_epoch=6, group_hash=bytes(32))
    take(late, given, name="c")
    decrypt(late, before[2], "REFUSED", "from before c was given the chain", name="c")
    after = [encrypt(late, f"after {number}") for number in range(2)]
    for message in (after[1], after[0]):
        decrypt(late, message, name="c")
    decrypt(late, before[0], "REFUSED", name="c")
    decrypt(late, after[1], note="b has it from the beginning on")
    for message in before:
        decrypt(late, message)

    two = usual("a new chain, and what comes late of the old one")
    old = [encrypt(two, f"old {number}") for number in range(2)]
    decrypt(two, old[0])
    new(two, "a2", NOW + DAY_MS)
    take(two, give(two, "a2", group_epoch=6), name="b2")
    fresh = encrypt(two, "new", "a2")
    decrypt(two, fresh, "REFUSED", "the new chain's is not the old one's")
    decrypt(two, fresh, name="b2")
    decrypt(two, old[1], "REFUSED", name="b2")
    decrypt(two, old[1], note="late")
    return [case, order, late, two]


def taking() -> list[Case]:
    case = usual("a chain that is known")
    begin = give(case)
    taken(case, begin, "same", "the same again")
    taken(case, give(case, group_epoch=6, group_hash=bytes(32)), "same", "at another epoch")
    for number in range(3):
        decrypt(case, encrypt(case, f"text {number}"))
    taken(case, begin, "same", "as it came first, while it is at 3")
    taken(case, give(case), "same", "a higher iteration is no news")
    encrypt(case, "a fourth, which b has not")
    taken(case, give(case), "same", "nor one that b has not come to")
    new(case, "other")
    theirs = give(case, "other")
    values = tlv.decode(sender_chain.CHAIN, begin)

    def other(**changed: Any) -> bytes:
        return tlv.encode(sender_chain.CHAIN, {**values, **changed})

    taken(case, other(chain_key=bytes(32)), "same", "another chain key is no news")
    taken(case, other(iteration=77), "same", "at whatever iteration")
    for iteration in (0, 2, 77):
        another = other(sign_pub=dict(tlv.fields(theirs))[4], iteration=iteration)
        take(case, another, "REFUSED", f"another signing key, at iteration {iteration}")
    decrypt(case, encrypt(case, "on it goes"))
    own = usual("nobody takes another's chain_id away")
    given, bobs = give(own), with_field(give(own), 4, primitives.sign_public(coin("bob's chain", 32)))
    for name, owner in (("b1", {"account_id": BOB.account_id}), ("b2", {"device_id": DEVICE + 1}), ("b3", {"group_id": bytes(16)})):
        take(own, bobs, name=name, note="the same chain_id is another chain's name", **owner)
        take(own, given, "REFUSED", "and there alice's is the second", name=name, **owner)
    taken(own, given, "same")
    decrypt(own, encrypt(own, "on it goes"))

    late = Case("a chain that is known from a later iteration on")
    new(late)
    first = give(late)
    message = encrypt(late, "before")
    take(late, give(late))
    taken(late, first, "same", "an earlier iteration than it came with first is no news")
    decrypt(late, message, "REFUSED", "so what was before stays closed")

    broken_ones = Case("what is no chain")
    whole = sender_chain.give(sending(3), EPOCH, HASH)
    for note, raw in broken(sender_chain.CHAIN, whole):
        take(broken_ones, raw, "REFUSED", note)
    for note, key in (("of small order", bytes(32)), ("not canonical", b"\xff" * 32), ("of no point", b"\x02" + bytes(31))):
        take(broken_ones, with_field(whole, 4, key), "REFUSED", f"a signing key that is {note}")
    take(broken_ones, with_field(whole, 0x8000, b"new"), note="a field to step over")
    return [case, own, late, broken_ones]


# ---------------------------------------------------------------------------------------------- how far and how long
def jumps() -> list[Case]:
    found = []
    for stepped, expect in ((2000, None), (2001, "REFUSED")):
        case = loaded(f"{stepped} stepped over", sending(stepped), receiving())
        message = encrypt(case, "far ahead")
        decrypt(case, message, expect)
        found.append(case)
    most = loaded("2,000 stepped over more than once, and 2,000 kept", sending(2000), receiving())
    at_most = encrypt(most, "2000")
    decrypt(most, at_most, note="keeps 0 to 1,999")
    lates = {at: forged_at(at) for at in (0, 1, 2, 3, 4)}
    decrypt(most, encrypt(most, "2001"), note="2,001 is the next: nothing more is kept")
    most.do("load_chain", chain="a", kind="sending", state=sending(2004).encode())
    decrypt(most, encrypt(most, "2004"), note="keeps 2,002 and 2,003; 0 and 1 go")
    decrypt(most, lates[0], "REPEATED", "given up")
    decrypt(most, lates[1], "REPEATED")
    decrypt(most, lates[2], note="the oldest that is kept")
    most.do("load_chain", chain="a", kind="sending", state=sending(2006).encode())
    decrypt(most, encrypt(most, "2006"), note="keeps 2,005: again 2,000, so none goes")
    decrypt(most, lates[3], note="3 is there")
    again = loaded("twice as far as is kept", sending(2000), receiving())
    decrypt(again, encrypt(again, "first"))
    again.do("load_chain", chain="a", kind="sending", state=sending(4001).encode())
    decrypt(again, encrypt(again, "second"), note="2,000 more, and none of the first is left")
    decrypt(again, lates[4], "REPEATED")
    return [*found, most, again]


def forged_at(iteration: int) -> bytes:
    return forged(sending(iteration))


def ends() -> list[Case]:
    case = loaded("a kept key ends after 14 days", sending(), receiving())
    messages = [encrypt(case, f"text {number}") for number in range(6)]
    decrypt(case, messages[2], note="keeps 0 and 1", now=NOW)
    decrypt(case, messages[4], note="keeps 3, a day later", now=NOW + DAY_MS)
    decrypt(case, messages[0], note="the last millisecond", now=NOW + KEPT_MS - 1)
    decrypt(case, messages[1], "REPEATED", "14 days", now=NOW + KEPT_MS)
    decrypt(case, messages[3], note="of a day later; and 1 is gone with it", now=NOW + KEPT_MS)

    fails = loaded("an ended key stays until something succeeds", sending(), receiving())
    messages = [encrypt(fails, f"text {number}") for number in range(4)]
    decrypt(fails, messages[1], note="keeps 0", now=NOW)
    decrypt(fails, messages[0], "REPEATED", now=NOW + KEPT_MS)
    decrypt(fails, messages[0], note="as if nothing had been", now=NOW + KEPT_MS - 1)
    decrypt(fails, messages[3], note="keeps 2", now=NOW + KEPT_MS)
    return [case, fails]


def last() -> list[Case]:
    """The last number of a chain, and no other after it."""
    end = 2**32 - 2
    a = replace(sending(), iteration=end)
    case = loaded("the last number of a chain", a, replace(receiving(), iteration=end))
    after = replace(a, iteration=end + 1, chain_key=chain_step(a.chain_key)[1])
    decrypt(case, forged(after), "REFUSED", "one more, with the key that it would have: nobody sends it")
    decrypt(case, encrypt(case, "the last"))
    decrypt(case, forged(after), "REFUSED", "nor after the last")
    coins = coin("one more", 24)
    case.do("chain_encrypt", "REFUSED", "no number is left", chain="a", plaintext=b"", coins=coins, **LATEST)
    return [case]


def due() -> list[Case]:
    def asks(case: Case, now: int, wanted: int, note: str = "") -> None:
        step = case.do("chain_is_due", note=note, chain="a", now=now)
        assert step["out"]["due"] == wanted, note

    aged = Case("a chain of 7 days")
    new(aged)
    asks(aged, NOW, 0)
    asks(aged, NOW + 7 * DAY_MS - 1, 0)
    asks(aged, NOW + 7 * DAY_MS, 1)
    long = loaded("a chain of 500 messages", sending(499), receiving(499))
    asks(long, NOW, 0, "499 were sent")
    decrypt(long, encrypt(long, "the last"))
    asks(long, NOW, 1)
    return [aged, long]


# ---------------------------------------------------------------------------------------------- what is refused
def broken_messages() -> list[Case]:
    a, b = sending(1), receiving()
    case = loaded("what does not hold", a, b)
    message = forged(a)
    fields = dict(tlv.fields(message))
    for tag, name in ((3, "nonce"), (4, "commitment"), (5, "sealed"), (6, "signature")):
        flipped = fields[tag][:-1] + bytes([fields[tag][-1] ^ 1])
        decrypt(case, with_field(message, tag, flipped), "REFUSED", f"a bit of {name}")
        if tag < 6:
            decrypt(case, resigned(message, tag, flipped, a.sign_seed), "REFUSED", f"a bit of {name}, signed again")
    unsigned = with_field(message, 6, primitives.sign(a.sign_seed, "gop", fields_of(message)))
    decrypt(case, unsigned, "REFUSED", "signed under another label")
    stranger = primitives.sign(coin("somebody's chain", 32), "sk-msg", fields_of(message))
    decrypt(case, with_field(message, 6, stranger), "REFUSED", "signed by another chain")
    dsk = primitives.sign(ALICE.dsk_seed(DEVICE), "sk-msg", fields_of(message))
    decrypt(case, with_field(message, 6, dsk), "REFUSED", "signed by the device's own key")
    decrypt(case, resigned(message, 1, b"\x02", a.sign_seed), "REFUSED", "another version")
    decrypt(case, resigned(message, 1, b"\x00", a.sign_seed), "REFUSED", "version 0")
    for name, value in (
        ("group_id", bytes(16)),
        ("account", BOB.account_id),
        ("device_id", DEVICE + 1),
        ("chain_id", bytes(8)),
    ):
        decrypt(case, forged(a, **{name: value}), "REFUSED", f"another {name}, signed and sealed")
    decrypt(case, forged(a, iteration=0), "REFUSED", "sealed with the key of another iteration")
    decrypt(case, forged(a, iteration=2**32 - 1), "REFUSED", "the last number of all")
    moved = with_field(fields[2], 2, (EPOCH + 1).to_bytes(8, "big"))
    decrypt(case, with_field(message, 2, moved), "REFUSED", "another epoch")
    decrypt(case, resigned(message, 2, moved, a.sign_seed), "REFUSED", "another epoch, signed again")
    decrypt(case, message, note="after all that")
    decrypt(case, with_field(message, 6, bytes(64)), "REFUSED", "of a message that was opened, another signature")
    other = resigned(message, 4, bytes(32), a.sign_seed)
    decrypt(case, other, "REPEATED", "another commitment: the iteration is looked at before")
    return [case]


def fields_of(message: bytes) -> bytes:
    return with_field(message, 6, None)


def encodings() -> list[Case]:
    a = sending()
    case = loaded("encodings that are not in order", a, receiving())
    message = forged(a)
    for note, raw in broken(sender_chain.MESSAGE, message, longest=1024):
        decrypt(case, raw, "REFUSED", f"message: {note}")
    header = dict(tlv.fields(message))[2]
    for note, raw in broken(sender_chain.HEADER, header):
        if raw:
            decrypt(case, sealed_around(a, raw), "REFUSED", f"header: {note}")
    sealed = dict(tlv.fields(message))[5]
    decrypt(case, resigned(message, 5, sealed[:15], a.sign_seed), "REFUSED", "shorter than a tag, signed")
    stepped = forged(a, raw=tlv.put(0x8000, b"new"))
    for tag in (7, 0x7FFF, 0x8000, 0xFFFF):
        decrypt(case, with_field(stepped, tag, b"new"), "REFUSED", f"field {tag} beside the signature")
        signed = fields_of(with_field(stepped, tag, b"new"))
        resealed = with_field(signed, 6, primitives.sign(a.sign_seed, "sk-msg", signed))
        decrypt(case, resealed, "REFUSED", f"field {tag}, under the signature")
    decrypt(case, stepped, note="a field to step over, in the header")
    return [case]


def owners() -> list[Case]:
    """The keys are of an owner: the same chain key and signing key under another name give another message."""
    case = Case("the same keys of somebody else")
    a = sending()
    case.do("load_chain", chain="a", kind="sending", state=a.encode())
    for name, changed in (
        ("a2", {"group_id": bytes(16)}),
        ("a3", {"account": BOB.account_id}),
        ("a4", {"device_id": DEVICE + 1}),
        ("a5", {"chain_id": bytes(8)}),
    ):
        case.do("load_chain", chain=name, kind="sending", state=replace(a, **changed).encode())
    given = give(case)
    take(case, given)
    for name in ("a2", "a3", "a4", "a5"):
        decrypt(case, encrypt(case, name, name), "REFUSED")
    take(case, given, name="b3", account_id=BOB.account_id, note="came by bob's session, so it is bob's")
    message = encrypt(case, "alice's")
    decrypt(case, message, "REFUSED", "a chain of somebody else", name="b3")
    decrypt(case, message)
    return [case]


def states() -> list[Case]:
    case = Case("states of chains")
    b = receiving(5)
    mk = coin("a kept key", 32)
    for kind, table, whole in (
        ("sending", sender_chain.SENDING, sending(3).encode()),
        ("receiving", sender_chain.RECEIVING, replace(b, iteration=9, kept=(Kept(6, mk, NOW), Kept(7, mk, NOW))).encode()),
    ):
        for note, raw in broken(table, whole):
            case.do("load_chain", "REFUSED", f"{kind}: {note}", chain="x", kind=kind, state=raw)
        case.do("load_chain", chain=kind, kind=kind, state=whole)
    case.do("load_chain", "REFUSED", "field 10", chain="x", kind="receiving", state=with_field(b.encode(), 10, b"new"))
    case.do("load_chain", "REFUSED", "a key as field 9", chain="x", kind="receiving", state=with_field(b.encode(), 9, mk))
    return [case]


def whole() -> list[Case]:
    """A message as it is: a payload in a chain in a group."""
    case = Case("a payload in a chain in a group")
    create(case, BOB, ALICE)
    head = group_of(case).head
    new(case)
    take(case, give(case, group_epoch=1, group_hash=head))
    who = {"thread_id": FULL["thread_id"], "account_id": ALICE.account_id, "device_id": DEVICE}
    fields = {**without(FULL, "peer_list_seq", "peer_list_hash"), **who, "group_epoch": 1, "group_hash": head}
    data = payload.encode(fields)
    for note, at, expect in (
        ("", {"group_epoch": 1, "group_hash": head}, None),
        ("another epoch in the header", {"group_epoch": 2, "group_hash": head}, "REFUSED"),
        ("another hash in the header", {"group_epoch": 1, "group_hash": HASH}, "REFUSED"),
    ):
        case.do("chain_encrypt", note=note, chain="a", plaintext=data, coins=coin(f"whole {note}", 24), **at)
        decrypt(case, case.out("message"))
        out = case.steps[-1]["out"]
        told = {"group_epoch": out["group_epoch"], "group_hash": case.out("group_hash")}
        case.do("read_group_payload", expect, note, group="g", payload=case.out("plaintext"), **who, **told)
    return [case]


def cases() -> list[Case]:
    parts = (whole, course, taking, jumps, ends, last, due, broken_messages, encodings, owners, states)
    return [case for part in parts for case in part()]
