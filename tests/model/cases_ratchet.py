"""Known answers of the Double Ratchet: what comes late, twice, never, too late, or broken."""

from dataclasses import replace
from typing import Any

from . import primitives, ratchet, session, state, tlv
from .cases import Case
from .session_steps import A, ALICE, B, BOB, KEM_OT, OPK, SPK, decrypt, encrypt
from .coins import Coins
from .device_list import read
from .fixtures import DAY_MS, NOW, broken, coin, with_field
from .ratchet import chain_step
from .state import State

SOURCE = "docs/wire/e2ee.md, 'The Double Ratchet'"
START = NOW + 3000
HEADER = 4 * tlv.HEAD + 32 + 4 + 4 + 1


# ---------------------------------------------------------------------------------------------- states to begin with
def first_states() -> tuple[State, State, bytes]:
    """A as it has begun and sent one message, B as it has decrypted it, and the message."""
    pins = {}
    for account, device in ((ALICE, A), (BOB, B)):
        signed = account.signed(account.fields([account.device(device)]))
        pins[account.name] = read(None, account.account_id, signed, NOW)
    us, them = session.party(pins["alice"], A), session.party(pins["bob"], B)
    keys = {kind: BOB.prekey(kind, B, id) for kind, id in (("spk", SPK), ("kem-ot", KEM_OT), ("opk", OPK))}
    bundle = session.bundle_check(them, keys["spk"], keys["kem-ot"], False, keys["opk"], NOW)
    begun = session.begin(us, ALICE.ddh_secret(A), them, bundle, Coins(coin("ratchet begins", 96)), NOW)
    begun, message = ratchet.encrypt(begun, b"first", Coins(coin("ratchet first", 24)), NOW + 1000)
    held = {kind: {id: BOB.prekey_secret(kind, B, id)} for kind, id in (("spk", SPK), ("kem-ot", KEM_OT), ("opk", OPK))}
    secrets = session.Secrets(BOB.ddh_secret(B), held["spk"], held["opk"], held["kem-ot"])
    other, _, _ = session.accept(them, secrets, pins["alice"], message, Coins(coin("ratchet accepts", 32)), NOW + 2000)
    return begun, other, message


def settled() -> tuple[State, State]:
    """Both when B's answer has been decrypted: A has taken a step and not sent in it, and nothing is under way."""
    begun, other, _ = first_states()
    other, answer = ratchet.encrypt(other, b"answer", Coins(coin("ratchet answer", 24)), START)
    begun, _ = ratchet.decrypt(begun, answer, Coins(coin("ratchet decrypts", 32)), START)
    return begun, other


def case_of(name: str, a: State | None = None, b: State | None = None) -> Case:
    case = Case(name)
    settled_a, settled_b = settled()
    case.do("load", session="a", state=(a or settled_a).encode())
    case.do("load", session="b", state=(b or settled_b).encode())
    return case


def forward(sender: State, count: int) -> State:
    """The sender after `count` messages that nobody will see."""
    chain = sender.send_chain
    assert chain is not None
    for _ in range(count):
        _, chain = chain_step(chain)
    return replace(sender, send_chain=chain, ns=sender.ns + count)


def sealed_around(sender: State, header: bytes) -> bytes:
    """A message sealed as it should be, whatever its header is."""
    assert sender.send_chain is not None
    mk, _ = chain_step(sender.send_chain)
    return ratchet.seal(mk, sender, header, coin("forged", 24), b"forged")


def forged(sender: State, **changed: Any) -> bytes:
    """A message whose header is changed; `raw` is put behind its fields."""
    behind = changed.pop("raw", b"")
    fields = {"ratchet_pub": primitives.dh_public(sender.our_secret), "pn": sender.pn, "n": sender.ns, "flags": 0, **changed}
    return sealed_around(sender, tlv.encode(ratchet.HEADER, fields) + behind)


