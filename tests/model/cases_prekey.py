"""Known answers of prekeys: how each kind is made, and which are refused."""

from typing import Any

from . import prekey, primitives, tlv
from .cases import Case, single
from .fixtures import DAY_MS, NOW, Account, broken, with_field

SOURCE = "docs/wire/e2ee.md, 'Prekeys'"
BOB = Account("bob")
DEVICE = 21
KINDS = {prekey.SPK: 0x01020304, prekey.OPK: 1, prekey.KEM_OT: 0xFFFFFFFF, prekey.KEM_LR: 0x7F000000}
EXPIRES = NOW + 14 * DAY_MS


def checked(kind: str, data: bytes, now: int = NOW, **changed: Any) -> dict[str, Any]:
    owner = BOB.owner(DEVICE)
    asked = {"account_id": owner.account_id, "device_id": owner.device_id, "dsk_pub": owner.dsk_pub}
    return {"kind": kind, **asked, "prekey": data, "now": now, **changed}


def signed_by_hand(kind: str, public: bytes, id: int = 5, label: str | None = None) -> bytes:
    """A prekey with a good signature, whatever is signed."""
    signed = prekey.signed_encode(kind, BOB.owner(DEVICE), id, public, EXPIRES)
    signature = primitives.sign(BOB.dsk_seed(DEVICE), label or kind, signed)
    data = BOB.prekey(kind, DEVICE, id or 1)
    data = with_field(with_field(data, 1, id.to_bytes(4, "big")), 2, public)
    return with_field(with_field(data, 3, EXPIRES.to_bytes(8, "big")), 4, signature)


def made() -> list[Case]:
    found = []
    for kind, id in KINDS.items():
        case = Case(f"{kind} is made and checked")
        case.do(
            "make_prekey",
            kind=kind,
            account_id=BOB.account_id,
            device_id=DEVICE,
            dsk_seed=BOB.dsk_seed(DEVICE),
            id=id,
            secret=BOB.prekey_secret(kind, DEVICE, id),
            expires_at=EXPIRES,
        )
        data = case.out("prekey")
        case.do("check_prekey", **checked(kind, data))
        case.do("check_prekey", note="in its last millisecond", **checked(kind, data, EXPIRES - 1))
        case.do("check_prekey", "REFUSED", "when it expires", **checked(kind, data, EXPIRES))
        case.do("check_prekey", "REFUSED", "as another device's", **checked(kind, data, device_id=DEVICE + 1))
        case.do("check_prekey", "REFUSED", "as another account's", **checked(kind, data, account_id=bytes(16)))
        other = BOB.owner(DEVICE + 1).dsk_pub
        case.do("check_prekey", "REFUSED", "under another key", **checked(kind, data, dsk_pub=other))
        case.do("check_prekey", note="with a field to step over", **checked(kind, with_field(data, 0x8000, b"new")))
        found.append(case)
    return found


def other_kinds() -> list[Case]:
    """A prekey is of the kind that its signature says."""
    case = Case("a prekey of one kind as another")
    for kind, other in ((prekey.SPK, prekey.OPK), (prekey.KEM_OT, prekey.KEM_LR)):
        for one, two in ((kind, other), (other, kind)):
            data = BOB.prekey(one, DEVICE, KINDS[one])
            case.do("check_prekey", "REFUSED", f"{one} as {two}", **checked(two, data))
    return [case]


def refused() -> list[Case]:
    found: list[tuple[str, str, bytes]] = []
    for kind in (prekey.SPK, prekey.KEM_LR):
        data = BOB.prekey(kind, DEVICE, KINDS[kind])
        found += [(f"{kind}: {name}", kind, raw) for name, raw in broken(prekey.prekey_table(kind), data)]
        flips = ((1, "id"), (2, "public"), (3, "expires_at"), (4, "signature"))
        fields = dict(tlv.fields(data))
        for tag, name in flips:
            value = fields[tag]
            found.append((f"{kind}: a bit of {name} flipped", kind, with_field(data, tag, value[:-1] + bytes([value[-1] ^ 1]))))
    for kind in (prekey.SPK, prekey.OPK):
        found.append((f"{kind}: id 0", kind, signed_by_hand(kind, primitives.dh_public(bytes(32)), id=0)))
        found.append((f"{kind}: a point of small order", kind, signed_by_hand(kind, bytes(32))))
        found.append((f"{kind}: a point that is not canonical", kind, signed_by_hand(kind, (2**255 - 18).to_bytes(32, "little"))))
        found.append((f"{kind}: a point with its highest bit set", kind, signed_by_hand(kind, bytes([9]) + bytes(30) + b"\x80")))
    public = primitives.kem_public(bytes(64))
    for kind in (prekey.KEM_OT, prekey.KEM_LR):
        found.append((f"{kind}: id 0", kind, signed_by_hand(kind, public, id=0)))
    # 3329 in the first, and in the last, of the 768 numbers of 12 bits.
    first = (3329 | int.from_bytes(public[:3], "little") & 0xFFF000).to_bytes(3, "little") + public[3:]
    last = public[:1149] + (3329 << 12 | int.from_bytes(public[1149:1152], "little") & 0xFFF).to_bytes(3, "little") + public[1152:]
    for name, key in (("first", first), ("last", last)):
        found.append((f"kem-ot: its {name} number is 3329", prekey.KEM_OT, signed_by_hand(prekey.KEM_OT, key)))
    return [single(name, "check_prekey", "REFUSED", **checked(kind, data)) for name, kind, data in found]


def cases() -> list[Case]:
    return [case for part in (made, other_kinds, refused) for case in part()]
