"""A person's mailbox: device-addressed, in order, once, gone when acknowledged; over a crash too. Refused for a stranger."""

from __future__ import annotations

import pytest

from bodies import CONTENT_TYPE, bodies
from kithd import Account, Kithd
from stomp import Frame, Stomp
from uuid7 import uuid7


def send(client: Stomp, to: Account, items: dict[str, bytes], message_id: str | None = None) -> Frame:
    """Gives the answer: RECEIPT, or the refusal."""
    message_id = message_id or uuid7()
    client.send("SEND", {"destination": f"/user/{to.user_id}/mailbox", "message-id": message_id, "receipt": message_id,
                         "content-type": CONTENT_TYPE}, bodies(items))
    while True:
        frame = client.next()
        assert frame.command != "ERROR", frame
        if message_id in (frame.headers.get("receipt-id"), frame.headers.get("message-id")):
            return frame


def mail(client: Stomp, count: int) -> list[Frame]:
    return [client.expect("MESSAGE", destination="/mailbox") for _ in range(count)]


def ack(client: Stomp, frame: Frame) -> None:
    """Returns when it is durable."""
    client.send("ACK", {"id": frame.headers["ack"], "receipt": "acked"})
    client.expect("RECEIPT", receipt_id="acked")


def nothing_in_mailbox(client: Stomp) -> None:
    """For many times as long as a delivery takes."""
    with pytest.raises(TimeoutError):
        client.expect("MESSAGE", 0.7, destination="/mailbox")


def online(kithd: Kithd, account: Account) -> Stomp:
    client = Stomp(kithd.ws_url, account.access_token)
    client.subscribe("/errors", "/inbox")
    return client


def test_offline_then_online_then_never_again(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")
    phone = kithd.login(bob, "phone")
    kithd.chat(ann, bob, encrypted=True)
    both = {bob.device_id: b"for the first", phone.device_id: b"for the phone \0 and more"}
    with online(kithd, ann) as client:
        first = uuid7()
        receipt = send(client, bob, both, first)
        assert (receipt.command, receipt.headers["seq"]) == ("RECEIPT", "1")
        assert receipt.headers["message-id"] == first and receipt.headers["created-at"]
        assert send(client, bob, {phone.device_id: b"phone only"}).headers["seq"] == "2"
        again = send(client, bob, both, first)
        assert (again.command, again.headers["seq"]) == ("RECEIPT", "1")
        assert send(client, bob, {bob.device_id: b"other words"}, first).code == "CONFLICT"

    kithd.kill9()
    kithd.start()
    with online(kithd, phone) as client:
        items = mail(client, 2)
        assert [f.body for f in items] == [both[phone.device_id], b"phone only"]
        assert [f.headers["seq"] for f in items] == ["1", "2"]
        frame = items[0].headers
        assert (frame["type"], frame["sender"], frame["sender-device"]) == ("mail", ann.user_id, ann.device_id)
        assert (frame["client-id"], frame["encrypted"]) == (first, "true")
        assert frame["redelivered"] == "true"  # it was numbered before this process started: who knows
        ack(client, items[1])
    with online(kithd, phone) as client:
        nothing_in_mailbox(client)
    with online(kithd, bob) as client:  # the other device has its own
        assert [f.body for f in mail(client, 1)] == [both[bob.device_id]]
    kithd.kill9()
    kithd.start()
    with online(kithd, phone) as client:
        nothing_in_mailbox(client)
    with online(kithd, bob) as client:  # not acknowledged: again
        (item,) = mail(client, 1)
        assert (item.body, item.headers["redelivered"]) == (both[bob.device_id], "true")
        ack(client, item)
        nothing_in_mailbox(client)


def test_live_and_to_the_own_devices(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")
    phone = kithd.login(ann, "phone")
    kithd.chat(ann, bob)
    with online(kithd, ann) as sender, online(kithd, bob) as receiver, online(kithd, phone) as own:
        for n in range(1, 20):
            assert send(sender, bob, {bob.device_id: b"item %d" % n}).headers["seq"] == str(n)
        items = mail(receiver, 19)
        assert [f.body for f in items] == [b"item %d" % n for n in range(1, 20)]
        assert not any("redelivered" in f.headers for f in items)
        ack(receiver, items[9])
        send(sender, ann, {phone.device_id: b"to myself"})
        assert mail(own, 1)[0].body == b"to myself"
    with online(kithd, bob) as receiver:  # from where the device stands
        items = mail(receiver, 9)
        assert [f.body for f in items] == [b"item %d" % n for n in range(11, 20)]
        assert all(f.headers["redelivered"] == "true" for f in items)


def test_a_stranger_is_refused(kithd: Kithd) -> None:
    _, bob, carol = kithd.people("ann", "bob", "carol")  # both came by ann's invite, and know her only
    with online(kithd, bob) as client:
        refused = send(client, carol, {carol.device_id: b"hello"})
        assert (refused.headers["destination"], refused.code) == ("/errors", "NOT_FOUND")
        nobody = Account("00000000-0000-7000-8000-000000000000", "", "", "", "", "")
        assert send(client, nobody, {carol.device_id: b"hello"}).code == "NOT_FOUND"
        kithd.chat(bob, carol)  # a request is enough
        assert send(client, carol, {carol.device_id: b"hello"}).command == "RECEIPT"
    with online(kithd, carol) as client:
        assert mail(client, 1)[0].body == b"hello"
