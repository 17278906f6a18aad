"""A device that signs in later: in an encrypted chat it gets what was made for it, from the first message on, and nothing before."""

from __future__ import annotations

from bodies import CONTENT_TYPE, bodies
from kithd import Account, Kithd
from stomp import Stomp
from uuid7 import uuid7


def online(kithd: Kithd, account: Account) -> Stomp:
    client = Stomp(kithd.ws_url, account.access_token)
    client.subscribe("/errors", "/inbox")
    return client


def say(client: Stomp, chat: str, text: bytes, to: list[Account], lists: dict[str, int]) -> str:
    """Gives the message's number."""
    message_id = uuid7()
    client.send("SEND", {"destination": f"/chat/{chat}", "message-id": message_id, "receipt": message_id,
                         "content-type": CONTENT_TYPE}, bodies({device.device_id: text for device in to}, lists))
    return client.expect("RECEIPT", receipt_id=message_id).headers["seq"]


def test_what_is_sent_between_sign_in_and_first_connection_comes(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")
    chat = kithd.chat(ann, bob, encrypted=True)
    with online(kithd, ann) as client, online(kithd, bob) as phone:
        assert say(client, chat, b"for the phone", [bob], {ann.user_id: 1, bob.user_id: 1}) == "2"
        for seq in ("1", "2"):
            frame = phone.expect("MESSAGE", destination=f"/chat/{chat}")
            assert frame.headers["seq"] == seq
        phone.send("ACK", {"id": frame.headers["ack"], "receipt": "acked"})
        phone.expect("RECEIPT", receipt_id="acked")

        tablet = kithd.login(bob, "tablet")
        lists = {ann.user_id: 1, bob.user_id: 2}
        assert say(client, chat, b"for both", [bob, tablet], lists) == "3"
        kithd.kill9()
    kithd.start()
    with online(kithd, tablet) as second:
        frame = second.expect("MESSAGE", destination=f"/chat/{chat}")
        assert (frame.headers["seq"], frame.body) == ("3", b"for both")
    with online(kithd, tablet) as second:  # not acknowledged: again
        frame = second.expect("MESSAGE", destination=f"/chat/{chat}")
        assert (frame.headers["seq"], frame.headers["redelivered"]) == ("3", "true")


def test_an_encrypted_chat_made_after_the_sign_in_comes_whole(kithd: Kithd) -> None:
    _, bob, cid = kithd.people("ann", "bob", "cid")
    tablet = kithd.login(bob, "tablet")
    chat = kithd.chat(cid, bob, encrypted=True)
    with online(kithd, cid) as client:
        assert say(client, chat, b"for both", [bob, tablet], {cid.user_id: 1, bob.user_id: 2}) == "2"
    with online(kithd, tablet) as second:
        assert [second.expect("MESSAGE", destination=f"/chat/{chat}").headers["seq"] for _ in range(2)] == ["1", "2"]