# ---------------------------------------------------------------------------------------------- the course of things
def course() -> list[Case]:
    case = case_of("to and fro")
    for turn in range(3):
        for number in range(2):
            decrypt(case, "b", encrypt(case, "a", f"a {turn} {number}"), new=number == 0)
        for number in range(3):
            decrypt(case, "a", encrypt(case, "b", f"b {turn} {number}"), new=number == 0)
    decrypt(case, "b", encrypt(case, "a", ""), new=True, note="an empty plaintext")

    order = case_of("out of order, within a chain and over two")
    first = [encrypt(order, "a", f"first {number}") for number in range(5)]
    decrypt(order, "b", first[2], new=True)
    decrypt(order, "b", first[0], new=False)
    decrypt(order, "a", encrypt(order, "b", "turn"), new=True)
    second = [encrypt(order, "a", f"second {number}") for number in range(3)]
    decrypt(order, "b", second[1], new=True, note="keeps 3 and 4 of the old chain, 0 of the new one")
    for message in (first[4], second[0], first[1], second[2], first[3]):
        decrypt(order, "b", message, new=False)

    lost = case_of("lost ones are no hindrance")
    for turn in range(3):
        for number in range(3):
            encrypt(lost, "a", f"lost {turn} {number}")
        decrypt(lost, "b", encrypt(lost, "a", f"comes {turn}"), new=True)
        encrypt(lost, "b", f"lost too {turn}")
        decrypt(lost, "a", encrypt(lost, "b", f"comes too {turn}"), new=True)

    whole = case_of("a chain of which nothing comes")
    encrypt(whole, "a", "never comes")
    decrypt(whole, "a", encrypt(whole, "b", "no step: B has heard nothing new"), new=False)
    decrypt(whole, "b", encrypt(whole, "a", "comes"), new=True)
    return [case, order, lost, whole]


def both_begin_at_once_in_time() -> list[Case]:
    begun, other, _ = first_states()
    case = case_of("both send before anything arrives", begun, other)
    from_a, from_b = encrypt(case, "a", "A"), encrypt(case, "b", "B")
    decrypt(case, "a", from_b, new=True)
    decrypt(case, "b", from_a, new=False)
    decrypt(case, "a", encrypt(case, "b", "B again"), new=False)
    decrypt(case, "b", encrypt(case, "a", "A again"), new=True)
    return [case]


def repeated() -> list[Case]:
    case = case_of("each message once")
    messages = [encrypt(case, "a", f"m {number}") for number in range(4)]
    decrypt(case, "b", messages[0], new=True)
    decrypt(case, "b", messages[0], False, "REPEATED")
    decrypt(case, "b", messages[3], new=False)
    decrypt(case, "b", messages[1], new=False, note="by its kept key")
    decrypt(case, "b", messages[1], False, "REPEATED", "which is gone")
    decrypt(case, "b", messages[3], False, "REPEATED")
    decrypt(case, "a", encrypt(case, "b", "turn"), new=True)
    decrypt(case, "b", encrypt(case, "a", "next chain"), new=True)
    decrypt(case, "b", messages[3], False, "REPEATED", "of an old chain of which another key is kept")
    decrypt(case, "b", messages[2], new=False)
    decrypt(case, "b", messages[3], True, "REFUSED", "of an old chain of which nothing is known any more")

    own = case_of("one's own message, reflected")
    mine = encrypt(own, "a", "mine")
    decrypt(own, "a", mine, True, "REFUSED")
    decrypt(own, "b", mine, new=True)
    return [case, own]


# ---------------------------------------------------------------------------------------------- limits
def stepping_over() -> list[Case]:
    a, b = settled()
    found = []
    for count, expect in ((2000, None), (2001, "REFUSED")):
        case = case_of(f"{count} numbers to be stepped over in a new chain", forward(a, count), b)
        decrypt(case, "b", encrypt(case, "a", "far"), True, expect)
        found.append(case)
        after_a, message = ratchet.encrypt(a, b"near", Coins(coin("near", 24)), START)
        after_b, _ = ratchet.decrypt(b, message, Coins(coin("near too", 32)), START)
        case = case_of(f"{count} numbers to be stepped over in a chain that goes on", forward(after_a, count), after_b)
        decrypt(case, "b", encrypt(case, "a", "far"), False, expect)
        found.append(case)
        ended = forward(after_a, count)
        _, turn = ratchet.encrypt(after_b, b"turn", Coins(coin("turn", 24)), START)
        ended, _ = ratchet.decrypt(ended, turn, Coins(coin("turn too", 32)), START)
        case = case_of(f"{count} numbers to be stepped over in the chain that ends", ended, after_b)
        decrypt(case, "b", encrypt(case, "a", "far"), True, expect)
        found.append(case)
    return found


