"""Groups and sender chains in the model: as one computes them by hand, and what holds whatever happens. Their files are test_model.py's."""

import hashlib
import hmac
import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl import bindings as sodium

from . import cases_sender_chain, group, group_info, join, labels, primitives, random_groups, sender_chain, tlv
from .cases import Case
from .cases_group import usual
from .cases_sender_chain import EPOCH, HASH, OWNER, receiving, sending
from .coins import Coins
from .fixtures import DAY_MS, NOW, broken, coin
from .group import ADMIN, MEMBER, OWNER as OWNS, Person, State
from .group_steps import ALICE, BOB, CAROL, DAVE, DEVICE, EVE, GROUP_ID, asks, create, dsk_pub, forged, group_of, link_of, request_raw, takes
from .refused import Refused


def field(tag: int, value: bytes | int, width: int = 8) -> bytes:
    """A field spelt out, for what is computed here without the model."""
    value = value.to_bytes(width, "big") if isinstance(value, int) else value
    return tag.to_bytes(2, "big") + len(value).to_bytes(4, "big") + value


# ---------------------------------------------------------------------------------------------- encodings
CHAIN_MESSAGE = cases_sender_chain.forged(sending())
LINK = link_of("one")
STATE = State(GROUP_ID, 3, 1, (Person(ALICE.account_id, OWNS, 1),), b"info", 1, LINK.join_key).encode()
SIGNED = create(Case("encodings"), ALICE, BOB, info=coin("info", 55), settings=1)
TABLES: dict[str, tuple[list[tlv.Field], bytes]] = {
    "operation": (group.OPERATION, dict(tlv.fields(SIGNED))[1]),
    "signed operation": (group.SIGNED, SIGNED),
    "group": (group.STATE, STATE),
    "join request": (join.REQUEST, request_raw(LINK, ALICE, known_seq=2)),
    "signed join request": (join.SIGNED, asks(LINK, ALICE)),
    "info": (group_info.INFO, tlv.encode(group_info.INFO, {"name": b"name", "about": b"about"})),
    "group keys": (group_info.GROUP_KEYS, group_info.keys_encode({"group_id": GROUP_ID, "chain": b"chain"})),
    "chain": (sender_chain.CHAIN, sender_chain.give(sending(), EPOCH, HASH)),
    "header": (sender_chain.HEADER, dict(tlv.fields(CHAIN_MESSAGE))[2]),
    "message": (sender_chain.MESSAGE, CHAIN_MESSAGE),
    "sending": (sender_chain.SENDING, sending().encode()),
    "receiving": (sender_chain.RECEIVING, receiving().encode()),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables__decode_what_they_encode(name):
    table, data = TABLES[name]
    assert tlv.encode(table, tlv.decode(table, data)) == data


@pytest.mark.parametrize("name", TABLES)
def test_tables__refuse_what_is_broken(name):
    table, data = TABLES[name]
    all_may_be_missing = all(row.optional for row in table)
    for why, raw in broken(table, data):
        if raw or not all_may_be_missing:
            with pytest.raises(Refused):
                tlv.decode(table, raw)
                pytest.fail(why)


def test_states__are_what_was_encoded():
    assert group.state_decode(STATE).encode() == STATE
    assert sender_chain.sending_decode(sending(3).encode()) == sending(3)
    chain, _, _ = sender_chain.decrypt(receiving(), cases_sender_chain.forged(sending(3)), NOW)
    assert len(chain.kept) == 3 and sender_chain.receiving_decode(chain.encode()) == chain


@pytest.mark.parametrize("changed", [{"n": (7, 6)}, {"n": (7, 7)}, {"n": (9,)}, {"n": (4,)}, {"iteration": 4}])
def test_states__of_a_chain_that_no_step_leads_to_are_refused(changed):
    kept = tuple(sender_chain.Kept(n, bytes(32), NOW) for n in changed.get("n", ()))
    with pytest.raises(Refused):
        sender_chain.receiving_decode(replace(receiving(5), iteration=changed.get("iteration", 9), kept=kept).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"people": (Person(b"b" * 16, 1, 1), Person(b"a" * 16, 3, 1))},
        {"people": (Person(b"a" * 16, 4, 1),)},
        {"people": (Person(b"a" * 16, 3, 4),)},
        {"people": (Person(b"a" * 16, 3, 0),)},
        {"suite": 2},
        {"settings": 2},
        {"join_key": bytes(32)},
        {"join_key": bytes(31)},
        {"seq": 0, "people": ()},
    ],
)
def test_states__of_a_group_that_no_operation_leads_to_are_refused(changed):
    with pytest.raises(Refused):
        group.state_decode(replace(group.state_decode(STATE), **changed).encode())


