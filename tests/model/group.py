"""A group: its signed operations, the state they come to, and what a reader makes of one operation after another."""

from dataclasses import dataclass, replace
from typing import Any

from . import join as invites, payload, primitives, tlv
from .device_list import Pin, ascending
from .group_info import SEALED_MAX, SEALED_MIN
from .refused import TOO_OLD, Refused, require

CREATE, ADD, REMOVE, LEAVE, ROLE, INFO, SETTINGS, JOIN_KEY = range(1, 9)
MEMBER, ADMIN, OWNER = 1, 2, 3
SUITE = 1
PEOPLE_MAX = 4096
FOUNDERS_MAX = 768
REQUEST_MAX = 512
NO_KEY = bytes(32)
REMEMBERED = 64
SETTINGS_ALL = 0x01
NEXT, SAME, AHEAD, FORKED, OTHER = "next", "same", "gap", "fork", "other"

OPERATION = [
    tlv.fixed(1, "group_id", 16),
    tlv.number(2, "seq", tlv.U64),
    tlv.fixed(3, "prev_hash", 32, optional=True),
    tlv.number(4, "kind", tlv.U8),
    tlv.fixed(5, "author", 16),
    tlv.number(6, "author_device", tlv.U32),
    tlv.number(7, "list_seq", tlv.U64),
    tlv.fixed(8, "list_hash", 32),
    tlv.number(9, "made_at", tlv.U64),
    tlv.fixed(10, "state_hash", 32),
    tlv.fixed(11, "subject", 16, optional=True),
    tlv.number(12, "role", tlv.U8, optional=True),
    tlv.string(13, "members", 17, 17 * FOUNDERS_MAX, optional=True),
    tlv.number(14, "suite", tlv.U8, optional=True),
    tlv.string(15, "info", SEALED_MIN, SEALED_MAX, optional=True),
    tlv.number(16, "settings", tlv.U8, optional=True),
    tlv.fixed(17, "join_key", 32, optional=True),
    tlv.string(18, "request", 1, REQUEST_MAX, optional=True),
]
SIGNED = [tlv.string(1, "operation", 1, 16_000), tlv.fixed(2, "signature", 64)]
STATE = [
    tlv.fixed(1, "group_id", 16),
    tlv.number(2, "seq", tlv.U64),
    tlv.number(3, "suite", tlv.U8),
    tlv.string(4, "members", 25, 25 * PEOPLE_MAX, optional=True),
    tlv.string(5, "info", 1, SEALED_MAX, optional=True),
    tlv.number(6, "settings", tlv.U8, optional=True),
    tlv.fixed(7, "join_key", 32, optional=True),
]

# Of each kind the fields that must be there, those that may, and the lowest role that may do it.
MUST: dict[int, set[str]] = {
    CREATE: {"members", "suite"},
    ADD: {"subject", "role"},
    REMOVE: {"subject"},
    LEAVE: set(),
    ROLE: {"subject", "role"},
    INFO: set(),
    SETTINGS: {"settings"},
    JOIN_KEY: set(),
}
MAY: dict[int, set[str]] = {CREATE: {"info", "settings"}, ADD: {"request"}, INFO: {"info"}, JOIN_KEY: {"join_key"}}
LEAST_ROLE = {ADD: ADMIN, REMOVE: ADMIN, LEAVE: MEMBER, ROLE: OWNER, INFO: ADMIN, SETTINGS: ADMIN, JOIN_KEY: ADMIN}
KIND_FIELDS = ("subject", "role", "members", "suite", "info", "settings", "join_key", "request")


@dataclass(frozen=True)
class Person:
    account: bytes
    role: int
    since: int

    def packed(self) -> bytes:
        return self.account + bytes([self.role]) + self.since.to_bytes(8, "big")


@dataclass(frozen=True)
class State:
    group_id: bytes
    seq: int
    suite: int
    people: tuple[Person, ...]  # ascending in account
    info: bytes | None = None
    settings: int = 0
    join_key: bytes | None = None  # of the one invite link that holds

    def encode(self) -> bytes:
        values = {
            **vars(self),
            "members": b"".join(person.packed() for person in self.people) or None,
            "settings": self.settings or None,
        }
        return tlv.encode(STATE, values)

    @property
    def hash(self) -> bytes:
        return primitives.sha256(self.encode())

    def person(self, account: bytes) -> Person | None:
        return next((person for person in self.people if person.account == account), None)

    @property
    def owners(self) -> list[Person]:
        return [person for person in self.people if person.role == OWNER]


