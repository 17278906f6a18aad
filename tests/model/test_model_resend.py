"""Mail and asking again in the model: the bytes as one writes them by hand, each rule at its limit and one past it, and all of it by chance."""

import random
from dataclasses import replace
from typing import Any

import pytest

from . import cases_group, group, payload, resend, resend_rules as rules, tlv
from .cases_payload import FIRST
from .cases_resend import ANSWER, CHAT, EXPECTED, ITEM, MAIL
from .fixtures import DAY_MS, HOUR_MS, NOW, coin
from .group_steps import ALICE, CAROL, add, group_of, remove
from .refused import Refused
from .resend import Item
from .resend_rules import Anew, Asker, Came, Chain, Device, Given, Peer, Written
from .test_model_groups import field

US, THEM, OWN = Device(b"u" * 16, 7), Device(b"t" * 16, 21), Device(b"u" * 16, 8)
GROUP = coin("resend group", 16)


def item_of(number: int, chat: bytes = CHAT) -> Item:
    return Item(chat, number, coin(f"resend message {number}", 16))


def everywhere(_chat: bytes) -> bool:
    return True


# ---------------------------------------------------------------------------------------------- by hand
def test_resend__a_request_is_as_one_writes_it_by_hand():
    rows = [field(1, CHAT) + field(2, number) + field(3, bytes([number]) * 16) for number in (1, 2)]
    data = field(1, b"".join(len(row).to_bytes(4, "big") + row for row in rows))
    items = [Item(CHAT, number, bytes([number]) * 16) for number in (1, 2)]
    assert resend.encode(items) == data and resend.decode(data) == items
    assert rows[0] == items[0].encode() and len(rows[0]) == resend.ITEM_BYTES


def test_payload__an_answer_is_mail_with_an_item_behind_all_else():
    without, made = (payload.encode(values) for values in ({**ANSWER, "again": None}, ANSWER))
    found, other = dict(tlv.fields(made)), dict(tlv.fields(without))
    assert field(18, ITEM.encode()) in made and found[18] == ITEM.encode()
    assert {tag: value for tag, value in found.items() if tag not in (18, 28_672)} == {tag: value for tag, value in other.items() if tag != 28_672}
    assert payload.decode(made, payload.Expected(**EXPECTED))["thread_id"] == bytes(16)


def test_payload__the_largest_that_a_chat_takes_fits_into_an_answer():
    most = payload.encode({**ANSWER, "content_type": b"x" * 64, "body": bytes(131_072)})
    assert payload.decode(most, payload.Expected(**EXPECTED))["again"] == ITEM.encode()


def test_payload__what_is_in_no_chat_is_mail_whatever_else_it_has():
    """Each of the fields that may be missing, in mail and in a chat: the thread decides what must be there."""
    optional: dict[str, dict[str, Any]] = {
        "peer": {"peer_list_seq": 4, "peer_list_hash": bytes(32)},
        "group": {"group_epoch": 5, "group_hash": bytes(32)},
        "dest": {"dest": EXPECTED["reader"]},
        "again": {"again": ITEM.encode()},
        "late": {"sseq": 2, "prev": bytes(16)},
    }
    for number in range(2 ** len(optional)):
        there = {name for at, name in enumerate(optional) if number >> at & 1}
        more = {key: value for name in there for key, value in optional[name].items()}
        for thread in (payload.NO_THREAD, CHAT):
            for reader in (EXPECTED["reader"], FIRST["account_id"]):
                own = reader == FIRST["account_id"]
                in_mail = not there & {"group", "dest", "late"} and ("peer" in there) != own
                in_chat = "again" not in there and ("dest" in there) == own
                expected = payload.Expected(**{**EXPECTED, "thread_id": thread, "reader": reader})
                data = payload.encode({**FIRST, "thread_id": thread, **more})
                if in_chat if thread == CHAT else in_mail:
                    payload.decode(data, expected)
                    continue
                with pytest.raises(Refused):
                    payload.decode(data, expected)
                    pytest.fail(f"{there}, {own}")


