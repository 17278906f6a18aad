"""The steps that cases of sessions are made of: both accounts' lists and private keys, and what the two of them do."""

from typing import Any

from . import prekey, session, tlv
from .cases import Case
from .fixtures import NOW, Account, coin, with_field

ALICE, BOB = Account("alice"), Account("bob")
A, B = 7, 21
SPK, OPK, KEM_OT, KEM_LR = 0x5EED0001, 0x0A0B0C0D, 0x00000002, 0xFEDCBA98


def lists(case: Case, **suites: bytes) -> None:
    """Both accounts' first lists, read at a first contact."""
    for account, device in ((ALICE, A), (BOB, B)):
        fields = account.fields([account.device(device)], suites=suites.get(account.name, b"\x02"))
        case.do("read_list", account_id=account.account_id, signed=account.signed(fields), now=NOW)


def secrets_args(account: Account, device: int) -> dict[str, Any]:
    def held(kind: str, id: int) -> list[dict[str, Any]]:
        return [{"id": id, "secret": account.prekey_secret(kind, device, id)}]

    return {
        "ddh": account.ddh_secret(device),
        "spk": held(prekey.SPK, SPK),
        "opk": held(prekey.OPK, OPK),
        "kem_ot": held(prekey.KEM_OT, KEM_OT),
        "kem_lr": held(prekey.KEM_LR, KEM_LR),
    }


def begin_args(us: Account, them: Account, name: str, last: bool = False, opk: bool = True, kem: bool = True) -> dict[str, Any]:
    """What `us` needs to begin; its coins are EK's secret, the encapsulation's coin and the first ratchet key's secret."""
    ours, theirs = (A, B) if us is ALICE else (B, A)
    kem_kind, kem_id = (prekey.KEM_LR, KEM_LR) if last else (prekey.KEM_OT, KEM_OT)
    return {
        "session": name,
        "us": us.account_id,
        "us_device": ours,
        "ddh_secret": us.ddh_secret(ours),
        "them": them.account_id,
        "them_device": theirs,
        "spk": them.prekey(prekey.SPK, theirs, SPK),
        "kem": them.prekey(kem_kind, theirs, kem_id) if kem else None,
        "kem_is_last": int(last) if kem else None,
        "opk": them.prekey(prekey.OPK, theirs, OPK) if opk else None,
        "coins": coin(f"{us.name} begins {name}", 96 if kem else 64),
        "now": NOW + 1000,
    }


def encrypt(case: Case, name: str, text: str, now: int = NOW + 2000) -> bytes:
    case.do("encrypt", session=name, plaintext=text.encode(), coins=coin(f"{case.name} {name} {text}", 24), now=now)
    return case.out("message")


def decrypt(case: Case, name: str, message: bytes, new: bool, expect: str | None = None, note: str = "", now: int = NOW + 3000) -> None:
    coins = coin(f"{case.name} {name} {message.hex()}", 32) if new else b""
    case.do("decrypt", expect, note, session=name, message=message, coins=coins, now=now)


def accept(
    case: Case, name: str, message: bytes, expect: str | None = None, note: str = "", us: Account = BOB, now: int = NOW + 3000
) -> None:
    ours = B if us is BOB else A
    them = ALICE if us is BOB else BOB
    case.do(
        "accept",
        expect,
        note,
        session=name,
        us=us.account_id,
        us_device=ours,
        secrets=us.name,
        them=them.account_id,
        message=message,
        coins=coin(f"{case.name} accepts {name}", 32),
        now=now,
    )


def begun(name: str, suite: bytes = b"\x02", last: bool = False, opk: bool = True) -> tuple[Case, bytes]:
    """A case in which A has begun and encrypted a first message, and B has its private keys at hand."""
    case = Case(name, suite=None if max(suite) == session.SUITE else max(suite))
    lists(case, alice=suite, bob=suite)
    case.do("begin", **begin_args(ALICE, BOB, "a", last, opk, kem=max(suite) == session.SUITE))
    first = encrypt(case, "a", "first")
    case.do("secrets", secrets="bob", **secrets_args(BOB, B))
    return case, first


def flip(data: bytes, tag: int) -> bytes:
    value = dict(tlv.fields(data))[tag]
    return with_field(data, tag, value[:-1] + bytes([value[-1] ^ 1]))


def with_fields(data: bytes, changed: dict[int, bytes | None]) -> bytes:
    for tag, value in changed.items():
        data = with_field(data, tag, value)
    return data


def with_setup(message: bytes, changed: dict[int, bytes | None]) -> bytes:
    return with_field(message, 2, with_fields(dict(tlv.fields(message))[2], changed))


def with_setup_flipped(message: bytes, tag: int) -> bytes:
    return with_field(message, 2, flip(dict(tlv.fields(message))[2], tag))