def many_kept() -> list[Case]:
    """2,000 of the chain that ends and 3 of the next: the oldest three go."""
    a, b = settled()
    a, near = ratchet.encrypt(a, b"near", Coins(coin("near", 24)), START)
    b, _ = ratchet.decrypt(b, near, Coins(coin("near too", 32)), START)
    early = []
    walking = a
    for number in range(4):
        walking, message = ratchet.encrypt(walking, b"early", Coins(coin(f"early {number}", 24)), START)
        early.append(message)
    ended = forward(a, 2000)
    _, turn = ratchet.encrypt(b, b"turn", Coins(coin("turn", 24)), START)
    ended, _ = ratchet.decrypt(ended, turn, Coins(coin("turn too", 32)), START)
    case = case_of("2,000 keys are kept, the oldest go first", forward(ended, 3), b)
    decrypt(case, "b", encrypt(case, "a", "far"), new=True)
    for number in (0, 2):
        decrypt(case, "b", early[number], False, "REPEATED", f"number {number + 1} of the old chain: given up")
    decrypt(case, "b", early[3], new=False, note="number 4: the oldest that is kept")
    return [case]


def old_keys() -> list[Case]:
    case = case_of("kept keys end after 14 days")
    messages = [encrypt(case, "a", f"m {number}") for number in range(4)]
    decrypt(case, "b", messages[3], new=True, now=START)
    decrypt(case, "b", messages[0], new=False, now=START + 14 * DAY_MS - 1, note="the last millisecond; the others stay")
    decrypt(case, "b", messages[1], False, "REPEATED", "ended; and still in the state, since no step succeeded", START + 14 * DAY_MS)
    case.do("encrypt", note="and now they go", session="b", plaintext=b"sent", coins=coin("they go", 24), now=START + 14 * DAY_MS)
    decrypt(case, "b", messages[2], False, "REPEATED", "gone", START)

    read = case_of("kept keys that have ended go when a message is decrypted")
    messages = [encrypt(read, "a", f"m {number}") for number in range(3)]
    decrypt(read, "b", messages[1], new=True, now=START)
    decrypt(read, "b", messages[2], new=False, now=START + 14 * DAY_MS)

    old = case_of("of an old chain there are only keys that have ended")
    messages = [encrypt(old, "a", f"m {number}") for number in range(3)]
    decrypt(old, "b", messages[2], new=True, now=START)
    decrypt(old, "a", encrypt(old, "b", "turn"), new=True)
    decrypt(old, "b", encrypt(old, "a", "next chain"), new=True)
    decrypt(old, "b", messages[0], False, "REPEATED", "its key has ended, and is still in the state", START + 14 * DAY_MS)
    decrypt(old, "b", messages[2], False, "REPEATED", "others of its chain are", START + 14 * DAY_MS)
    encrypt(old, "b", "they go", now=START + 14 * DAY_MS)
    decrypt(old, "b", messages[0], True, "REFUSED", "nothing is known of its chain any more", START + 14 * DAY_MS)

    back = case_of("a clock that goes back ends nothing")
    messages = [encrypt(back, "a", f"m {number}") for number in range(2)]
    decrypt(back, "b", messages[1], new=True, now=START)
    decrypt(back, "b", messages[0], new=False, now=START - 60 * DAY_MS)
    return [case, read, old, back]


def old_chains() -> list[Case]:
    case = case_of("kept keys end when 100 newer chains began")
    messages = [encrypt(case, "a", f"m {number}") for number in range(3)]
    decrypt(case, "b", messages[2], new=True)
    for turn in range(99):
        decrypt(case, "a", encrypt(case, "b", f"turn {turn}"), new=True)
        decrypt(case, "b", encrypt(case, "a", f"chain {turn}"), new=True)
    decrypt(case, "b", messages[0], new=False, note="99 newer ones")
    decrypt(case, "a", encrypt(case, "b", "turn 99"), new=True)
    decrypt(case, "b", encrypt(case, "a", "chain 99"), new=True, note="the hundredth")
    decrypt(case, "b", messages[1], True, "REFUSED")
    return [case]


