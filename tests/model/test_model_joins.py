"""Invite links in the model: as one computes them by hand, and what holds whatever happens. Their files are test_model.py's."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import group, join, labels, primitives, random_groups
from .cases import Case
from .cases_group import usual
from .fixtures import coin
from .group import MEMBER
from .group_steps import ALICE, BOB, CAROL, DAVE, DEVICE, EVE, asks, create, dsk_pub, group_of, link_of, request_raw, set_link, takes
from .refused import Refused
from .test_model_groups import field

LINK = link_of("one")


# ---------------------------------------------------------------------------------------------- by hand
def test_join__a_link_and_what_it_is_asked_with_are_as_one_makes_them_by_hand():
    chat_id, secret, op_hash = coin("chat by hand", 16), coin("secret by hand", 32), coin("operation by hand", 16)
    key = Ed25519PrivateKey.from_private_bytes(HKDF(hashes.SHA256(), 32, None, b"kith/1/join\0" + chat_id).derive(secret))
    join_key = key.public_key().public_bytes_raw()
    case = Case("by hand")
    case.do("make_link", chat_id=chat_id, secret=secret, op_hash=op_hash)
    link = b"\x01" + chat_id + secret + op_hash
    assert (case.out("link"), case.out("join_key"), len(link)) == (link, join_key, 65)
    assert case.out("text") == b"".join(base64.urlsafe_b64encode(link).split(b"="))
    who = {"account_id": ALICE.account_id, "device_id": 9, "list_seq": 4, "list_hash": bytes(32), "made_at": 5, "known_seq": 6}
    case.do("sign_join", link=link, dsk_seed=ALICE.dsk_seed(9), **who)
    raw = field(1, join_key) + field(2, ALICE.account_id) + field(3, 9, 4) + field(4, 4) + field(5, bytes(32)) + field(6, 5) + field(7, 6)
    signed = [one.sign(b"kith/1/join\0" + raw) for one in (key, Ed25519PrivateKey.from_private_bytes(ALICE.dsk_seed(9)))]
    assert case.out("signed") == field(1, raw) + field(2, signed[0]) + field(3, signed[1])


def test_group__a_link_and_who_comes_by_it_are_as_one_writes_them_by_hand():
    case = Case("by hand")
    create(case, ALICE)
    first = bytes.fromhex(case.steps[-1]["state"])
    set_link(case, ALICE, LINK)
    assert case.steps[-2]["out"]["op"].endswith(field(17, LINK.join_key).hex())
    assert case.steps[-1]["state"] == (first.replace(field(2, 1), field(2, 2)) + field(7, LINK.join_key)).hex()
    request = asks(LINK, BOB)
    case.do("make_op", group="g", dsk_seed=bytes(32), kind=2, author=ALICE.account_id, author_device=9, list_seq=4, list_hash=bytes(32),
            made_at=5, subject=BOB.account_id, role=1, request=request)
    assert case.out("op").endswith(field(11, BOB.account_id) + field(12, 1, 1) + field(18, request))


# ---------------------------------------------------------------------------------------------- whatever happens
def test_group__a_request_lets_in_whom_it_is_of_by_the_link_that_holds():
    """Every author, link, asker and subject: an add with a request is one that might be without, and whose request fits."""
    links = {name: link_of(name) for name in ("one", "two")}
    for holds in (None, *links):
        case = usual("requests")
        for name in (*links, holds):  # the last that is made, or that none is, is what counts
            set_link(case, ALICE, links[name] if name else None)
        known = group_of(case)
        for author in (ALICE, BOB, CAROL, EVE):
            for by in links:
                for asker in (DAVE, EVE):
                    for subject in (DAVE, EVE):
                        whom = {"subject": subject.account_id, "role": MEMBER}
                        fits = holds == by and asker == subject and takes(known, author, group.ADD, **whom)
                        assert takes(known, author, group.ADD, request=asks(links[by], asker), **whom) == fits


def test_group__a_change_of_any_byte_of_a_request_lets_nobody_in():
    """But of the asker's own signature, the last 64 bytes, which the author saw to."""
    case = usual("bytes of a request")
    set_link(case, ALICE, LINK)
    request = asks(LINK, EVE, known_seq=2)
    for at in range(len(request)):
        changed = request[:at] + bytes([request[at] ^ 1]) + request[at + 1 :]
        let_in = takes(group_of(case), ALICE, group.ADD, subject=EVE.account_id, role=MEMBER, request=changed)
        assert let_in == (at >= len(request) - 64), at


def test_group__by_chance_a_link_holds_until_it_ends_and_nobody_comes_by_another():
    let_in = ended = 0
    for seed in range(1, 60):
        holds: bytes | None = None
        for step in random_groups.group_case(seed).steps:
            if step["do"] != "read_op" or step["args"]["group"] != "s" or "out" not in step or step["out"]["step"] != "next":
                continue
            op, _ = group.signed_split(bytes.fromhex(step["args"]["signed"]))
            if op.request is not None:
                let_in += 1
                assert join.decode(op.request).join_key == holds
            ended += op.kind == group.REMOVE and holds is not None
            holds = op.join_key if op.kind == group.JOIN_KEY else None if op.kind == group.REMOVE else holds
            assert group.state_decode(bytes.fromhex(step["state"])).join_key == holds
    assert let_in > 20 and ended > 20


def test_join__no_proof_and_no_signature_is_moved_to_another_label():
    raw = request_raw(LINK, ALICE)
    for label, uses in labels.USES.items():
        if labels.SIGNS in uses and label != "join":
            for key, part in ((LINK.seed, "proof"), (ALICE.dsk_seed(DEVICE), "signature")):
                with pytest.raises(Refused):
                    moved = replace(join.decode(asks(LINK, ALICE)), **{part: primitives.sign(key, label, raw)})
                    join.prove(moved)
                    join.verify(moved, dsk_pub(ALICE))