# ---------------------------------------------------------------------------------------------- by hand
def test_group__a_create_and_an_add_are_as_one_writes_them_by_hand():
    case = Case("by hand")
    first, second = sorted((ALICE, BOB), key=lambda account: account.account_id)
    create(case, first, second, settings=1)
    people = first.account_id + b"\x03" + (1).to_bytes(8, "big") + second.account_id + b"\x01" + (1).to_bytes(8, "big")
    state = field(1, GROUP_ID) + field(2, 1) + field(3, 1, 1) + field(4, people) + field(6, 1, 1)
    op = field(1, GROUP_ID) + field(2, 1) + field(4, 1, 1) + field(5, first.account_id) + field(6, DEVICE, 4) + field(7, 1)
    op += field(8, coin(f"{first.name} list", 32)) + field(9, NOW) + field(10, hashlib.sha256(state).digest())
    op += field(13, first.account_id + b"\x03" + second.account_id + b"\x01") + field(14, 1, 1) + field(16, 1, 1)
    signature = Ed25519PrivateKey.from_private_bytes(first.dsk_seed(DEVICE)).sign(b"kith/1/gop\0" + op)
    made = case.steps[0]["out"]
    assert (made["op"], made["signed"]) == (op.hex(), (field(1, op) + field(2, signature)).hex())
    assert case.steps[1]["state"] == state.hex() and case.steps[1]["out"]["head"] == hashlib.sha256(op).hexdigest()
    third = b"\xff" * 16
    case.do("make_op", group="g", dsk_seed=bytes(32), kind=2, author=first.account_id, author_device=9, list_seq=4, list_hash=bytes(32),
            made_at=5, subject=third, role=3)
    people += third + b"\x03" + (2).to_bytes(8, "big")
    state = field(1, GROUP_ID) + field(2, 2) + field(3, 1, 1) + field(4, people) + field(6, 1, 1)
    add = field(1, GROUP_ID) + field(2, 2) + field(3, hashlib.sha256(op).digest()) + field(4, 2, 1) + field(5, first.account_id)
    add += field(6, 9, 4) + field(7, 4) + field(8, bytes(32)) + field(9, 5) + field(10, hashlib.sha256(state).digest())
    assert case.out("op") == add + field(11, third) + field(12, 3, 1)


def test_info__is_as_one_seals_it_by_hand():
    coins = coin("info by hand", 64)
    made = group_info.seal(GROUP_ID, {"name": b"name", "about": b"about"}, Coins(coins))
    key, key_id, nonce = coins[:32], coins[32:40], coins[40:]
    plain = field(1, b"name") + field(2, b"about")
    sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, GROUP_ID + key_id, nonce, key)
    assert (made.key, made.key_id, made.info) == (key, key_id, key_id + nonce + sealed)


def test_chain__a_message_is_as_one_computes_it_by_hand():
    coins, nonce = coin("chain by hand", 72), coin("chain by hand nonce", 24)
    chain = sender_chain.new(OWNER, Coins(coins), NOW)
    chain, _ = sender_chain.encrypt(chain, EPOCH, HASH, b"", Coins(bytes(24)))
    _, message = sender_chain.encrypt(chain, EPOCH, HASH, b"text", Coins(nonce))
    chain_id, chain_key, seed = coins[:8], coins[8:40], coins[40:]
    mk = hmac.digest(hmac.digest(chain_key, b"\x02", "sha256"), b"\x01", "sha256")
    account, device = ALICE.account_id, DEVICE.to_bytes(4, "big")
    keys = HKDF(hashes.SHA256(), 64, None, b"kith/1/sk-chain\0" + GROUP_ID + account + device + chain_id).derive(mk)
    header = field(1, GROUP_ID) + field(2, EPOCH) + field(3, HASH) + field(4, account) + field(5, device)
    header += field(6, chain_id) + field(7, 1, 4)
    commitment = hmac.digest(keys[32:], header + nonce, "sha256")
    sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(b"text", header, nonce, keys[:32])
    body = field(1, 1, 1) + field(2, header) + field(3, nonce) + field(4, commitment) + field(5, sealed)
    assert message == body + field(6, Ed25519PrivateKey.from_private_bytes(seed).sign(b"kith/1/sk-msg\0" + body))