def test_resend__a_change_of_any_byte_of_an_item_is_refused_or_means_another():
    for at in range(resend.ITEM_BYTES):
        data = ITEM.encode()
        data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            assert resend.item_decode(data) != ITEM and resend.item_decode(data).encode() == data
        except Refused:
            continue


# ---------------------------------------------------------------------------------------------- what is lost
def test_rules__what_did_not_open_is_lost_and_what_nobody_honest_made_is_not():
    lost = {rules.NOT_OPENED, rules.REPEATED, rules.NO_PREKEY, rules.NO_CHAIN}
    for outcome in range(7):
        assert Came(outcome).is_lost == (outcome in lost)
        assert Came(outcome).breaks_session == (outcome in lost)
        assert not Came(outcome, listed=False).is_lost and not Came(outcome, listed=False).breaks_session
        assert not Came(outcome, mail=True).is_lost and not Came(outcome, before_us=True).is_lost
        assert Came(outcome, mail=True).breaks_session == (outcome in lost)
        assert Came(outcome, by_chain=True).is_lost == (outcome in lost) and not Came(outcome, by_chain=True).breaks_session


# ---------------------------------------------------------------------------------------------- who asks
def test_rules__the_first_64_of_a_device_are_noted():
    asker = Asker()
    for number in range(1, 66):
        asker = asker.lost(item_of(number), NOW)
        asker = asker.lost(item_of(number), NOW)
    assert [note.item.seq for note in asker.notes] == list(range(1, 65))
    asker = asker.came(item_of(30)).lost(item_of(66), NOW)
    assert [note.item.seq for note in asker.notes] == [*range(1, 30), *range(31, 65), 66]


def test_rules__a_place_that_is_noted_keeps_its_first_id():
    asker = Asker().lost(item_of(1), NOW).lost(Item(CHAT, 1, bytes(16)), NOW + 1)
    assert asker.notes == (rules.Note(item_of(1), NOW),)


def test_rules__a_note_is_of_14_days_whatever_was_asked():
    for late, here in ((14 * DAY_MS - 1, True), (14 * DAY_MS, False)):
        asker, _ = Asker().lost(item_of(1), NOW).ask(NOW, everywhere)
        assert bool(asker.ask(NOW + late, everywhere)[1]) == here
        if here:
            assert asker.take(item_of(1), NOW + late).notes == ()
        else:
            with pytest.raises(Refused):
                asker.take(item_of(1), NOW + late)
    full = Asker()
    for number in range(1, 65):
        full = full.lost(item_of(number), NOW)
    assert [note.item.seq for note in full.lost(item_of(65), NOW + 14 * DAY_MS).notes] == [65]


def test_rules__a_message_is_asked_for_three_times_a_day_apart():
    asker, asked = Asker().lost(item_of(1), NOW), []
    for hour in range(0, 24 * 13):
        for at in (NOW + hour * HOUR_MS, NOW + (hour + 1) * HOUR_MS - 1):
            asker, sent = asker.ask(at, everywhere)
            asked += [at for _ in sent]
    assert asked == [NOW, NOW + DAY_MS, NOW + 2 * DAY_MS]
    assert asker.take(item_of(1), NOW + 13 * DAY_MS).notes == ()


def test_rules__a_request_has_at_most_32_in_their_order():
    asker = Asker()
    for number in reversed(range(1, 65)):
        asker = asker.lost(item_of(number), NOW)
    _, sent = asker.ask(NOW, everywhere)
    assert [[item.seq for item in items] for items in sent] == [list(range(1, 33)), list(range(33, 65))]
    assert all(resend.decode(resend.encode(items)) == items for items in sent)


def test_rules__nothing_is_asked_where_the_account_has_not_written_until_it_has():
    silent = coin("a stranger's chat", 16)
    asker = Asker().lost(item_of(1, silent), NOW).lost(item_of(2), NOW)
    asker, sent = asker.ask(NOW, lambda chat: chat != silent)
    assert sent == [[item_of(2)]]
    with pytest.raises(Refused):
        asker.take(item_of(1, silent), NOW)
    asker, sent = asker.ask(NOW + HOUR_MS, everywhere)
    assert sent == [[item_of(1, silent)]]
    assert asker.take(item_of(1, silent), NOW + HOUR_MS).notes == (rules.Note(item_of(2), NOW, 1, NOW),)


