"""The key directory over a real server: lists in order, each one-time prekey once, the last ones for contacts, and all of it after kill -9."""

from __future__ import annotations

import base64
import http.client
import json
import uuid
from typing import Any

import pytest

from device_keys import X25519, Keys, field, list_hash, prekey, text, upload
from kithd import Account, Kithd, Problem
from model import device_list, fixtures
from uuid7 import uuid7

RESERVED, CLAIMS = 10, 6


def put(kithd: Kithd, account: Account, body: dict[str, Any]) -> Any:
    return kithd.rest("PUT", "/devices/me/keys", body, account.access_token)


def left(kithd: Kithd, account: Account) -> Any:
    return kithd.rest("GET", "/devices/me/keys", token=account.access_token)


def devices(kithd: Kithd, by: Account, of: Account) -> Any:
    return kithd.rest("GET", f"/users/{of.user_id}/devices", token=by.access_token)


def claim(kithd: Kithd, by: Account, *of: Account) -> Any:
    return kithd.rest("POST", "/keys/claim", {"devices": [{"user_id": o.user_id, "device_id": o.device_id} for o in of]},
                      by.access_token)


def bundle(kithd: Kithd, by: Account, of: Account) -> Any:
    answer = claim(kithd, by, of)
    assert not answer["missing"] and len(answer["bundles"]) == 1
    return answer["bundles"][0]


def say(kithd: Kithd, by: Account, to: Account, chat: str, list_seq: int) -> None:
    """A message that was made for this number of the other's devices."""
    kithd.rest("POST", "/messages", {
        "chat_id": chat, "msg_id": uuid7(), "encrypted": True,
        "bodies": [{"device_id": to.device_id, "content": text(b"hello")}],
        "device_lists": [{"user_id": by.user_id, "list_seq": 1}, {"user_id": to.user_id, "list_seq": list_seq}]},
        by.access_token)


def refused(call: Any, *args: Any) -> Problem:
    with pytest.raises(Problem) as problem:
        call(*args)
    return problem.value


def expect(problem: Problem, status: int, code: str) -> None:
    assert (problem.status, problem.code, problem.body["pointer"]) == (status, code, "/list")


