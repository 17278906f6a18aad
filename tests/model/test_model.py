"""The model agrees with the known answers of the primitives, keeps its promises, and makes the committed files byte for byte."""

import hashlib
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import cases_ratchet, device_list, labels, make_vectors, payload, prekey, primitives, random_cases, ratchet, session, state, tlv
from .cases_payload import EXPECTED, FIRST
from .coins import Coins
from .fixtures import DAY_MS, NOW, Account, broken, coin, with_field
from .refused import Refused
from .run import Run

VECTORS = make_vectors.FOLDER
ALICE, BOB = Account("alice"), Account("bob")


# ---------------------------------------------------------------------------------------------- primitives
def rows_of(schema: bytes) -> list[tlv.Field]:
    """A table as the vectors of tlv_decode write it: tag, least, most, and whether the field may be missing."""
    rows = [schema[at : at + 11] for at in range(0, len(schema), 11)]
    parts = [(int.from_bytes(row[:2]), int.from_bytes(row[2:6]), int.from_bytes(row[6:10]), bool(row[10])) for row in rows]
    return [tlv.string(tag, str(tag), least, most, optional) for tag, least, most, optional in parts]


def tlv_decode(schema: bytes, data: bytes) -> bytes:
    return b"".join(value or b"" for value in tlv.decode(rows_of(schema), data).values())


def tlv_fields(data: bytes) -> bytes:
    return b"".join(tag.to_bytes(2, "big") + len(value).to_bytes(4, "big") for tag, value in tlv.fields(data))


OPERATIONS: dict[str, Any] = {
    "sha256": primitives.sha256,
    "blake2b": primitives.blake2b,
    "hmac": primitives.hmac,
    "hmac_verify": primitives.hmac_verify,
    "hkdf": primitives.hkdf,
    "dh": primitives.dh,
    "dh_public": primitives.dh_public,
    "dh_check": primitives.dh_check,
    "sign_public": primitives.sign_public,
    "sign_check": primitives.sign_check,
    "ed25519_sign": primitives.ed25519_sign,
    "ed25519_verify": primitives.ed25519_verify,
    "aead_seal": primitives.aead_seal,
    "aead_open": primitives.aead_open,
    "label_prefix": lambda label: labels.prefix(label.decode()),
    "sign": lambda seed, label, data: primitives.sign(seed, label.decode(), data),
    "verify": lambda key, label, data, signature: primitives.verify(key, label.decode(), data, signature),
    "derive": lambda salt, ikm, label, info, length: primitives.derive(salt, ikm, label.decode(), info, length),
    "transcript": lambda label, data: primitives.transcript(label.decode(), data),
    "safety_half": lambda key, account: primitives.safety_half(key, account).encode(),
    "safety_number": lambda *both: primitives.safety_number(*both).encode(),
    "tlv_fields": tlv_fields,
    "tlv_decode": tlv_decode,
    "tlv_items": lambda data: len(tlv.list_decode(data)).to_bytes(4, "big"),
}
# What the protocol between devices does not use.
LEFT_OUT = {"sha512", "passphrase_key", "hex_encode", "hex_decode", "base64url_encode", "base64url_decode", "ct_eq"}


def arg_of(value: Any) -> Any:
    if isinstance(value, dict):
        return value["text"].encode()
    return bytes.fromhex(value) if isinstance(value, str) else value


def iterated(secret: bytes, point: bytes, times: int) -> bytes:
    """RFC 7748's chain: the result is the next secret, the secret the next point, without its highest bit."""
    for _ in range(times):
        secret, point = primitives.dh(secret, point), secret[:31] + bytes([secret[31] & 0x7F])
    return secret


def answer(case: dict[str, Any]) -> dict[str, str]:
    try:
        if "iterate" in case:
            secret, point = map(arg_of, case["in"])
            return {"out": iterated(secret, point, case["iterate"]).hex()}
        return {"out": (OPERATIONS[case["op"]](*map(arg_of, case["in"])) or b"").hex()}
    except Refused as refused:
        return {"err": refused.name}


PRIMITIVE_FILES = sorted(path for path in VECTORS.glob("*.json") if not path.name.startswith("kith1_"))


