"""The primitives of suite 0x02 with the refusals that kith/1 adds to them.

Hashes and HMAC are Python's own; curves and the AEAD are libsodium's, through PyNaCl; ML-KEM is kyber-py's, which is all Python.
"""

import hashlib
import hmac as std_hmac

from kyber_py.ml_kem import ML_KEM_768
from nacl import bindings as sodium
from nacl import exceptions as sodium_errors

from . import labels
from .refused import Refused, require

X25519_P = 2**255 - 19
X25519_BASE = (9).to_bytes(32, "little")
HKDF_MAX = 255 * 32
INFO_MAX = 256
SIGN_MAX = 1024 * 1024
AEAD_MAX = 8 * 1024 * 1024
KEM_SEED, KEM_PUBLIC, KEM_CIPHERTEXT, KEM_COIN = 64, 1184, 1088, 32
KEM_Q = 3329


# ---------------------------------------------------------------------------------------------- hashes and keys
def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def blake2b(key: bytes, data: bytes) -> bytes:
    require(len(key) <= 64, "a key of more than 64 bytes")
    return hashlib.blake2b(data, key=key, digest_size=32).digest()


def hmac(key: bytes, data: bytes) -> bytes:
    return std_hmac.new(key, data, hashlib.sha256).digest()


def hmac_verify(key: bytes, data: bytes, tag: bytes) -> None:
    require(len(tag) == 32, "a tag that is not whole")
    require(std_hmac.compare_digest(hmac(key, data), tag), "another tag", "DENIED")