def state_decode(data: bytes) -> State:
    values = tlv.decode(STATE, data)
    packed = values.pop("members") or b""
    require(len(packed) % 25 == 0, "members are not 25 bytes each")
    rows = [packed[at : at + 25] for at in range(0, len(packed), 25)]
    people = tuple(Person(row[:16], row[16], int.from_bytes(row[17:], "big")) for row in rows)
    require(values["join_key"] != NO_KEY, "zeros, where none is missing")
    require(ascending(tuple(person.account for person in people)), "members do not ascend")
    require(all(MEMBER <= person.role <= OWNER for person in people), "a role that there is not")
    require(all(1 <= person.since <= values["seq"] for person in people), "since is no seq of this group")
    require(values["seq"] >= 1 and values["suite"] == SUITE, "seq is from 1, suite is 1")
    require(values["settings"] is None or values["settings"] == SETTINGS_ALL, "settings are 1 or missing")
    return State(**{**values, "settings": values["settings"] or 0}, people=people)


@dataclass(frozen=True)
class Operation:
    """An operation that keeps the rules of its form; `raw` are its bytes as they came, which is what is signed and hashed."""

    raw: bytes
    group_id: bytes
    seq: int
    prev_hash: bytes | None
    kind: int
    author: bytes
    author_device: int
    list_seq: int
    list_hash: bytes
    made_at: int
    state_hash: bytes
    subject: bytes | None = None
    role: int | None = None
    members: bytes | None = None
    suite: int | None = None
    info: bytes | None = None
    settings: int | None = None
    join_key: bytes | None = None
    request: bytes | None = None

    @property
    def hash(self) -> bytes:
        return primitives.sha256(self.raw)

    @property
    def founders(self) -> list[tuple[bytes, int]]:
        packed = self.members or b""
        return [(packed[at : at + 16], packed[at + 16]) for at in range(0, len(packed) - 16, 17)]


@dataclass(frozen=True)
class Group:
    """What a reader keeps: the state, and the hashes of the newest operations, the last of which is the head's."""

    state: State
    hashes: tuple[bytes, ...]

    @property
    def head(self) -> bytes:
        return self.hashes[-1]

    def hash_of(self, seq: int) -> bytes | None:
        """None when it is no longer remembered, or not of this group's past."""
        back = self.state.seq - seq
        return self.hashes[-1 - back] if 0 <= back < len(self.hashes) else None


# ---------------------------------------------------------------------------------------------- decoding
def operation_decode(raw: bytes) -> Operation:
    found = Operation(raw, **tlv.decode(OPERATION, raw))
    newer = found.kind > JOIN_KEY or (found.kind == CREATE and found.suite not in (None, SUITE))
    require(not newer, "of a newer client, whatever else it says", TOO_OLD)
    require(found.seq >= 1 and found.list_seq >= 1, "a seq is from 1")
    require(found.author_device != 0, "a device id is not 0")
    require((found.prev_hash is None) == (found.seq == 1), "prev_hash is missing in seq 1, and only there")
    require((found.kind == CREATE) == (found.seq == 1), "create is seq 1, and nothing else is")
    form_check(found)
    return found


def form_check(found: Operation) -> None:
    """What the kind's line says without the state: which fields, and which values they can have."""
    require(found.kind in MUST, "kind 0")
    there = {name for name in KIND_FIELDS if getattr(found, name) is not None}
    require(MUST[found.kind] <= there, "a field of its kind is missing")
    require(there <= MUST[found.kind] | MAY.get(found.kind, set()), "a field that is not of its kind")
    require(found.role is None or MEMBER <= found.role <= OWNER, "a role that there is not")
    require(found.settings is None or found.settings & ~SETTINGS_ALL == 0, "a setting that there is not")
    require(found.join_key != NO_KEY, "zeros, where none is missing")
    if found.request is not None:
        require(found.role == MEMBER, "who asks comes as a member")
        require(invites.decode(found.request).account_id == found.subject, "somebody else asked")
    if found.kind == CREATE:
        require(found.settings != 0, "settings that say nothing are left out")
        founders_check(found)


def founders_check(found: Operation) -> None:
    assert found.members is not None
    require(len(found.members) % 17 == 0, "members are not 17 bytes each")
    require(ascending(tuple(account for account, _ in found.founders)), "members do not ascend")
    for account, role in found.founders:
        require(role == (OWNER if account == found.author else MEMBER), "the author is the owner, all others are members")
    require(found.author in dict(found.founders), "the author is not in it")


def signed_split(data: bytes) -> tuple[Operation, bytes]:
    """A signed operation's two parts, beside which there is nothing; whose signature it is is another question."""
    values = tlv.decode(SIGNED, data, closed=True)
    return operation_decode(values["operation"]), values["signature"]


def signed_encode(raw: bytes, dsk_seed: bytes) -> bytes:
    return tlv.encode(SIGNED, {"operation": raw, "signature": primitives.sign(dsk_seed, "gop", raw)})