# ---------------------------------------------------------------------------------------------- groups
def test_group__no_signature_is_moved_to_another_label():
    case = usual("labels")
    raw = dict(tlv.fields(forged(group_of(case), ALICE, group.LEAVE)))[1]
    for label, uses in labels.USES.items():
        if labels.SIGNS in uses:
            signed = tlv.encode(group.SIGNED, {"operation": raw, "signature": primitives.sign(ALICE.dsk_seed(DEVICE), label, raw)})
            if label == "gop":
                group.take(group_of(case), signed, dsk_pub(ALICE))
                continue
            with pytest.raises(Refused):
                group.take(group_of(case), signed, dsk_pub(ALICE))


def test_group__a_change_of_any_byte_is_refused():
    case = usual("bytes")
    known = group_of(case)
    signed = forged(known, BOB, group.ADD, subject=EVE.account_id, role=MEMBER)
    for at in range(len(signed)):
        with pytest.raises(Refused):
            group.take(known, signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :], dsk_pub(BOB))
    assert group.take(known, signed, dsk_pub(BOB))[0] == group.NEXT


def test_group__who_may_what_is_the_table_of_the_document():
    """Every author, every kind, every subject and role, against a table that is written down another way."""
    roles = {ALICE: OWNS, BOB: ADMIN, CAROL: MEMBER, DAVE: MEMBER, EVE: 0}
    known = group_of(usual("table"))
    for author, mine in roles.items():
        assert takes(known, author, group.LEAVE) == (mine > 0)
        assert takes(known, author, group.INFO) == takes(known, author, group.SETTINGS, settings=1) == (mine >= ADMIN)
        assert takes(known, author, group.JOIN_KEY) == takes(known, author, group.JOIN_KEY, join_key=LINK.join_key) == (mine >= ADMIN)
        for subject, theirs in roles.items():
            mine_only = mine == OWNS or (mine == ADMIN and theirs == MEMBER)
            assert takes(known, author, group.REMOVE, subject=subject.account_id) == (mine_only and theirs > 0 and author != subject)
            for role in (MEMBER, ADMIN, OWNS):
                whom = {"subject": subject.account_id, "role": role}
                assert takes(known, author, group.ADD, **whom) == (mine >= ADMIN and theirs == 0 and role <= mine)
                may = mine == OWNS and theirs not in (0, role) and author != subject
                assert takes(known, author, group.ROLE, **whom) == may


@pytest.mark.parametrize("seed", range(1, 40))
def test_group__by_chance_there_is_an_owner_and_everybody_is_there_once(seed):
    case = random_groups.group_case(seed)
    of_server = [step["state"] for step in case.steps if step["args"].get("group") == "s" and "state" in step]
    states = [group.state_decode(bytes.fromhex(state)) for state in of_server]
    for after in states:
        accounts = [person.account for person in after.people]
        assert accounts == sorted(set(accounts))
        assert after.owners or not after.people


def test_group__an_heir_is_the_first_of_all_by_role_then_time_then_id():
    rng = random.Random(1)
    for _ in range(200):
        ids = sorted(rng.randbytes(16) for _ in range(rng.randrange(2, 8)))
        others = [Person(one, rng.choice((MEMBER, MEMBER, ADMIN)), rng.randrange(1, 4)) for one in ids]
        leaver = Person(others.pop(rng.randrange(len(others))).account, OWNS, 1)
        people = tuple(sorted((*others, leaver), key=lambda one: one.account))
        left = group.without_owner(State(GROUP_ID, 9, 1, people), leaver)
        best = others[0]
        for other in others[1:]:
            if other.role > best.role or (other.role == best.role and other.since < best.since):
                best = other  # of the same role and time the first one, whose id is the smallest
        assert [(one.account, one.since) for one in left.owners] == [(best.account, best.since)]