def test_rules__an_answer_is_taken_for_what_that_device_was_asked_for_and_once():
    lost = Asker().lost(item_of(1), NOW)
    with pytest.raises(Refused):
        lost.take(item_of(1), NOW)
    asker, _ = lost.ask(NOW, everywhere)
    for other in (item_of(2), replace(item_of(1), seq=2), replace(item_of(1), chat_id=GROUP), replace(item_of(1), msg_id=bytes(16))):
        with pytest.raises(Refused):
            asker.take(other, NOW)
    with pytest.raises(Refused):
        Asker().take(item_of(1), NOW)  # what another device was asked for
    with pytest.raises(Refused):
        asker.take(item_of(1), NOW, may_say=False)
    after = asker.take(item_of(1), NOW)
    with pytest.raises(Refused):
        after.take(item_of(1), NOW)


def test_rules__a_session_is_begun_anew_once_in_24_hours_whatever_comes():
    anew, begins = Anew().send(NOW)
    assert not begins
    anew, begins = anew.failed(NOW).failed(NOW).send(NOW)
    assert begins
    assert not anew.send(NOW)[1]
    for late, counts in ((0, False), (DAY_MS - 1, False), (DAY_MS, True)):
        assert anew.failed(NOW + late).send(NOW + DAY_MS)[1] == counts, late
    others = Anew().failed(NOW).other_began(NOW)
    assert not others.send(NOW + DAY_MS)[1]
    assert not others.failed(NOW + DAY_MS - 1).send(NOW + DAY_MS)[1]
    assert others.failed(NOW + DAY_MS).send(NOW + DAY_MS)[1]


# ---------------------------------------------------------------------------------------------- who is asked
WRITTEN = Written(item_of(1), US, NOW, frozenset({US.account, THEM.account}), roots={THEM.account: b"root", US.account: b"ours"})
PEER = Peer(THEM, (NOW - 1,), b"root", b"root")


def gives(message: Written = WRITTEN, peer: Peer = PEER, item: Item = WRITTEN.item, now: int = NOW + DAY_MS, us: Device = US) -> bool:
    return rules.gives(us, message, item, peer, now)


def test_rules__a_message_is_given_to_who_could_read_it_then():
    assert gives() and gives(peer=replace(PEER, verified_root=None))
    assert gives(peer=Peer(OWN, (NOW,), b"ours")), "another device of one's own"
    assert not gives(us=OWN), "what another device of the account wrote"
    known = replace(WRITTEN, roots={b"c" * 16: b"root"})
    assert not gives(known, replace(PEER, device=Device(b"c" * 16, 21))), "who is not in the chat"
    for sessions, may in (((), False), ((NOW,), True), ((NOW + 1,), False), ((NOW + 1, NOW), True), ((0,), True)):
        assert gives(peer=replace(PEER, sessions_since=sessions)) == may, sessions


def test_rules__a_message_is_given_as_it_was_asked_for_and_until_it_expires():
    assert not gives(item=replace(WRITTEN.item, msg_id=bytes(16)))
    for late, may in ((-1, True), (0, False), (1, False)):
        assert gives(replace(WRITTEN, expires_at=NOW + HOUR_MS), now=NOW + HOUR_MS + late) == may


def test_rules__what_a_person_wrote_is_given_and_not_when_it_was_deleted():
    assert not gives(replace(WRITTEN, deleted=True))
    for content_type in ("step", "group-keys"):
        assert gives(replace(WRITTEN, content_type=f"application/x-kith-{content_type}".encode()))
        assert rules.body_again(f"application/x-kith-{content_type}".encode(), b"keys") == b""
    for content_type in ("reply", "reaction", "edit", "delete"):
        assert gives(replace(WRITTEN, content_type=f"application/x-kith-{content_type}".encode()))
        assert rules.body_again(f"application/x-kith-{content_type}".encode(), b"words") == b"words"