def hkdf(salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    require(length >= 1, "no bytes asked for")
    require(length <= HKDF_MAX, "more than HKDF can give", "TOOBIG")
    prk = hmac(salt or bytes(32), ikm)
    out = block = b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac(prk, block + info + bytes([counter]))
        out += block
    return out[:length]


def derive(salt: bytes, ikm: bytes, label: str, info: bytes, length: int) -> bytes:
    """HKDF under a label."""
    labelled = labels.labelled(label, labels.DERIVES, info)
    require(len(info) <= INFO_MAX, "more than 256 bytes behind the label", "TOOBIG")
    return hkdf(salt, ikm, labelled, length)


def transcript(label: str, data: bytes) -> bytes:
    return sha256(labels.labelled(label, labels.HASHES, data))


# ---------------------------------------------------------------------------------------------- X25519
def dh_public(secret: bytes) -> bytes:
    require(len(secret) == 32, "a secret that has not 32 bytes")
    return sodium.crypto_scalarmult(secret, X25519_BASE)


def dh(secret: bytes, public: bytes) -> bytes:
    require(len(secret) == 32, "a secret that has not 32 bytes")
    require(len(public) == 32, "a point that has not 32 bytes")
    # The highest bit counts here, so a point with that bit set is above the prime as well.
    require(int.from_bytes(public, "little") < X25519_P, "a point that is not canonical")
    try:
        return sodium.crypto_scalarmult(secret, public)
    except (sodium_errors.CryptoError, RuntimeError) as zero:
        raise Refused("MALFORMED", "a point of small order") from zero


def dh_check(public: bytes) -> None:
    """Any secret will do: a clamped one is a multiple of 8, and never one of the group's order."""
    dh(bytes(32), public)


# ---------------------------------------------------------------------------------------------- Ed25519
def sign_public(seed: bytes) -> bytes:
    require(len(seed) == 32, "a seed that has not 32 bytes")
    return sodium.crypto_sign_seed_keypair(seed)[0]


def sign_check(public: bytes) -> None:
    """Canonical, on the curve, not of small order, in the group of prime order: libsodium's is_valid_point is all of these."""
    require(len(public) == 32, "a key that has not 32 bytes")
    require(sodium.crypto_core_ed25519_is_valid_point(public), "not a key of the group of prime order")


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    require(len(message) <= SIGN_MAX, "more than 1 MiB to sign", "TOOBIG")
    secret = sodium.crypto_sign_seed_keypair(seed)[1]
    return sodium.crypto_sign(message, secret)[:64]


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> None:
    """RFC 8032 without a cofactor; libsodium refuses S and points that are not canonical, and R of small order."""
    require(len(public) == 32 and len(signature) == 64, "a key or a signature of another length")
    require(len(message) <= SIGN_MAX, "more than 1 MiB was signed", "TOOBIG")
    try:
        sodium.crypto_sign_open(signature + message, public)
    except sodium_errors.BadSignatureError as bad:
        raise Refused("DENIED", "the signature does not hold") from bad


def sign(seed: bytes, label: str, data: bytes) -> bytes:
    return ed25519_sign(seed, labels.labelled(label, labels.SIGNS, data))


def verify(public: bytes, label: str, data: bytes, signature: bytes) -> None:
    labelled = labels.labelled(label, labels.SIGNS, data)
    try:
        sign_check(public)
    except Refused as bad:
        raise Refused("DENIED", bad.why) from bad
    ed25519_verify(public, labelled, signature)


# ---------------------------------------------------------------------------------------------- ML-KEM-768
def kem_public(seed: bytes) -> bytes:
    require(len(seed) == KEM_SEED, "a seed that has not 64 bytes")
    return ML_KEM_768.key_derive(seed)[0]


def kem_check(public: bytes) -> None:
    """FIPS 203, 7.2: 768 numbers of 12 bits, two in three bytes, all below q."""
    require(len(public) == KEM_PUBLIC, "a public key of another length")
    for at in range(0, KEM_PUBLIC - 32, 3):
        pair = int.from_bytes(public[at : at + 3], "little")
        require(pair & 0xFFF < KEM_Q and pair >> 12 < KEM_Q, "a number of the public key is not below 3329")


def kem_encaps(public: bytes, coin: bytes) -> tuple[bytes, bytes]:
    """The ciphertext and the secret. `coin` is the m of FIPS 203, 6.2."""
    kem_check(public)
    require(len(coin) == KEM_COIN, "a coin that has not 32 bytes")
    # The package has no public way to lend it the coin; its encaps() is this with a coin of its own.
    secret, ciphertext = ML_KEM_768._encaps_internal(public, coin)
    return ciphertext, secret


def kem_decaps(seed: bytes, ciphertext: bytes) -> bytes:
    require(len(ciphertext) == KEM_CIPHERTEXT, "a ciphertext of another length")
    return ML_KEM_768.decaps(ML_KEM_768.key_derive(seed)[1], ciphertext)


# ---------------------------------------------------------------------------------------------- XChaCha20-Poly1305
def aead_seal(key: bytes, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
    require(len(key) == 32 and len(nonce) == 24, "a key or a nonce of another length")
    require(len(ad) <= AEAD_MAX and len(plaintext) <= AEAD_MAX, "more than 8 MiB", "TOOBIG")
    return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, ad, nonce, key)


def aead_open(key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
    require(len(key) == 32 and len(nonce) == 24, "a key or a nonce of another length")
    require(len(sealed) >= 16, "shorter than a tag")
    require(len(ad) <= AEAD_MAX and len(sealed) <= AEAD_MAX + 16, "more than 8 MiB", "TOOBIG")
    try:
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, ad, nonce, key)
    except sodium_errors.CryptoError as bad:
        raise Refused("DENIED", "the tag does not fit") from bad


# ---------------------------------------------------------------------------------------------- safety number
def safety_half(root_key: bytes, account: bytes) -> str:
    require(len(account) <= 64, "an id too long", "TOOBIG")
    key = b"\x05" + root_key
    state = hashlib.sha512(b"\x00\x00" + key + account + key).digest()
    for _ in range(5199):
        state = hashlib.sha512(state + key).digest()
    groups = (int.from_bytes(state[at : at + 5], "big") % 100_000 for at in range(0, 30, 5))
    return "".join(f"{group:05}" for group in groups)


def safety_number(key_a: bytes, account_a: bytes, key_b: bytes, account_b: bytes) -> str:
    return "".join(sorted([safety_half(key_a, account_a), safety_half(key_b, account_b)]))
