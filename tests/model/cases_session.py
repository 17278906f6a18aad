"""Known answers of the beginning of a session, on both sides, with all that can be wrong about it."""

from dataclasses import replace

from . import cases_setup, primitives, ratchet, session, tlv
from .cases import Case
from .fixtures import DAY_MS, NOW, coin, with_field
from .session_steps import (
    A,
    ALICE,
    B,
    BOB,
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

SOURCE = "docs/wire/e2ee.md, 'Beginning a session'"


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


# ---------------------------------------------------------------------------------------------- of last resort
def asks(message: bytes) -> bool:
    """Whether its header has need_step, in the open."""
    return ratchet.message_decode(message).header.flags == ratchet.NEED_STEP


def last_resort() -> list[Case]:
    case, first = begun("a set-up of last resort asks for an answer in each message", last=True, opk=False)
    second, third = encrypt(case, "a", "second"), encrypt(case, "a", "third", NOW + 6 * DAY_MS)
    accept(case, "b", second, note="whichever comes first")
    decrypt(case, "b", first, new=False)
    assert all(map(asks, (first, second, third)))
    answer = encrypt(case, "b", "answer")
    assert not asks(answer), "who begins nothing asks for nothing"
    decrypt(case, "b", third, new=False, note="which was under way: it asks again")
    decrypt(case, "a", answer, new=True)
    fourth = encrypt(case, "a", "fourth")
    assert not asks(fourth), "answered"
    decrypt(case, "b", fourth, new=True, note="nor does it take back what was asked")
    encrypt(case, "b", "again")

    once, message = begun("one of one-time prekeys does not")
    assert not asks(message) and not asks(encrypt(once, "a", "second"))
    accept(once, "b", message)

    kept, _ = begun("as long as the state has the set-up", last=True)
    kept.do("load", session="again", state=kept.run.sessions["a"].encode())
    assert asks(encrypt(kept, "again", "after a restart"))
    many = replace(kept.run.sessions["a"], unanswered=199, ns=199)
    kept.do("load", note="199 were sent before", session="long", state=many.encode())
    assert asks(encrypt(kept, "long", "the 200th")) and asks(encrypt(kept, "long", "the 201st"))

    quiet, _ = begun("a reader does not insist on it", last=True, opk=False)
    state = quiet.run.sessions["a"]
    assert state.send_chain is not None
    mk, _ = ratchet.chain_step(state.send_chain)
    header = tlv.encode(ratchet.HEADER, {"ratchet_pub": primitives.dh_public(state.our_secret), "pn": 0, "n": state.ns, "flags": 0})
    accept(quiet, "b", ratchet.seal(mk, state, header, coin("without need_step", 24), b"asks for nothing"))
    assert quiet.run.sessions["b"].needs_step is None
    return [case, once, kept, quiet]


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


def cases() -> list[Case]:
    works = (talks, other_first, suites, used_up, failed_keeps, both_begin, anew)
    return [case for part in works for case in part()] + cases_setup.cases() + last_resort()