def test_rules__nothing_is_given_where_nothing_would_be_written():
    assert not gives(peer=replace(PEER, forked=True))
    assert not gives(peer=replace(PEER, root=b"another")), "neither verified nor as it was"
    assert not gives(peer=replace(PEER, root=b"another", verified_root=None)), "not as it was"
    assert not gives(peer=replace(PEER, root=b"another", verified_root=b"another")), "verified since"
    assert not gives(peer=replace(PEER, verified_root=b"another")), "not the one that was verified"
    assert not gives(replace(WRITTEN, roots={})), "nothing was known of the account then"


def test_rules__in_a_group_a_member_without_a_break_is_given_what_was_said_from_its_coming_on():
    message = Written(item_of(1, GROUP), US, NOW, group_epoch=5, roots={THEM.account: b"root"})
    for since, may in (({}, False), ({GROUP: 1}, True), ({GROUP: 5}, True), ({GROUP: 6}, False), ({CHAT: 1}, False)):
        assert gives(message, replace(PEER, since=since), message.item) == may, since


def test_rules__who_was_out_of_the_group_is_given_nothing_from_before():
    """`since` of the group's state says it: a break brings it above what was written before."""
    case = cases_group.usual("a break")
    state = group_of(case).state
    there = state.person(CAROL.account_id)
    assert there is not None
    peer = Peer(Device(CAROL.account_id, 7), (0,), b"root", since={GROUP: there.since})
    message = Written(item_of(1, GROUP), US, NOW, group_epoch=state.seq, roots={CAROL.account_id: b"root"})
    assert gives(message, peer, message.item)
    remove(case, ALICE, CAROL)
    gone = group_of(case).state
    assert gone.person(CAROL.account_id) is None and not gives(message, replace(peer, since={}), message.item)
    add(case, ALICE, CAROL, role=group.MEMBER)
    back = group_of(case).state.person(CAROL.account_id)
    assert back is not None and not gives(message, replace(peer, since={GROUP: back.since}), message.item)
    later = replace(message, group_epoch=group_of(case).state.seq)
    assert gives(later, replace(peer, since={GROUP: back.since}), message.item)


def test_rules__a_message_is_given_to_a_device_three_times():
    store, given = {WRITTEN.item.place: WRITTEN}, Given()
    counts = []
    for day in range(40):
        given, answered = given.answer(US, store, PEER, [WRITTEN.item], NOW + day * DAY_MS)
        counts.append(len(answered))
    assert counts == [1, 1, 1] + [0] * 37
    _, answered = given.answer(US, store, Peer(OWN, (0,), b"ours"), [WRITTEN.item], NOW)
    assert answered == [WRITTEN.item], "another device's times are its own"


def test_rules__a_device_is_given_256_messages_in_30_days():
    store = {item.place: replace(WRITTEN, item=item) for item in map(item_of, range(1, 400))}
    given, answered = Given().answer(US, store, PEER, [item_of(1)], NOW)
    given, answered = given.answer(US, store, PEER, map(item_of, range(2, 300)), NOW + DAY_MS)
    assert [item.seq for item in answered] == list(range(2, 257))
    for late, count in ((30 * DAY_MS - 1, 0), (30 * DAY_MS, 1), (31 * DAY_MS - 1, 1), (31 * DAY_MS, 100)):
        assert len(given.answer(US, store, PEER, map(item_of, range(300, 400)), NOW + late)[1]) == count, late
    _, answered = given.answer(US, store, Peer(OWN, (0,), b"ours"), map(item_of, range(1, 33)), NOW + DAY_MS)
    assert len(answered) == 32


def test_rules__of_what_is_not_given_nothing_is_said_and_the_rest_is_given():
    store = {item.place: replace(WRITTEN, item=item) for item in map(item_of, (1, 3))}
    store[item_of(2).place] = replace(WRITTEN, item=item_of(2), writer=OWN)
    given, answered = Given().answer(US, store, PEER, map(item_of, (1, 2, 3, 4)), NOW)
    assert answered == [item_of(1), item_of(3)] and len(given.times) == 2