# ---------------------------------------------------------------------------------------------- what an operation does
def permit(state: State, op: Operation) -> Person:
    """The author, who is in the group with a role that may do this."""
    author = state.person(op.author)
    if author is None or author.role < LEAST_ROLE[op.kind]:
        raise Refused("DENIED", "an author who may not do this")
    return author


def apply(state: State | None, op: Operation) -> State:
    """The state that the operation leads to."""
    if op.kind == CREATE:
        require(state is None, "a group is created once", "DENIED")
        people = tuple(Person(account, role, 1) for account, role in op.founders)
        assert op.suite is not None
        return State(op.group_id, 1, op.suite, people, op.info, op.settings or 0)
    assert state is not None
    author = permit(state, op)
    state = replace(state, seq=op.seq)
    if op.kind == INFO:
        return replace(state, info=op.info)
    if op.kind == SETTINGS:
        assert op.settings is not None
        return replace(state, settings=op.settings)
    if op.kind == JOIN_KEY:
        return replace(state, join_key=op.join_key)
    if op.kind == LEAVE:
        return without_owner(state, author)
    return of_subject(state, op, author)


def of_subject(state: State, op: Operation, author: Person) -> State:
    """What is done to somebody."""
    assert op.subject is not None
    subject = state.person(op.subject)
    if op.kind == ADD:
        require(subject is None, "the subject is in it", "DENIED")
        assert op.role is not None
        require(op.role <= author.role, "a role above the author's", "DENIED")
        require(len(state.people) < PEOPLE_MAX, "more than 4,096 people", "DENIED")
        if op.request is not None:
            request_check(state, op.request)
        return with_person(state, Person(op.subject, op.role, op.seq))
    if subject is None:
        raise Refused("DENIED", "the subject is not in it")
    if op.kind == REMOVE:
        require(subject != author, "the author leaves, and does not remove itself", "DENIED")
        require(author.role == OWNER or subject.role == MEMBER, "an admin removes only members", "DENIED")
        return replace(without(state, subject), join_key=None)
    assert op.role is not None
    require(op.role != subject.role, "the role it has", "DENIED")
    require(subject.role != OWNER or len(state.owners) > 1, "the only owner stays one", "DENIED")
    return with_person(without(state, subject), replace(subject, role=op.role))


def request_check(state: State, data: bytes) -> None:
    """The request that an add answers. Of its two signatures one is looked at: the author could have added anybody."""
    found = invites.decode(data)
    require(found.join_key == state.join_key, "not by the link that holds", "DENIED")
    invites.prove(found)


def with_person(state: State, person: Person) -> State:
    return replace(state, people=tuple(sorted((*state.people, person), key=lambda one: one.account)))


def without(state: State, person: Person) -> State:
    return replace(state, people=tuple(one for one in state.people if one != person))


def without_owner(state: State, author: Person) -> State:
    """Without the author, who leaves. Was it the only owner, there is an heir."""
    left = without(state, author)
    if author.role != OWNER or left.owners or not left.people:
        return left
    heir = min(left.people, key=lambda one: (-one.role, one.since, one.account))
    return with_person(without(left, heir), replace(heir, role=OWNER))


# ---------------------------------------------------------------------------------------------- taking
def compare(group: Group | None, op: Operation) -> str:
    """Where the operation is, seen from the head. Nobody has looked yet whether it is allowed, or who made it."""
    if group is None:
        return NEXT if op.seq == 1 else AHEAD
    if op.group_id != group.state.group_id:
        return OTHER
    if op.seq <= group.state.seq:
        return SAME if group.hash_of(op.seq) in (None, op.hash) else FORKED
    if op.seq > group.state.seq + 1:
        return AHEAD
    return NEXT if op.prev_hash == group.head else FORKED


def place_check(group: Group | None, op: Operation, signature: bytes, dsk_pub: bytes | None) -> bool:
    """Whether the operation is news. Only what somebody has signed is a fork."""
    place = compare(group, op)
    require(place != OTHER, "an operation of another group", "DENIED")
    require(place != AHEAD, "the operations between are missing", "GAP")
    if place == FORKED:
        if dsk_pub is None:
            raise Refused("DENIED", "it does not fit, and nobody looks who made it")
        primitives.verify(dsk_pub, "gop", op.raw, signature)
        raise Refused("FORK", "another operation than the one that was taken, or after another")
    return place == NEXT


def take(group: Group | None, data: bytes, dsk_pub: bytes | None) -> tuple[str, Group]:
    """What it was, and the group after it. `dsk_pub` is the author device's; None: somebody has vouched for this operation."""
    op, signature = signed_split(data)
    if not place_check(group, op, signature, dsk_pub):
        assert group is not None
        return SAME, group
    state = apply(group and group.state, op)
    require(state.hash == op.state_hash, "it leads to another state than it says", "DENIED")
    if dsk_pub is not None:
        primitives.verify(dsk_pub, "gop", op.raw, signature)
    return NEXT, Group(state, ((group.hashes if group else ()) + (op.hash,))[-REMEMBERED:])