def asks() -> list[Case]:
    a, b = settled()
    case = case_of("need_step after 200 messages", replace(a, unanswered=199), b)
    decrypt(case, "b", encrypt(case, "a", "the 200th"), new=True, note="does not ask")
    decrypt(case, "b", encrypt(case, "a", "the 201st"), new=False, note="asks")
    decrypt(case, "b", encrypt(case, "a", "the 202nd"), new=False, note="and again")
    decrypt(case, "a", encrypt(case, "b", ""), new=True, note="whatever is sent is the answer")
    decrypt(case, "b", encrypt(case, "a", "does not ask"), new=True)

    time = case_of("need_step after 7 days")
    week = a.stepped_at + 7 * DAY_MS
    decrypt(time, "b", encrypt(time, "a", "just before", now=week - 1), new=True, now=week)
    decrypt(time, "b", encrypt(time, "a", "asks", now=week), new=False, now=week)
    decrypt(time, "b", encrypt(time, "a", "asks again", now=week), new=False, now=week, note="still asked")
    decrypt(time, "a", encrypt(time, "b", "answer", now=week), new=True, now=week)
    encrypt(time, "a", "does not ask", now=week)

    late = case_of("a late message that asks", replace(a, unanswered=200), b)
    asking = encrypt(late, "a", "asks")
    decrypt(late, "b", encrypt(late, "a", "asks too"), new=True)
    decrypt(late, "a", encrypt(late, "b", "answer"), new=True)
    decrypt(late, "b", encrypt(late, "a", "of a new chain"), new=True)
    decrypt(late, "b", asking, new=False, note="asks once more")
    return [case, time, late]


# ---------------------------------------------------------------------------------------------- what is refused
def broken_messages() -> list[Case]:
    case = case_of("messages that are refused")
    message = encrypt(case, "a", "good")
    sender = case.run.sessions["a"]
    for name, raw in broken(ratchet.MESSAGE, message):
        decrypt(case, "b", raw, True, "REFUSED", f"message: {name}")
    before = replace(sender, ns=0, send_chain=settled()[0].send_chain)
    header = dict(tlv.fields(message))[3]
    for name, raw in broken(ratchet.HEADER, header):
        decrypt(case, "b", sealed_around(before, raw), True, "REFUSED", f"header, and sealed with it: {name}")
    for number in (0, 2, 255):
        decrypt(case, "b", with_field(message, 1, bytes([number])), True, "REFUSED", f"version {number}")
    for tag, name in ((3, "header"), (4, "nonce"), (5, "commitment"), (6, "sealed")):
        value = dict(tlv.fields(message))[tag]
        for where, at in (("first", 0), ("last", len(value) - 1)):
            flipped = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
            decrypt(case, "b", with_field(message, tag, flipped), True, "REFUSED", f"a bit of the {where} byte of {name} flipped")
    decrypt(case, "b", with_field(message, 6, bytes(15)), True, "REFUSED", "sealed of 15 bytes")
    decrypt(case, "b", with_field(message, 6, bytes(16)), True, "REFUSED", "sealed of 16 bytes")
    headers: list[tuple[str, dict[str, Any]]] = [
        ("flags 2", {"flags": 2}),
        ("flags 0x81", {"flags": 0x81}),
        ("field 5", {"raw": tlv.put(5, b"pq")}),
        ("1,025 bytes", {"raw": tlv.put(0x8000, bytes(1025 - HEADER - tlv.HEAD))}),
        ("ratchet_pub zero", {"ratchet_pub": bytes(32)}),
        ("ratchet_pub one", {"ratchet_pub": b"\x01" + bytes(31)}),
        ("ratchet_pub not canonical", {"ratchet_pub": (2**255 - 10).to_bytes(32, "little")}),
        ("ratchet_pub with its highest bit set", {"ratchet_pub": primitives.dh_public(sender.our_secret)[:31] + b"\xff"}),
        ("n of the next message", {"n": 1}),
        ("the largest n", {"n": 2**32 - 1}),
        ("the largest pn", {"pn": 2**32 - 1}),
    ]
    for name, changed in headers:
        decrypt(case, "b", forged(before, **changed), True, "REFUSED", f"sealed as it should be, with {name}")
    stepped = forged(before, raw=tlv.put(0x8000, b"new"))
    decrypt(case, "b", with_field(message, 3, dict(tlv.fields(stepped))[3]), True, "REFUSED", "a field to step over put into the header")
    decrypt(case, "b", message, new=True, note="nothing has changed")
    return [case]


