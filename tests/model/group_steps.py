"""The steps that cases of groups are made of: people, what they do in a group, and what they would like to do."""

from dataclasses import replace
from typing import Any

from . import group, join, primitives, tlv
from .cases import Case
from .fixtures import NOW, Account, coin
from .group import ADD, ADMIN, CREATE, INFO, JOIN_KEY, LEAVE, MEMBER, OWNER, REMOVE, ROLE, Group, Person, State
from .refused import Refused

DEVICE = 7
GROUP_ID = coin("group id", 16)
ALICE, BOB, CAROL, DAVE, EVE = (Account(name) for name in ("alice", "bob", "carol", "dave", "eve"))


def dsk_pub(account: Account, device: int = DEVICE) -> bytes:
    return primitives.sign_public(account.dsk_seed(device))


def author_args(author: Account, device: int = DEVICE) -> dict[str, Any]:
    return {
        "author": author.account_id,
        "author_device": device,
        "list_seq": 1,
        "list_hash": coin(f"{author.name} list", 32),
        "made_at": NOW,
    }


def founders(owner: Account, *others: Account) -> list[dict[str, Any]]:
    rows = [(owner.account_id, OWNER), *((other.account_id, MEMBER) for other in others)]
    return [{"account": account, "role": role} for account, role in sorted(rows)]


# ---------------------------------------------------------------------------------------------- what is done
def make(case: Case, author: Account, kind: int, expect: str | None = None, note: str = "", name: str = "g", **fields: Any) -> bytes:
    """The signed operation; nothing when it is refused."""
    args = {**author_args(author), "kind": kind, **fields}
    case.do("make_op", expect, note, group=name, dsk_seed=author.dsk_seed(args["author_device"]), **args)
    return b"" if expect else case.out("signed")


def take(case: Case, author: Account, signed: bytes, expect: str | None = None, note: str = "", name: str = "g") -> None:
    case.do("read_op", expect, note, group=name, signed=signed, dsk_pub=dsk_pub(author))


def does(case: Case, author: Account, kind: int, note: str = "", name: str = "g", **fields: Any) -> bytes:
    signed = make(case, author, kind, note=note, name=name, **fields)
    take(case, author, signed, name=name)
    return signed


def create(case: Case, owner: Account, *others: Account, name: str = "g", group_id: bytes = GROUP_ID, **fields: Any) -> bytes:
    return does(case, owner, CREATE, name=name, group_id=group_id, members=founders(owner, *others), suite=group.SUITE, **fields)


def add(case: Case, author: Account, subject: Account, role: int = MEMBER, **more: Any) -> bytes:
    return does(case, author, ADD, subject=subject.account_id, role=role, **more)


def set_role(case: Case, author: Account, subject: Account, role: int, **more: Any) -> bytes:
    return does(case, author, ROLE, subject=subject.account_id, role=role, **more)


def remove(case: Case, author: Account, subject: Account, **more: Any) -> bytes:
    return does(case, author, REMOVE, subject=subject.account_id, **more)


def leave(case: Case, author: Account, **more: Any) -> bytes:
    return does(case, author, LEAVE, **more)


# ---------------------------------------------------------------------------------------------- who asks to be let in
def link_of(name: str) -> join.Link:
    """A link of the group's chat. What it says of an operation is in no key and no request."""
    return join.Link(coin("group chat", 16), coin(f"link {name}", 32), coin(f"link {name} operation", 16))


def set_link(case: Case, author: Account, link: join.Link | None, **more: Any) -> bytes:
    return does(case, author, JOIN_KEY, join_key=link and link.join_key, **more)


def request_raw(link: join.Link, asker: Account, **changed: Any) -> bytes:
    """A join request's bytes, whatever the rules say of it."""
    fields = {
        "join_key": link.join_key,
        "account_id": asker.account_id,
        "device_id": DEVICE,
        "list_seq": 1,
        "list_hash": coin(f"{asker.name} list", 32),
        "made_at": NOW,
        **changed,
    }
    return tlv.encode(join.REQUEST, fields)


def asked(link: join.Link, asker: Account, raw: bytes) -> bytes:
    """Signed by the link and by the asker's device, whatever it is."""
    return join.signed_encode(raw, link.seed, asker.dsk_seed(DEVICE))


def asks(link: join.Link, asker: Account, **changed: Any) -> bytes:
    return asked(link, asker, request_raw(link, asker, **changed))


def let_in(case: Case, author: Account, asker: Account, request: bytes, **more: Any) -> bytes:
    return add(case, author, asker, request=request, **more)


# ---------------------------------------------------------------------------------------------- a group, and what is known of it
def usual(name: str) -> Case:
    """A group of an owner, an admin and two members: alice, bob, carol and dave. Eve is not in it."""
    case = Case(name)
    create(case, ALICE, BOB, CAROL, DAVE)
    set_role(case, ALICE, BOB, ADMIN)
    return case


def group_of(case: Case, name: str = "g") -> Group:
    return case.run.groups[name]


# ---------------------------------------------------------------------------------------------- what must not be done
def without_rules(state: State | None, op: group.Operation) -> State:
    """What the operation comes to when nobody looks whether it is allowed: for forged ones, of which one rule alone is broken."""
    if op.kind == CREATE or state is None:
        people = tuple(Person(account, role, op.seq) for account, role in op.founders)
        return State(op.group_id, op.seq, op.suite or 0, people, op.info, op.settings or 0)
    state = replace(state, seq=op.seq)
    subject, author = state.person(op.subject or b""), state.person(op.author)
    if op.kind in (ADD, ROLE):
        rest = group.without(state, subject) if subject else state
        since = subject.since if subject and op.kind == ROLE else op.seq
        return group.with_person(rest, Person(op.subject or bytes(16), op.role or 0, since))
    if op.kind == REMOVE:
        return replace(group.without(state, subject) if subject else state, join_key=None)
    if op.kind == LEAVE:
        return group.without_owner(state, author) if author else state
    if op.kind == JOIN_KEY:
        return replace(state, join_key=op.join_key)
    return replace(state, info=op.info) if op.kind == INFO else replace(state, settings=op.settings or 0)


def forged_op(known: Group | None, author: Account, kind: int, **changed: Any) -> bytes:
    """An operation's bytes, whatever the rules say of it."""
    place: dict[str, Any] = {"seq": 1, "group_id": GROUP_ID}
    if known is not None:
        place = {"seq": known.state.seq + 1, "prev_hash": known.head, "group_id": known.state.group_id}
    fields = {**author_args(author), **place, "kind": kind, "state_hash": bytes(32), **changed}
    rest = {name: fields.get(name) for name in ("prev_hash", *group.KIND_FIELDS)}
    op = group.Operation(b"", **{**fields, **rest})
    after = without_rules(known and known.state, op)
    if "state_hash" not in changed:
        fields["state_hash"] = primitives.sha256(after.encode())
    return tlv.encode(group.OPERATION, fields)


def forged(known: Group | None, author: Account, kind: int, **changed: Any) -> bytes:
    return signed_by(author, forged_op(known, author, kind, **changed))


def signed_by(author: Account, raw: bytes, label: str = "gop") -> bytes:
    signature = primitives.sign(author.dsk_seed(DEVICE), label, raw)
    return tlv.encode(group.SIGNED, {"operation": raw, "signature": signature})


def takes(known: Group, author: Account, kind: int, **fields: Any) -> bool:
    """Whether a reader takes what is right in all but perhaps what it does."""
    try:
        group.take(known, forged(known, author, kind, **fields), dsk_pub(author))
    except Refused:
        return False
    return True