def test_a_list_is_ordered_and_the_chats_hear_of_the_next(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")
    keys = Keys(bob.user_id)
    first = keys.list([bob.device_id])
    assert put(kithd, bob, {"list": text(keys.signed(first))}) == {"list_seq": 2, "opk_count": 0, "kem_ot_count": 0}
    chat = kithd.chat(ann, bob, encrypted=True)
    say(kithd, ann, bob, chat, 2)
    accepted = text(keys.signed(first, 1))
    assert put(kithd, bob, {"list": accepted})["list_seq"] == 3
    stale = refused(say, kithd, ann, bob, chat, 2)
    assert (stale.code, stale.body["missing"], stale.body["removed"]) == ("STALE_DEVICES", [], [])
    assert {entry["user_id"]: entry["list_seq"] for entry in stale.body["device_lists"]}[bob.user_id] == 3
    say(kithd, ann, bob, chat, 3)
    assert devices(kithd, ann, bob) == {"user_id": bob.user_id, "list_seq": 3, "devices": [bob.device_id],
                                        "list": accepted}
    other = keys.list([bob.device_id], suites=b"\x02\x03")
    for wrong in (other, keys.list([bob.device_id], 2, list_hash(other)), keys.list([bob.device_id], 3, list_hash(first))):
        expect(refused(put, kithd, bob, {"list": text(keys.signed(wrong, 1))}), 409, "CONFLICT")
    foreign = Keys(ann.user_id)
    problem = refused(put, kithd, bob, {"list": text(foreign.signed(foreign.list([bob.device_id], 2, list_hash(first))))})
    expect(problem, 400, "BAD_REQUEST")

    kithd.kill9()
    kithd.start()
    assert devices(kithd, ann, bob)["list"] == accepted
    second = keys.list([bob.device_id], 2, list_hash(first))
    forgets = refused(put, kithd, bob, {"list": text(keys.signed(second))})  # the acceptance that the first has
    expect(forgets, 409, "CONFLICT")
    assert put(kithd, bob, {"list": text(keys.signed(second, 1))})["list_seq"] == 4
    assert put(kithd, bob, {"list": text(keys.signed(second, 1))})["list_seq"] == 4  # the same again


def test_a_stolen_token_cannot_block_an_accounts_list(kithd: Kithd) -> None:
    """Whoever has a token has everything of the next list but the account's keys: the server refuses what no client would believe."""
    ann, bob = kithd.people("ann", "bob")
    phone = kithd.login(bob, "phone")
    keys, thief = Keys(bob.user_id), Keys(bob.user_id, "a thief")
    both = [bob.device_id, phone.device_id]
    first = keys.list(both)
    stored = keys.signed(first, 2)
    assert put(kithd, bob, {"list": text(stored)})["list_seq"] == 3
    pin = device_list.read(None, keys.account_id, stored, fixtures.NOW)

    def steal(raw: bytes, status: int, code: str) -> None:
        expect(refused(put, kithd, phone, {"list": text(raw), "opks": [text(prekey(1, X25519))]}), status, code)

    follows = {"device_ids": both, "seq": 2, "prev_hash": list_hash(first)}
    second = keys.list(**follows)
    raw = device_list.list_encode(second)
    steal(thief.sign_raw(raw, keys.acceptances(second)), 403, "BAD_SIGNATURE")  # the account's list, signed with another key
    steal(thief.signed(thief.list(**follows), 2), 409, "CONFLICT")  # a good list of another root key
    mine = {"ark_pub": keys.ark_pub, "certificate": first["certificate"]}
    steal(thief.signed(thief.list(**follows, **mine), 2), 403, "BAD_SIGNATURE")  # a list key that the root never certified
    steal(stored[:-1] + bytes([stored[-1] ^ 1]), 403, "BAD_SIGNATURE")  # the list that is there, an acceptance spoiled
    steal(keys.sign_raw(device_list.list_encode(first), {}), 409, "CONFLICT")  # and without them
    steal(stored + field(0x8000, bytes(20_000)), 403, "BAD_SIGNATURE")  # padded, so that nothing fits beside it any more
    steal(keys.signed(keys.list([bob.device_id], 2, list_hash(first), removed=[2]), 1), 403, "FORBIDDEN")  # not in it any more
    assert devices(kithd, ann, bob)["list"] == text(stored)
    assert left(kithd, phone)["opk_count"] == 0  # all or nothing

    kithd.kill9()
    kithd.start()
    answer = devices(kithd, ann, bob)
    assert (answer["list"], answer["list_seq"]) == (text(stored), 3)
    assert put(kithd, bob, {"list": text(keys.signed(second, 2))})["list_seq"] == 4
    pin = device_list.read(pin, keys.account_id, base64.b64decode(devices(kithd, ann, bob)["list"]), fixtures.NOW)
    assert pin.signed.list.seq == 2 and pin.usable == {1, 2}
    steal(stored, 409, "CONFLICT")  # what was good before the second

    # Whoever removed the phone has a new list key, too: the old one signs nothing any more.
    rotated = keys.rotated("the second list key", 2)
    rotated.account_id = keys.account_id
    alone = [keys.device(1, server_device=uuid.UUID(bob.device_id).bytes)]
    third = rotated.fields(alone, seq=3, prev_hash=list_hash(second), removed=[2])
    accept = {1: rotated.acceptances(third)[1]}
    assert put(kithd, bob, {"list": text(rotated.sign_raw(device_list.list_encode(third), accept))})["list_seq"] == 5
    fourth = keys.list([bob.device_id, phone.device_id], 4, list_hash(third))
    steal(keys.signed(fourth, 2), 409, "CONFLICT")
    pin = device_list.read(pin, keys.account_id, base64.b64decode(devices(kithd, ann, bob)["list"]), fixtures.NOW)
    assert pin.signed.list.seq == 3 and pin.usable == {1}


def test_bundles_until_the_last_resort_also_after_a_crash(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")  # who was invited is a contact
    keys = upload(opks=3, kem_ots=3)
    assert put(kithd, bob, keys) == {"list_seq": 1, "opk_count": 3, "kem_ot_count": 3}
    given = [bundle(kithd, ann, bob) for _ in range(2)]
    kithd.kill9()
    kithd.start()
    assert left(kithd, bob) == {"list_seq": 1, "opk_count": 1, "kem_ot_count": 1, "has_list": False, "spk_id": 1,
                                "kem_lr_id": 2}
    given.append(bundle(kithd, ann, bob))
    assert sorted(b["opk"] for b in given) == sorted(keys["opks"])
    assert sorted(b["kem"] for b in given) == sorted(keys["kem_ots"])
    assert all(b["spk"] == keys["spk"] and not b["kem_last_resort"] for b in given)
    last = bundle(kithd, ann, bob)
    assert last["kem"] == keys["kem_lr"] and last["kem_last_resort"] and "opk" not in last

    phone = kithd.login(bob, "phone")
    assert claim(kithd, bob, phone) == {"bundles": [], "missing": [phone.device_id]}
    assert refused(claim, kithd, bob, bob).status == 400
    put(kithd, phone, upload(opks=1, kem_ots=1))
    assert "opk" in bundle(kithd, bob, phone)
    kithd.rest("DELETE", f"/devices/{phone.device_id}", None, bob.access_token)
    assert claim(kithd, ann, phone)["missing"] == [phone.device_id]


def test_strangers_leave_the_last_ten_of_each_kind(kithd: Kithd) -> None:
    ann, bob, eve = kithd.people("ann", "bob", "eve")
    put(kithd, bob, upload(opks=RESERVED + 1, kem_ots=RESERVED + 2))
    assert "opk" in bundle(kithd, eve, bob)
    second = bundle(kithd, eve, bob)
    assert "opk" not in second and not second["kem_last_resort"]
    third = bundle(kithd, eve, bob)
    assert "opk" not in third and third["kem_last_resort"]
    assert "opk" in bundle(kithd, ann, bob)
    # A request is not enough; accepted, she is one of them.
    chat = kithd.chat(eve, bob, encrypted=True)
    assert bundle(kithd, eve, bob)["kem_last_resort"]
    kithd.rest("POST", f"/chats/{chat}/accept", None, bob.access_token)
    assert not bundle(kithd, eve, bob)["kem_last_resort"]
    assert left(kithd, bob)["opk_count"] == RESERVED - 2


@pytest.mark.timeout(300)
def test_ten_thousand_requests_leave_the_contacts_their_keys(kithd: Kithd) -> None:
    ann, bob, eve = kithd.people("ann", "bob", "eve")
    put(kithd, bob, upload(opks=100, kem_ots=100))
    connection = http.client.HTTPConnection("127.0.0.1", kithd.port, timeout=30)
    body = json.dumps({"devices": [{"user_id": bob.user_id, "device_id": bob.device_id}]})
    headers = {"Authorization": f"Bearer {eve.access_token}", "Content-Type": "application/json"}
    answers: dict[int, int] = {}
    for _ in range(10_000):
        connection.request("POST", "/keys/claim", body, headers)
        response = connection.getresponse()
        response.read()
        answers[response.status] = answers.get(response.status, 0) + 1
        if response.status == 429:
            assert int(response.headers["Retry-After"]) >= 1
    connection.close()
    assert answers == {200: CLAIMS, 429: 10_000 - CLAIMS}
    now = left(kithd, bob)
    assert now["opk_count"] == 100 - CLAIMS and now["kem_ot_count"] == 100 - CLAIMS
    assert all("opk" in bundle(kithd, ann, bob) for _ in range(CLAIMS))
    assert refused(claim, kithd, ann, bob).headers["Retry-After"] == "600"

    # Whatever a restart gives back, the last ten are not hers.
    for _ in range(15):
        kithd.kill9()
        kithd.start()
        for _ in range(CLAIMS):
            bundle(kithd, eve, bob)
    assert left(kithd, bob)["opk_count"] == RESERVED and left(kithd, bob)["kem_ot_count"] == RESERVED
    assert "opk" in bundle(kithd, ann, bob)


def test_a_key_is_registered_once_and_at_most_a_hundred_are_kept(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")
    keys = upload(opks=100, kem_ots=100)
    for _ in range(2):
        assert put(kithd, ann, keys) == {"list_seq": 1, "opk_count": 100, "kem_ot_count": 100}
    for name in ("spk", "kem_lr", "opks", "kem_ots"):
        problem = refused(put, kithd, bob, {name: keys[name]})
        assert (problem.status, problem.body["pointer"]) == (409, f"/{name}")
    problem = refused(put, kithd, ann, {"opks": [text(prekey(7, X25519))]})
    assert (problem.status, problem.code) == (403, "FORBIDDEN")
    kithd.kill9()
    kithd.start()
    assert left(kithd, ann)["opk_count"] == 100
    kithd.rest("DELETE", "/users/me", None, ann.access_token)
    assert put(kithd, bob, keys)["opk_count"] == 100