def taken_all_the_same() -> list[Case]:
    found = []
    a, b = settled()
    case = case_of("fields to step over")
    decrypt(case, "b", forged(a, raw=tlv.put(0x8000, b"new")), new=True, note="in the header, and authenticated with it")
    most = case_of("a header of 1,024 bytes")
    decrypt(most, "b", forged(a, raw=tlv.put(0x8000, bytes(1024 - HEADER - tlv.HEAD))), new=True)
    outer = case_of("a field to step over beside the header")
    decrypt(outer, "b", with_field(encrypt(outer, "a", "good"), 0x8000, b"new"), new=True)
    found += [case, most, outer]
    after_a, near = ratchet.encrypt(a, b"near", Coins(coin("near", 24)), START)
    after_b, _ = ratchet.decrypt(b, near, Coins(coin("near too", 32)), START)
    _, turn = ratchet.encrypt(after_b, b"turn", Coins(coin("turn", 24)), START)
    ended, _ = ratchet.decrypt(after_a, turn, Coins(coin("turn too", 32)), START)
    low = case_of("a pn below what was received", replace(ended, pn=0), after_b)
    decrypt(low, "b", encrypt(low, "a", "low"), new=True)
    begun, other, _ = first_states()
    none = case_of("a pn without a receiving chain", begun, replace(other, pn=2**32 - 1))
    decrypt(none, "a", encrypt(none, "b", "answer"), new=True, note="no chain of which anything could be kept")
    return [*found, low, none]


def before_the_answer() -> list[Case]:
    begun, other, message = first_states()
    case = case_of("A before anything of B came", begun, other)
    spk = primitives.dh_public(BOB.prekey_secret("spk", B, SPK))
    assert spk == begun.their_pub
    decrypt(case, "a", forged(other, ratchet_pub=spk), False, "REFUSED", "B's prekey as its ratchet key")
    root_key, chain = ratchet.root_step(begun.root_key, begun.our_secret, spk)
    by_prekey = replace(other, root_key=root_key, send_chain=chain, ns=0)
    decrypt(case, "a", forged(by_prekey, ratchet_pub=spk), True, "REFUSED", "the same, sealed as one would have to")
    decrypt(case, "a", message, True, "REFUSED", "its own first message")
    decrypt(case, "b", message, False, "REPEATED", "B has it")
    answer = encrypt(case, "b", "answer")
    decrypt(case, "a", with_field(answer, 6, bytes(40)), True, "REFUSED", "A still sends its set-up")
    encrypt(case, "a", "with its set-up")
    decrypt(case, "a", answer, new=True)
    encrypt(case, "a", "without")
    return [case]


def states() -> list[Case]:
    """What is no state. It comes from a device's own store, but a store can be damaged too."""
    begun, other, _ = first_states()
    assert other.their_pub is not None
    kept = state.Kept(other.their_pub, 3, bytes(32), START, 1)
    full = replace(other, kept=(kept,), nr=5, needs_step=1)
    case = Case("states that are refused")
    case.do("load", session="s", state=begun.encode(), note="one with a set-up")
    case.do("load", session="s", state=full.encode(), note="one with everything else in it")
    for name, raw in broken(state.STATE, full.encode()):
        if not name.startswith("setup"):
            case.do("load", "REFUSED", name, session="s", state=raw)
    for name, raw in broken(state.STATE, begun.encode()):
        if name.startswith("setup"):
            case.do("load", "REFUSED", name, session="s", state=raw)
    case.do("load", "REFUSED", "needs_step 0", session="s", state=with_field(full.encode(), 18, b"\x00"))
    for name, raw in broken(state.KEPT, tlv.encode(state.KEPT, vars(kept))):
        packed = with_field(full.encode(), 10, tlv.list_encode([raw]))
        case.do("load", "REFUSED", f"kept: {name}", session="s", state=packed)
    return [case]


def cases() -> list[Case]:
    works = (course, both_begin_at_once_in_time, repeated, stepping_over, many_kept, old_keys, old_chains, asks, taken_all_the_same)
    refuses = (broken_messages, before_the_answer, states)
    return [case for part in works + refuses for case in part()]
