"""One label for each purpose (the document's table), and the bytes in front of everything signed, derived or hashed."""

from .refused import Refused

SIGNS, DERIVES, HASHES = "signs", "derives", "hashes"

USES: dict[str, set[str]] = {
    "root": {SIGNS},
    "devlist": {SIGNS},
    "devaccept": {SIGNS},
    "spk": {SIGNS},
    "opk": {SIGNS},
    "kem-ot": {SIGNS},
    "kem-lr": {SIGNS},
    "pqxdh": {DERIVES, HASHES},
    "rk": {DERIVES},
    "mk": {DERIVES},
    "sk-chain": {DERIVES},
    "sk-msg": {SIGNS},
    "gop": {SIGNS},
    "join": {SIGNS, DERIVES},
    "media": {DERIVES},
    "thumb": {DERIVES},
    "hist": {DERIVES},
    "backup": {DERIVES},
    "appstate": {SIGNS, DERIVES},
    "link": {DERIVES, HASHES},
    "release": {SIGNS},
    "vault": {DERIVES},
}


def prefix(label: str) -> bytes:
    if label not in USES:
        raise Refused("NOTFOUND", f"no label {label!r}")
    return b"kith/1/" + label.encode() + b"\x00"


def labelled(label: str, use: str, data: bytes) -> bytes:
    """`data` behind its label, if the label is for this use."""
    head = prefix(label)
    if use not in USES[label]:
        raise Refused("DENIED", f"{label} is not what {use}")
    return head + data