@pytest.mark.parametrize("path", PRIMITIVE_FILES, ids=lambda path: path.stem)
def test_primitives__agree_with_their_known_answers(path):
    for case in json.loads(path.read_text())["cases"]:
        if case["op"] not in LEFT_OUT:
            assert answer(case) == {key: case[key] for key in ("out", "err") if key in case}, case["name"]


def test_kem__agrees_with_another_implementation():
    for number in range(4):
        seed = coin(f"kem seed {number}", 64)
        other = mlkem.MLKEM768PrivateKey.from_seed_bytes(seed)
        public = other.public_key().public_bytes_raw()
        assert primitives.kem_public(seed) == public
        shared, ciphertext = other.public_key().encapsulate()
        assert primitives.kem_decaps(seed, ciphertext) == shared
        ciphertext, shared = primitives.kem_encaps(public, coin(f"kem coin {number}", 32))
        assert other.decapsulate(ciphertext) == shared


def test_kem__refuses_each_number_that_is_not_below_3329():
    public = primitives.kem_public(bytes(64))
    for index in range(768):
        at, high = index // 2 * 3, index % 2
        pair = int.from_bytes(public[at : at + 3], "little")
        pair = pair & 0xFFF | 3329 << 12 if high else pair & 0xFFF000 | 3329
        with pytest.raises(Refused):
            primitives.kem_check(public[:at] + pair.to_bytes(3, "little") + public[at + 3 :])


# ---------------------------------------------------------------------------------------------- known answers
@pytest.fixture(scope="module")
def texts():
    return make_vectors.texts()


@pytest.mark.parametrize("name", [f"kith1_{name}.json" for name in make_vectors.FILES])
def test_vectors__are_made_again_byte_for_byte(texts, name):
    assert texts[name] == (VECTORS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [f"kith1_{name}.json" for name in make_vectors.FILES])
def test_vectors__are_as_the_runner_reads_them(name):
    for case in json.loads((VECTORS / name).read_text(encoding="utf-8"))["cases"]:
        run = Run()
        for step in case["steps"]:
            wanted = {key: step[key] for key in ("out", "err", "state", "state_sha256") if key in step}
            assert run.step(step["do"], step["args"]) == wanted, (case["name"], step.get("note"))


def plain(value: Any) -> bool:
    """Hex, numbers that every language's JSON keeps, and lists and objects of them."""
    if isinstance(value, dict):
        return all(map(plain, value.values()))
    if isinstance(value, list):
        return all(map(plain, value))
    return isinstance(value, str) or (type(value) is int and 0 <= value < 2**53)


def test_vectors__have_only_what_every_json_reader_keeps(texts):
    for text in texts.values():
        for case in json.loads(text)["cases"]:
            assert all(plain(step) for step in case["steps"]), case["name"]


def test_vectors__have_each_refusal_that_has_a_name(texts):
    for name in ("FORK", "STALE", "GAP", "IDENTITY", "ROLLBACK", "REPEATED", "REFUSED"):
        assert any(f'"err": "{name}"' in text for text in texts.values()), name


