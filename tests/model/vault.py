"""What a client keeps at rest, as docs/client-state.md says it: names, values, and the file of the key. No code of the library."""

from __future__ import annotations

from nacl.bindings import crypto_pwhash_ALG_ARGON2ID13, crypto_pwhash_alg

from . import primitives, tlv
from .refused import require

VERSION, KEY, SALT, PASSES, MEMORY, NONCE, SEALED = range(1, 8)
NUMBERED = {(b"M", 25), (b"Q", 25), (b"B", 9)}


def key_of_file(file: bytes, passphrase: bytes | None = None) -> bytes:
    found = dict(tlv.fields(file))
    require(found[VERSION] == b"\x01", "another version", "UNSUPPORTED")
    if KEY in found:
        return found[KEY]
    require(passphrase is not None, "a passphrase is needed")
    assert passphrase is not None
    slow = crypto_pwhash_alg(32, passphrase, found[SALT], int.from_bytes(found[PASSES], "big"),
                             1024 * int.from_bytes(found[MEMORY], "big"), crypto_pwhash_ALG_ARGON2ID13)
    beside = b"".join(tlv.put(tag, found[tag]) for tag in (VERSION, SALT, PASSES, MEMORY))
    wrapping = primitives.derive(b"", slow, "vault", b"passphrase", 32)
    return primitives.aead_open(wrapping, found[NONCE], beside, found[SEALED])


class Vault:
    def __init__(self, key: bytes) -> None:
        both = primitives.derive(b"", key, "vault", b"records", 64)
        self.seal_key, self.name_key = both[:32], both[32:]

    def name(self, key: bytes) -> bytes:
        letter, hashed, number = b".", key, b""
        if (key[:1], len(key)) in NUMBERED:
            letter, hashed, number = key[:1], key[:-8], key[-8:]
        return letter + primitives.blake2b(self.name_key, letter + hashed) + number

    def seal(self, nonce: bytes, key: bytes, value: bytes) -> bytes:
        plain = len(key).to_bytes(2, "big") + key + value
        return b"\x01" + nonce + primitives.aead_seal(self.seal_key, nonce, self.name(key), plain)

    def open(self, name: bytes, stored: bytes) -> tuple[bytes, bytes]:
        require(stored[:1] == b"\x01", "another version", "DENIED")
        plain = primitives.aead_open(self.seal_key, stored[1:25], name, stored[25:])
        end = 2 + int.from_bytes(plain[:2], "big")
        require(self.name(plain[2:end]) == name, "another record", "DENIED")
        return plain[2:end], plain[end:]