# ---------------------------------------------------------------------------------------------- chains
def test_rules__who_asks_under_a_chain_is_given_it_and_a_new_one_if_it_had_got_it():
    chain, _ = Chain(1, frozenset()).send([THEM, OWN])
    assert chain.has == {THEM, OWN}
    drawn = chain.asked(THEM, 1, NOW)
    assert drawn == Chain(2, frozenset(), NOW)
    had, lacking = drawn.send([OWN, THEM])
    assert lacking == [THEM, OWN]
    assert had.asked(THEM, 1, NOW + DAY_MS) == had, "a chain that is no more"
    for asks in (THEM, OWN):  # whoever asks: one in 24 hours in all
        again = had.asked(asks, 2, NOW + DAY_MS - 1)
        assert (again.number, again.send([THEM, OWN])[1]) == (2, [asks])
        assert had.asked(asks, 2, NOW + DAY_MS).number == 3


def test_rules__who_had_not_got_the_chain_has_none_drawn():
    chain, _ = Chain(1, frozenset()).send([OWN])
    assert chain.asked(THEM, 1, NOW) == chain
    assert chain.asked(THEM, 1, NOW).send([THEM, OWN])[1] == [THEM]


# ---------------------------------------------------------------------------------------------- by chance
def test_rules__by_chance_no_limit_is_passed_and_nothing_is_taken_twice():
    """One device writes to another; messages, requests and answers are lost, late and repeated, and a third repeats what it saw."""
    came_late = never = 0
    for seed in range(60):
        rng = random.Random(seed)
        now, asker, given = NOW, Asker(), Given()
        store: dict[tuple[bytes, int], Written] = {}
        requests: list[list[Item]] = []
        answers: list[Item] = []
        lost: dict[Item, int] = {}
        asked: dict[Item, list[int]] = {}
        taken: dict[Item, int] = {}
        for number in range(1, 400):
            now += rng.choice((0, 1000, HOUR_MS, 10 * HOUR_MS))
            item = item_of(number)
            store[item.place] = replace(WRITTEN, item=item, encrypted_at=now)
            if rng.random() < 0.6:
                asker, lost[item] = asker.lost(item, now), now
            asker, sent = asker.ask(now, lambda _chat: rng.random() < 0.9)
            for items in sent:
                assert 1 <= len(items) <= resend.ITEMS_MAX and items == sorted(items)
                for one in items:
                    asked.setdefault(one, []).append(now)
            requests += sent
            if requests and rng.random() < 0.7:
                given, out = given.answer(US, store, PEER, rng.choice(requests), now)
                answers += out
            if answers and rng.random() < 0.8:
                one = rng.choice(answers)
                try:
                    asker = asker.take(one, now)
                except Refused:
                    assert one in taken or now - lost[one] >= 14 * DAY_MS
                else:
                    taken[one] = taken.get(one, 0) + 1
            assert len(asker.notes) <= rules.NOTED_MAX
        assert all(len(times) <= rules.ASKED_MAX for times in asked.values())
        assert all(later - sooner >= DAY_MS for times in asked.values() for sooner, later in zip(times, times[1:]))
        assert all(count == 1 for count in taken.values()) and set(taken) <= set(asked)
        assert all(answers.count(one) <= rules.GIVEN_MAX for one in set(answers))
        stamps = [at for _, _, at in given.times]
        assert all(stamps[at + rules.GIVEN_DEVICE_MAX] - stamps[at] >= 30 * DAY_MS for at in range(len(stamps) - rules.GIVEN_DEVICE_MAX))
        came_late += len(taken)
        never += len(set(asked) - set(taken))
    assert came_late > 1000 and never > 100


def test_payload__no_message_that_is_of_a_chat_is_mail_and_none_that_is_mail_of_a_chat():
    for values, thread in ((MAIL, CHAT), ({**FIRST, "thread_id": CHAT}, payload.NO_THREAD)):
        with pytest.raises(Refused):
            payload.decode(payload.encode(values), payload.Expected(**{**EXPECTED, "thread_id": thread}))