# ---------------------------------------------------------------------------------------------- chains
@pytest.mark.parametrize("seed", range(20))
def test_chain__each_message_once_whatever_the_network_does(seed):
    rng = random.Random(seed)
    a, b, inbox, seen = sending(), receiving(), [], set()
    for number in range(200):
        if rng.random() < 0.5 or not inbox:
            text = f"{number}".encode()
            a, message = sender_chain.encrypt(a, EPOCH, HASH, text, Coins(rng.randbytes(24)))
            inbox.append((message, text))
            continue
        message, text = rng.choice(inbox)
        fate = rng.random()
        if fate < 0.15:
            inbox.remove((message, text))
            continue
        if fate < 0.3:
            at = rng.randrange(len(message))
            message = message[:at] + bytes([message[at] ^ 1 << rng.randrange(8)]) + message[at + 1 :]
        before = b.encode()
        try:
            b, _, plaintext = sender_chain.decrypt(b, message, NOW + number)
        except Refused:
            assert b.encode() == before and (fate < 0.3 or text in seen), f"SEED={seed}"
            continue
        assert plaintext == text and text not in seen, f"SEED={seed}"
        seen.add(text)
    assert seen


def test_chain__a_change_of_any_byte_is_refused():
    message = cases_sender_chain.forged(sending(1))
    for at in range(len(message)):
        with pytest.raises(Refused):
            sender_chain.decrypt(receiving(), message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :], NOW)


def test_chain__takes_a_plaintext_at_its_most_and_none_longer():
    most = bytes(sender_chain.SEALED_MAX - sender_chain.TAG)
    _, message = sender_chain.encrypt(sending(), EPOCH, HASH, most, Coins(bytes(24)))
    assert sender_chain.decrypt(receiving(), message, NOW)[2] == most
    with pytest.raises(Refused):
        sender_chain.encrypt(sending(), EPOCH, HASH, most + b"1", Coins(bytes(24)))


def test_chain__who_was_given_it_has_no_key_of_before():
    """Nothing in what is given opens an earlier message: only the chain key goes back to nothing."""
    early = cases_sender_chain.forged(sending(2))
    chain = receiving(3)
    for iteration in range(3):
        pretended = replace(chain, first_iteration=iteration, iteration=iteration)
        with pytest.raises(Refused):
            sender_chain.decrypt(pretended, early, NOW)


def test_chain__no_signature_is_moved_to_another_label():
    message = cases_sender_chain.forged(sending())
    body = cases_sender_chain.fields_of(message)
    for label, uses in labels.USES.items():
        if labels.SIGNS in uses and label != "sk-msg":
            with pytest.raises(Refused):
                sender_chain.decrypt(receiving(), body + field(6, primitives.sign(sending().sign_seed, label, body)), NOW)


def test_chain__kept_keys_end_after_14_days_and_not_before():
    chain, _, _ = sender_chain.decrypt(receiving(), cases_sender_chain.forged(sending(1)), NOW)
    first = cases_sender_chain.forged(sending())
    assert sender_chain.decrypt(chain, first, NOW + 14 * DAY_MS - 1)[2] == b"forged"
    with pytest.raises(Refused):
        sender_chain.decrypt(chain, first, NOW + 14 * DAY_MS)