# ---------------------------------------------------------------------------------------------- encodings
TABLES = {
    "device list": (device_list.DEVICE_LIST, device_list.list_encode(ALICE.fields([ALICE.device(7, manager=1)]))),
    "signed list": (device_list.SIGNED_LIST, ALICE.signed(ALICE.fields([ALICE.device(7)]))),
    "prekey": (prekey.prekey_table("spk"), BOB.prekey("spk", 21, 5)),
    "payload": (payload.PAYLOAD, payload.encode(FIRST)),
    "state": (state.STATE, cases_ratchet.first_states()[0].encode()),
    "message": (ratchet.MESSAGE, cases_ratchet.first_states()[2]),
    "set-up": (session.SETUP, cases_ratchet.first_states()[0].setup or b""),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables__decode_what_they_encode_and_no_prefix_of_it(name):
    table, data = TABLES[name]
    assert tlv.encode(table, tlv.decode(table, data)) == data
    for length in range(len(data)):
        try:
            found = tlv.decode(table, data[:length])
        except Refused:
            continue
        assert tlv.encode(table, found) == data[:length], "a prefix that ends with a field, and what is behind may be missing"


@pytest.mark.parametrize("name", TABLES)
def test_tables__refuse_what_is_broken(name):
    table, data = TABLES[name]
    for why, raw in broken(table, data):
        with pytest.raises(Refused):
            tlv.decode(table, raw)
            pytest.fail(why)


def test_state__is_what_was_encoded():
    for one in cases_ratchet.first_states()[:2]:
        assert state.decode(one.encode()) == one


# ---------------------------------------------------------------------------------------------- device list
def test_device_list__refuses_a_list_longer_than_its_most():
    fields = ALICE.fields([ALICE.device(number) for number in range(1, 33)], seq=2, prev_hash=bytes(32), removed=list(range(100, 4196)))
    raw = device_list.list_encode(fields)
    filler = bytes(24_576 - len(raw) - tlv.HEAD)
    device_list.signed_decode(ALICE.account_id, ALICE.sign_raw(raw + tlv.put(0x8000, filler), {}))
    with pytest.raises(Refused):
        device_list.signed_decode(ALICE.account_id, ALICE.sign_raw(raw + tlv.put(0x8000, filler + b"1"), {}))


def test_device_list__no_signature_is_moved_to_another_label():
    fields = ALICE.fields([ALICE.device(7)])
    raw = device_list.list_encode(fields)
    signing = [label for label, uses in labels.USES.items() if labels.SIGNS in uses]
    for label in signing:
        signed = device_list.signed_encode(raw, primitives.sign(ALICE.aik_seed, label, raw), {})
        if label == "devlist":
            device_list.signed_decode(ALICE.account_id, signed)
            continue
        with pytest.raises(Refused):
            device_list.signed_decode(ALICE.account_id, signed)


# ---------------------------------------------------------------------------------------------- session
def begun(**changed: Any) -> state.State:
    """A session of A with B, where one thing may be different."""
    pins = {}
    suites = changed.get("suites", b"\x02")
    for account, device in ((ALICE, 7), (BOB, 21)):
        extra = [account.device(99)] if changed.get("list") == account.name else []
        signed = account.signed(account.fields([account.device(device), *extra], suites=suites))
        pins[account.name] = device_list.read(None, account.account_id, signed, NOW)
    us, them = session.party(pins["alice"], 7), session.party(pins["bob"], 21)
    spk, kem, opk = (BOB.prekey(kind, 21, changed.get(kind, 1)) for kind in ("spk", "kem-ot", "opk"))
    with_opk = opk if changed.get("with_opk", True) else None
    last = changed.get("last", False)
    kem = BOB.prekey("kem-lr", 21, 1) if last else kem
    bundle = session.bundle_check(them, spk, kem, last, with_opk, NOW)
    return session.begin(us, ALICE.ddh_secret(7), them, bundle, Coins(changed.get("coins", coin("begun", 96))), NOW)


def test_session__everything_in_the_transcript_changes_it():
    different: list[dict[str, Any]] = [
        {},
        {"list": "alice"},
        {"list": "bob"},
        {"suites": b"\x01\x02"},
        {"spk": 2},
        {"kem-ot": 2},
        {"opk": 2},
        {"with_opk": False},
        {"last": True},
        {"coins": coin("begun", 32) + bytes(64)},
        {"coins": bytes(32) + coin("begun", 96)[32:]},
    ]
    states = [begun(**changed) for changed in different]
    assert len({made.transcript for made in states}) == len(different)
    assert len({made.root_key for made in states}) == len(different)


def field(tag: int, value: bytes | int, width: int = 4) -> bytes:
    """A field spelt out, for what is computed here without the model."""
    value = value.to_bytes(width, "big") if isinstance(value, int) else value
    return tag.to_bytes(2, "big") + len(value).to_bytes(4, "big") + value


def agree(secret: bytes, public: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


def test_session__transcript_and_root_key_are_as_one_computes_them_by_hand():
    coins, lists = coin("begun", 96), []
    ek, (a, b) = coins[:32], (ALICE.device(7), BOB.device(21))
    for account, device in ((ALICE, a), (BOB, b)):
        lists.append(hashlib.sha256(device_list.list_encode(account.fields([device]))).digest())
    spk, opk, kem_seed = (BOB.prekey_secret(kind, 21, 1) for kind in ("spk", "opk", "kem-ot"))
    public = {name: primitives.dh_public(secret) for name, secret in (("spk", spk), ("opk", opk), ("ek", ek))}
    kem_pub = primitives.kem_public(kem_seed)
    ct, shared = primitives.kem_encaps(kem_pub, coins[32:64])
    t = field(1, 2, 1)
    for at, account, device, list_hash in ((2, ALICE, a, lists[0]), (9, BOB, b, lists[1])):
        t += field(at, account.account_id) + field(at + 1, device["device_id"]) + field(at + 2, account.ark_pub)
        t += field(at + 3, device["dsk_pub"]) + field(at + 4, device["ddh_pub"]) + field(at + 5, 1, 8) + field(at + 6, list_hash)
    t += field(16, 1) + field(17, public["spk"]) + field(18, 1) + field(19, public["opk"])
    t += field(20, 1) + field(21, hashlib.sha256(kem_pub).digest()) + field(22, 0, 1)
    t += field(23, public["ek"]) + field(24, hashlib.sha256(ct).digest())
    transcript = hashlib.sha256(b"kith/1/pqxdh\0" + t).digest()
    ikm = b"\xff" * 32 + agree(spk, a["ddh_pub"]) + agree(BOB.ddh_secret(21), public["ek"]) + agree(spk, public["ek"])
    ikm += agree(opk, public["ek"]) + shared
    root_key = HKDF(hashes.SHA256(), 32, None, b"kith/1/pqxdh\0" + transcript).derive(ikm)
    step = HKDF(hashes.SHA256(), 64, root_key, b"kith/1/rk\0").derive(agree(coins[64:], public["spk"]))
    made = begun()
    assert (made.transcript, made.root_key, made.send_chain) == (transcript, step[:32], step[32:])
    assert (made.our_secret, made.their_pub, made.ek_pub) == (coins[64:], public["spk"], public["ek"])


def test_session__is_silent_after_30_days():
    made = begun()
    assert not session.is_silent(made, NOW + 30 * DAY_MS - 1) and session.is_silent(made, NOW + 30 * DAY_MS)
    heard = replace(made, heard_at=NOW + DAY_MS)
    assert not session.is_silent(heard, NOW + 31 * DAY_MS - 1) and session.is_silent(heard, NOW + 31 * DAY_MS)


# ---------------------------------------------------------------------------------------------- ratchet
class Side:
    """One side of a session, and the messages of the other that are under way to it."""

    def __init__(self, name: str, begin_with: state.State) -> None:
        self.name, self.state = name, begin_with
        self.inbox: list[tuple[bytes, bytes]] = []
        self.seen: set[bytes] = set()


@pytest.mark.parametrize("seed", range(30))
def test_ratchet__each_message_once_whatever_the_network_does(seed):
    rng = random.Random(seed)
    sides = [Side(name, settled) for name, settled in zip("ab", cases_ratchet.settled())]
    for step in range(150):
        index = rng.randrange(2)
        here, there = sides[index], sides[1 - index]
        if rng.random() < 0.5 or not here.inbox:
            text = f"{here.name} {step}".encode()
            here.state, message = ratchet.encrypt(here.state, text, Coins(rng.randbytes(24)), NOW + step)
            there.inbox.append((message, text))
            continue
        message, text = here.inbox[rng.randrange(len(here.inbox))]
        fate = rng.random()
        if fate < 0.15:  # lost
            here.inbox.remove((message, text))
            continue
        if fate < 0.3:  # damaged on the way
            at = rng.randrange(len(message))
            message = message[:at] + bytes([message[at] ^ 1 << rng.randrange(8)]) + message[at + 1 :]
        before = here.state.encode()
        try:
            here.state, plaintext = ratchet.decrypt(here.state, message, Coins(rng.randbytes(32)), NOW + step)
        except Refused as refused:
            assert here.state.encode() == before
            assert fate < 0.3 or text in here.seen or refused.name != "MALFORMED", f"SEED={seed}"
            continue
        assert plaintext == text and text not in here.seen, f"SEED={seed}"
        here.seen.add(text)
    assert sides[0].seen and sides[1].seen


def test_ratchet__sessions_by_chance_are_always_the_same_and_of_every_kind():
    made = [random_cases.session_case(seed).steps for seed in range(40)]
    assert made[0] == random_cases.session_case(0).steps
    results = {step.get("err", "out") for steps in made for step in steps if step["do"] == "decrypt"}
    assert results == {"out", "REPEATED", "REFUSED"}
    messages = [bytes.fromhex(step["out"]["message"]) for steps in made for step in steps if step["do"] == "encrypt"]
    assert {ratchet.message_decode(message).header.flags for message in messages} == {0, ratchet.NEED_STEP}


def test_ratchet__a_change_of_any_byte_is_refused_and_changes_nothing():
    a, b = cases_ratchet.settled()
    _, message = ratchet.encrypt(a, b"text", Coins(bytes(24)), NOW)
    before = b.encode()
    for at in range(len(message)):
        with pytest.raises(Refused):
            ratchet.decrypt(b, message[:at] + bytes([message[at] ^ 0x10]) + message[at + 1 :], Coins(b""), NOW)
    assert b.encode() == before
    assert ratchet.decrypt(b, message, Coins(bytes(32)), NOW)[1] == b"text"


def test_ratchet__takes_a_plaintext_at_its_most_and_none_longer():
    a, b = cases_ratchet.settled()
    most = bytes(ratchet.SEALED_MAX - ratchet.TAG)
    _, message = ratchet.encrypt(a, most, Coins(bytes(24)), NOW)
    assert ratchet.decrypt(b, message, Coins(bytes(32)), NOW)[1] == most
    with pytest.raises(Refused):
        ratchet.encrypt(a, most + b"1", Coins(bytes(24)), NOW)


def test_ratchet__a_commitment_is_looked_at_before_the_ciphertext():
    """Sealed for another key, but committed to: what only the AEAD refuses. And the other way round."""
    a, b = cases_ratchet.settled()
    _, message = ratchet.encrypt(a, b"text", Coins(bytes(24)), NOW)
    for tag in (5, 6):
        value = dict(tlv.fields(message))[tag]
        with pytest.raises(Refused):
            ratchet.decrypt(b, with_field(message, tag, bytes(len(value))), Coins(b""), NOW)


# ---------------------------------------------------------------------------------------------- payload
def padme_by_search(length: int) -> int:
    """The next length whose lowest E - S bits are zero, by trying."""
    while True:
        exponent = length.bit_length() - 1
        zero_bits = exponent - (exponent.bit_length() - 1) - 1
        if length % 2**zero_bits == 0:
            return length
        length += 1


def test_payload__padded_lengths_are_those_of_the_document():
    for length in [*range(16, 9000), *range(65_000, 66_000), *range(131_000, 133_000)]:
        wanted = -(-length // 160) * 160 if length <= 4096 else padme_by_search(length)
        assert payload.padded_length(length) == wanted, length


def test_payload__every_body_of_1_to_5000_bytes_comes_back_in_a_padded_length():
    expected = payload.Expected(**EXPECTED)
    lengths = set()
    for length in range(1, 5001):
        body = b"x" * length
        made = payload.encode({**FIRST, "body": body})
        assert payload.decode(made, expected)["body"] == body
        lengths.add(len(made))
    assert all(length % 160 == 0 for length in lengths if length <= 4160)
    assert all(padme_by_search(length) == length for length in lengths if length > 4160)


def test_payload__takes_a_body_at_its_most_and_none_longer():
    expected = payload.Expected(**EXPECTED)
    payload.decode(payload.encode({**FIRST, "body": bytes(131_072)}), expected)
    with pytest.raises(Refused):
        payload.decode(payload.encode({**FIRST, "body": bytes(131_073)}), expected)


def test_payload__other_copies_have_the_same_body_hash():
    own = payload.encode({**FIRST, "dest": bytes(16)})
    hashes = {dict(tlv.fields(made))[16] for made in (own, payload.encode(FIRST))}
    assert len(hashes) == 1


def test_payload__a_reader_counts_what_is_missing():
    assert [payload.missing_before(3, sseq) for sseq in (2, 3, 4, 5, 7)] == [0, 0, 0, 1, 3]