def make(group: Group | None, fields: dict[str, Any]) -> Operation:
    """The next operation. `fields`: kind, author and its device and list, made_at, of a create group_id, and the kind's own."""
    place: dict[str, Any] = {"seq": 1, "prev_hash": None}
    if group is not None:
        place = {"seq": group.state.seq + 1, "prev_hash": group.head, "group_id": group.state.group_id}
    draft = operation_decode(tlv.encode(OPERATION, {**fields, **place, "state_hash": bytes(32)}))
    state_hash = apply(group and group.state, draft).hash
    return operation_decode(tlv.encode(OPERATION, {**fields, **place, "state_hash": state_hash}))


def founders_encode(members: list[dict[str, Any]]) -> bytes:
    return b"".join(member["account"] + bytes([member["role"]]) for member in members)


# ---------------------------------------------------------------------------------------------- whose signature
def signer(pin: Pin, op: Operation) -> bytes | int:
    """The author device's DSK, or the seq of the list that must be asked for first."""
    pinned = pin.signed.list
    require(pinned.account_id == op.author, "somebody else's lists", "DENIED")
    if op.list_seq > pinned.seq:
        return op.list_seq
    if op.list_seq == pinned.seq:
        require(op.list_hash == pinned.hash, "the author has another list of this seq", "DENIED")
    device = pinned.device(op.author_device)
    if device is None or device.device_id not in pin.usable:
        raise Refused("DENIED", "a device that the author has not, or that has not accepted its place")
    return device.dsk_pub


# ---------------------------------------------------------------------------------------------- who comes later
def brings_in(data: bytes, account: bytes) -> bool:
    try:
        op, _ = signed_split(data)
    except Refused:
        return False  # it is refused when its turn comes
    return (op.kind == ADD and op.subject == account) or (op.kind == CREATE and account in dict(op.founders))


def is_of(data: bytes, op_hash: bytes | None) -> bool:
    """Whether it is the operation that a link says that it is of."""
    try:
        return signed_split(data)[0].hash[: invites.OP_HASH] == op_hash
    except Refused:
        return False


def looked_at(ops: list[bytes], account: bytes, asked: bytes | None) -> int:
    """The seq from which on signatures count: of the first operation that brought the account in, or that its link is of.

    There is none: nobody vouches, and all are looked at.
    """
    return min((signed_split(data)[0].seq for data in ops if brings_in(data, account) or is_of(data, asked)), default=1)


def join(account: bytes, given: list[tuple[bytes, bytes | None]], asked: bytes | None = None) -> tuple[int, Group]:
    """All operations from seq 1 on, with the keys of those who made them: from which one on they were looked at, and the group.

    `asked`: what the link that was asked with says of the operation that made it.
    """
    first = looked_at([data for data, _ in given], account, asked)
    group: Group | None = None
    known = asked is None
    for data, dsk_pub in given:
        op, _ = signed_split(data)
        require(op.seq < first or dsk_pub is not None, "an operation of somebody unknown", "DENIED")
        _, group = take(group, data, None if op.seq < first else dsk_pub)
        require(known or not brings_in(data, account), "into another group than the link is of", "DENIED")
        known = known or is_of(data, asked)
    if group is None:
        raise Refused("GAP", "no operation at all")
    return first, group


# ---------------------------------------------------------------------------------------------- messages
def epoch_check(group: Group, sender: bytes, epoch: int, group_hash: bytes) -> str:
    """What a message says of the group that its sender knew. `same` is the reader's head, `before` one that was."""
    require(epoch >= 1, "an epoch is from 1")
    require(epoch <= group.state.seq, "operations that the reader has not are asked for first", "GAP")
    require(group.state.person(sender) is not None, "a sender who is not in the group", "DENIED")
    require(group.hash_of(epoch) in (None, group_hash), "the sender knew another group", "FORK")
    return SAME if epoch == group.state.seq else "before"


def payload_read(group: Group, data: bytes, expected: payload.Expected, header: dict[str, Any]) -> dict[str, Any]:
    """A payload of a message in the group. `header` is what a chain's says of the group; nothing when it came by a session."""
    values = payload.decode(data, expected)
    require(values["peer_list_seq"] is None, "the peer's list, in a group")
    require(values["group_epoch"] is not None, "no epoch, in a group")
    for name, value in header.items():
        require(values[name] == value, f"{name} is not that of the chain's header")
    epoch_check(group, expected.account_id, values["group_epoch"], values["group_hash"])
    return values