def test_ring__keeps_only_a_key_that_the_info_names_and_that_opens_it():
    ring = group_info.Ring()
    one, two = (group_info.seal(GROUP_ID, {"name": b"name"}, Coins(coin(f"ring {number}", 64))) for number in range(2))

    def takes_key(key_id: bytes, key: bytes, info: bytes | None, group_id: bytes = GROUP_ID) -> bool:
        data = group_info.keys_encode({"group_id": group_id, "info_key_id": key_id, "info_key": key})
        return ring.take(group_info.keys_decode(data), info)

    assert not takes_key(one.key_id, one.key, None)
    assert not takes_key(one.key_id, one.key, two.info)
    assert not takes_key(two.key_id, one.key, two.info)
    assert not takes_key(one.key_id, one.key, one.info, bytes(16))
    assert not ring.take(group_info.keys_decode(group_info.keys_encode({"group_id": GROUP_ID, "chain": b"chain"})), one.info)
    assert not ring.keys
    assert takes_key(one.key_id, one.key, one.info)
    assert not takes_key(one.key_id, two.key, one.info)
    assert takes_key(two.key_id, two.key, two.info)
    assert ring.keys == {(GROUP_ID, sealed.key_id): sealed.key for sealed in (one, two)}


@pytest.mark.parametrize("tag", [0x8000, 0xFFFF])
def test_nothing_is_stepped_over_beside_a_signature(tag):
    case = usual("beside")
    signed = forged(group_of(case), ALICE, group.LEAVE)
    with pytest.raises(Refused):
        group.take(group_of(case), signed + field(tag, b"new"), dsk_pub(ALICE))
    with pytest.raises(Refused):
        sender_chain.decrypt(receiving(), CHAIN_MESSAGE + field(tag, b"new"), NOW)


def test_group__nobody_raises_the_alarm_with_what_nobody_signed():
    """Whatever an operation says, FORK comes only with a signature that holds."""
    case = usual("alarm")
    known = group_of(case)
    for seq in range(1, 4):
        for kind in range(1, 9):
            for fields in ({}, {"subject": EVE.account_id, "role": MEMBER}, {"subject": CAROL.account_id}, {"settings": 1}):
                raw = dict(tlv.fields(forged(known, BOB, kind, seq=seq, prev_hash=bytes(32), state_hash=bytes(32), **fields)))[1]
                unsigned = tlv.encode(group.SIGNED, {"operation": raw, "signature": bytes(64)})
                with pytest.raises(Refused) as refused:
                    group.take(known, unsigned, dsk_pub(BOB))
                assert refused.value.known_name == "REFUSED"
                signature = primitives.sign(BOB.dsk_seed(DEVICE), "gop", raw)
                with pytest.raises(Refused) as refused:
                    group.take(known, tlv.encode(group.SIGNED, {"operation": raw, "signature": signature}), dsk_pub(BOB))
                forks = seq > 1 and (kind, set(fields)) in FORMED
                assert (refused.value.known_name == "FORK") == forks, (seq, kind, fields)


FORMED = [
    (group.ADD, {"subject", "role"}),
    (group.REMOVE, {"subject"}),
    (group.LEAVE, set()),
    (group.ROLE, {"subject", "role"}),
    (group.INFO, set()),
    (group.SETTINGS, {"settings"}),
    (group.JOIN_KEY, set()),
]


def test_chain__a_name_is_of_group_account_device_and_id():
    given = sender_chain.give(sending(), EPOCH, HASH)
    known = receiving()
    assert sender_chain.take(known, OWNER, given) is known
    for changed in ({"group_id": bytes(16)}, {"account": BOB.account_id}, {"device_id": DEVICE + 1}):
        other = sender_chain.take(None, replace(OWNER, **changed), given)
        assert (other.chain_id, other.sign_pub) == (known.chain_id, known.sign_pub)
        with pytest.raises(Refused):
            sender_chain.decrypt(other, CHAIN_MESSAGE, NOW)


def test_cases_by_chance__are_always_the_same_and_of_every_kind():
    made = [random_groups.case_of(seed).steps for seed in range(40)]
    assert made[1] == random_groups.case_of(1).steps
    found = {(step["do"], step.get("err", "out")) for steps in made for step in steps}
    for name in ("FORK", "GAP", "REFUSED", "UNSUPPORTED", "out"):
        assert ("read_op", name) in found
    for do in ("make_op", "join_group", "check_epoch", "read_group_payload", "take_chain", "chain_decrypt"):
        assert {(do, "out"), (do, "REFUSED")} <= found
    for do in ("read_link", "sign_join", "read_join", "prove_join", "verify_join"):
        assert {(do, "out"), (do, "REFUSED")} <= found
    assert ("chain_decrypt", "REPEATED") in found
