"""Groups and sender chains by chance, in the format of the known answers: random_cases.py is the same of sessions.

    cd tests && python -m model.random_groups SEED [COUNT]

Of four seeds three are of groups: people do what they may and what they may not, two at once; a reader gets it late, twice, damaged
and in another order; others come later and read all; links are made and end, and people ask with them. One is of chains: messages are
lost, repeated, late and damaged, days go by, and the chain is given to who comes later. The same seed is the same case.
"""

import random
import sys
from dataclasses import replace
from typing import Any

from . import group, join as invites, make_vectors, payload, primitives, sender_chain, tlv
from .cases import Case
from .cases_payload import FULL, rehashed, without
from .cases_sender_chain import forged as forged_message
from .cases_sender_chain import owner_args, receiving, sending
from .fixtures import DAY_MS, NOW, Account, with_field
from .group_info import SEALED_MIN
from .group_steps import DEVICE, GROUP_ID, author_args, dsk_pub, forged_op, founders, signed_by
from .random_links import Links
from .random_parts import damage
from .refused import Refused

GROUP_STEPS = 60
CHAIN_STEPS = 80
PEOPLE = [Account(f"person {number}") for number in range(9)]
BY_ID = {account.account_id: account for account in PEOPLE}
HOW = (*("none",) * 10, "bit", "cut", "unsigned", "signer", "label")
OFTEN = {group.ADD: 9, group.REMOVE: 3, group.LEAVE: 2, group.ROLE: 4, group.INFO: 1, group.SETTINGS: 1, group.JOIN_KEY: 4}
KINDS = [kind for kind, times in OFTEN.items() for _ in range(times)]


def text(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


# ---------------------------------------------------------------------------------------------- groups
class History:
    """A group, `s`, as the server has it in order, and a reader of it, `r`, to whom everything happens."""

    def __init__(self, case: Case, rng: random.Random) -> None:
        self.case, self.rng = case, rng
        self.links = Links(case, rng)
        self.ops: list[tuple[Account, bytes]] = []
        self.sent: list[tuple[Account, bytes]] = []  # everything that anybody signed, in no order

    @property
    def known(self) -> group.Group:
        return self.case.run.groups["s"]

    def begin(self) -> None:
        owner, *others = self.rng.sample(PEOPLE, self.rng.randrange(1, 6))
        fields: dict[str, Any] = {"members": founders(owner, *others), "suite": 1, "group_id": GROUP_ID}
        if self.rng.random() < 0.5:
            fields |= {"info": self.rng.randbytes(SEALED_MIN)}
        if self.rng.random() < 0.5:
            fields |= {"settings": 1}
        self.make(owner, group.CREATE, fields)
        self.read("s", owner, self.sent[0][1])
        self.ops.append(self.sent[0])

    def fields(self, kind: int) -> dict[str, Any]:
        """What an operation of this kind has; mostly somebody whom it can be done to."""
        rng = self.rng
        there = [BY_ID[person.account] for person in self.known.state.people]
        pool = there if kind in (group.REMOVE, group.ROLE) else [one for one in PEOPLE if one not in there]
        subject = rng.choice(pool if pool and rng.random() < 0.9 else PEOPLE).account_id
        role = rng.choice((1, 2, 3)) if rng.random() < 0.97 else rng.choice((0, 4, 255))
        if kind == group.INFO:
            return {"info": rng.randbytes(rng.randrange(SEALED_MIN, 200))} if rng.random() < 0.6 else {}
        if kind == group.SETTINGS:
            return {"settings": rng.choice((0, 1, 0, 1, 0, 1, 2))}
        if kind == group.JOIN_KEY:
            key = self.links.next_key()
            return {} if key is None else {"join_key": key}
        if kind == group.ADD and rng.random() < (0.75 if self.known.state.join_key else 0.2):
            return self.who_asks(subject, role)
        return {group.ADD: {"subject": subject, "role": role}, group.ROLE: {"subject": subject, "role": role}}.get(
            kind, {"subject": subject} if kind == group.REMOVE else {}
        )

    def who_asks(self, subject: bytes, role: int) -> dict[str, Any]:
        asker = BY_ID[subject] if self.rng.random() < 0.93 else self.rng.choice(PEOPLE)
        state = self.known.state
        request = self.links.request(asker, state.join_key, state.seq)
        if request is None:
            return {"subject": subject, "role": role}
        return {"subject": subject, "role": group.MEMBER if self.rng.random() < 0.93 else role, "request": request}

    def author(self) -> Account:
        """Mostly somebody with a role."""
        people = self.known.state.people
        strong = [person for person in people if person.role > group.MEMBER]
        chance = self.rng.random()
        if strong and chance < 0.75:
            return BY_ID[self.rng.choice(strong).account]
        return BY_ID[self.rng.choice(people).account] if people and chance < 0.95 else self.rng.choice(PEOPLE)

    def make(self, author: Account, kind: int, fields: dict[str, Any]) -> bool:
        args = {**author_args(author), "kind": kind, **fields}
        shown = {name: text(value) for name, value in args.items() if name != "members"}
        if "members" in fields:
            shown["members"] = [{name: text(value) for name, value in row.items()} for row in fields["members"]]
        step = self.case.take("make_op", {"group": "s", "dsk_seed": author.dsk_seed(DEVICE).hex(), **shown})
        if "out" in step:
            self.sent.append((author, self.case.out("signed")))
        return "out" in step

    def forge(self, author: Account, kind: int, fields: dict[str, Any]) -> None:
        """What only a client that has been changed would send."""
        rng = self.rng
        place = rng.choice(({}, {}, {}, {"seq": self.known.state.seq + 2}, {"prev_hash": bytes(32)}, {"state_hash": bytes(32)}))
        if kind == group.JOIN_KEY and rng.random() < 0.2:
            fields = {"join_key": group.NO_KEY}
        raw = forged_op(self.known, author, kind, **{**fields, **place})
        if rng.random() < 0.3:
            raw = with_field(raw, rng.choice((*range(11, 19), 0x7FFF, 0x8000)), rng.randbytes(rng.choice((1, 1, 16, 17, 32))))
        signed = signed_by(author, raw)
        if rng.random() < 0.03:
            signed = with_field(signed, rng.choice((3, 0x7FFF, 0x8000, 0xFFFF)), b"new")
        self.sent.append((author, signed))

    def go_on(self) -> None:
        """Something is signed, or two things at once; the first that holds is the next."""
        made = len(self.sent)
        for _ in range(self.rng.choice((1, 1, 1, 2))):
            kind = self.rng.choice(KINDS) if self.rng.random() < 0.98 else self.rng.choice((0, 1, 9, 200))
            author, fields = self.author(), self.fields(kind)
            # What is wrong with a request its author's own device does not sign, so that none would be read.
            if self.rng.random() < (0.5 if "request" in fields else 0.2) or kind not in KINDS:
                self.forge(author, kind, fields)
            else:
                self.make(author, kind, fields)
        for author, signed in self.sent[made:]:
            before = self.known.state.seq
            self.read("s", author, signed)
            if self.known.state.seq > before:
                self.ops.append((author, signed))

    def read(self, name: str, author: Account, signed: bytes) -> None:
        how = self.rng.choice(HOW) if name != "s" else "none"
        key = self.rng.choice(PEOPLE) if how == "signer" else author
        if how == "unsigned":
            signed = with_field(signed, 2, bytes(64))
        elif how == "label":
            signed = signed_by(author, dict(tlv.fields(signed))[1], "devlist")
        else:
            signed = damage(self.rng, how, signed)
        if self.rng.random() < 0.2:
            self.case.take("compare_op", {"group": name, "signed": signed.hex()})
        self.case.take("read_op", {"group": name, "signed": signed.hex(), "dsk_pub": dsk_pub(key).hex()})

    def catch_up(self) -> None:
        """The reader gets what is next for it, or anything else."""
        reader = self.case.run.groups.get("r")
        at = 0 if reader is None else reader.state.seq
        chance = self.rng.random()
        if at < len(self.ops) and chance < 0.7:
            self.read("r", *self.ops[at])
        elif chance < 0.85:
            self.read("r", *self.rng.choice(self.ops))
        else:
            self.read("r", *self.rng.choice(self.sent))

    def join(self) -> None:
        ops = []
        spoilt = self.rng.randrange(len(self.ops) * 3)
        for at, (author, signed) in enumerate(self.ops):
            signed = with_field(signed, 2, bytes(64)) if at == spoilt else signed
            ops.append({"signed": signed.hex(), "dsk_pub": dsk_pub(author).hex()})
        if self.rng.random() < 0.1:
            ops.pop(self.rng.randrange(len(ops)))
        args: dict[str, Any] = {"group": "j", "account_id": self.rng.choice(PEOPLE).account_id.hex(), "ops": ops}
        if self.rng.random() < 0.5:  # it asked with a link, mostly of an operation that is there
            of = primitives.sha256(dict(tlv.fields(self.rng.choice(self.ops)[1]))[1])
            args |= {"op_hash": (of if self.rng.random() < 0.9 else bytes(32))[: invites.OP_HASH].hex()}
        self.case.take("join_group", args)

    def message(self) -> None:
        """What somebody says in the group, as the reader sees it."""
        rng, known = self.rng, self.case.run.groups["r"]
        seq = max(1, min(rng.choice((known.state.seq, rng.randrange(1, len(self.ops) + 1))), len(self.ops)))
        group_hash = primitives.sha256(dict(tlv.fields(self.ops[seq - 1][1]))[1]) if rng.random() < 0.9 else bytes(32)
        sender = self.author()
        who = {"account_id": sender.account_id, "group_epoch": seq, "group_hash": group_hash}
        self.case.take("check_epoch", {"group": "r", **{name: text(value) for name, value in who.items()}})
        fields = {**without(FULL, "peer_list_seq", "peer_list_hash"), **who, "device_id": DEVICE}
        if rng.random() < 0.1:
            fields |= {"dest": sender.account_id}
        if rng.random() < 0.1:
            fields |= {"peer_list_seq": 1, "peer_list_hash": bytes(32)}
        data = payload.encode(without(fields, "group_epoch", "group_hash") if rng.random() < 0.1 else fields)
        data = rehashed(with_field(data, 0x8000, b"new")) if rng.random() < 0.1 else data
        args = {"thread_id": FULL["thread_id"].hex(), "account_id": sender.account_id.hex(), "device_id": DEVICE}
        if rng.random() < 0.3:  # it came by a chain, whose header says the same, mostly
            args |= {"group_epoch": seq if rng.random() < 0.9 else seq + 1, "group_hash": group_hash.hex()}
        self.case.take("read_group_payload", {"group": "r", "payload": data.hex(), **args})


def group_case(seed: int) -> Case:
    rng = random.Random(seed)
    case = Case(f"SEED={seed}")
    history = History(case, rng)
    history.begin()
    eager = rng.choice((0.3, 0.6, 0.8))  # how soon the reader reads
    for _ in range(GROUP_STEPS):
        if rng.random() > eager:
            history.go_on()
        else:
            history.catch_up()
        if "r" in case.run.groups and rng.random() < 0.15:
            history.message()
        if rng.random() < 0.04:
            history.join()
    return case


# ---------------------------------------------------------------------------------------------- chains
def id_of(given: bytes) -> bytes:
    """The chain_id of what was given; of what is no chain any one does."""
    try:
        return bytes(tlv.decode(sender_chain.CHAIN, given)["chain_id"])
    except Refused:
        return bytes(8)


def chain_name(reader: str, chain_id: bytes, device: int = DEVICE) -> str:
    return f"{reader} {device} {chain_id.hex()}"


class Broadcast:
    """Chains of one device, the last of which sends, and those who read them. A reader's chain is called as its own and by its name."""

    def __init__(self, case: Case, rng: random.Random) -> None:
        self.case, self.rng, self.now = case, rng, NOW
        self.chains: list[str] = []
        self.inboxes: dict[str, list[bytes]] = {}
        self.given: dict[str, list[str]] = {}

    def at(self) -> dict[str, Any]:
        return {"group_epoch": self.rng.randrange(1, 9), "group_hash": self.rng.randbytes(32).hex()}

    def begin(self) -> None:
        name = f"s{len(self.chains)}"
        self.chains.append(name)
        if self.rng.random() < 0.7:
            self.case.do("new_chain", chain=name, coins=self.rng.randbytes(72), now=self.now, **owner_args())
        else:
            # Far on, so that it jumps as far as is allowed, or a little more; or close to its last message.
            at = self.rng.choice((490, 498, 1999, 2000, 2001))
            self.case.do("load_chain", chain=name, kind="sending", state=replace(sending(at), created_at=self.now).encode())
            if at > 1000 or self.rng.random() < 0.5:
                theirs = chain_name("a", receiving().chain_id)
                self.case.do("load_chain", chain=theirs, kind="receiving", state=receiving().encode())
                self.inboxes[theirs] = []
        self.given[name] = []
        for reader in "ab":
            self.give(reader)

    def give(self, reader: str) -> None:
        sender = self.chains[-1]
        self.case.take("give_chain", {"chain": sender, **self.at()})
        self.given[sender].append(self.case.steps[-1]["out"]["given"])
        self.take(reader, sender)

    def take(self, reader: str, sender: str) -> None:
        rng = self.rng
        given = bytes.fromhex(rng.choice((self.given[sender][-1], rng.choice(self.given[sender]))))
        chance = rng.random()
        if chance < 0.1:
            given = damage(rng, rng.choice(("bit", "cut")), given)
        elif chance < 0.15:
            given = bytes.fromhex(rng.choice(self.given[rng.choice(self.chains)]))
        elif chance < 0.2:
            given = with_field(given, 4, primitives.sign_public(rng.randbytes(32)))
        device = DEVICE if rng.random() < 0.95 else DEVICE + 1
        owner = {key: text(value) for key, value in owner_args(device=device).items()}
        name = chain_name(reader, id_of(given), device)
        step = self.case.take("take_chain", {"chain": name, **owner, "given": given.hex()})
        if "out" in step:
            self.inboxes.setdefault(name, [])

    def send(self) -> None:
        sender, rng = self.chains[-1], self.rng
        plaintext, coins = rng.randbytes(rng.randrange(40)), rng.randbytes(24)
        before = self.case.run.chains[sender]
        self.case.take("chain_encrypt", {"chain": sender, **self.at(), "plaintext": plaintext.hex(), "coins": coins.hex()})
        message = self.case.out("message")
        assert isinstance(before, sender_chain.Sending)
        if rng.random() < 0.05:
            changed = rng.choice(({"device_id": 9}, {"iteration": before.iteration + 1}, {"chain_id": bytes(8)}, {"group_id": bytes(16)}))
            message = forged_message(before, **changed)
        elif rng.random() < 0.02:
            message = with_field(message, rng.choice((7, 0x8000)), b"new")
        for name, inbox in self.inboxes.items():
            if before.chain_id.hex() in name:
                inbox.append(message)

    def receive(self, name: str) -> None:
        inbox, rng = self.inboxes[name], self.rng
        how = rng.choice((*("none",) * 8, "lost", "bit", "cut"))
        message = rng.choice(inbox if rng.random() < 0.3 else inbox[-3:])
        if how == "lost" or (how == "none" and rng.random() < 0.6):
            inbox.remove(message)
        if how != "lost":
            self.case.take("chain_decrypt", {"chain": name, "message": damage(rng, how, message).hex(), "now": self.now})

    def due(self) -> None:
        step = self.case.do("chain_is_due", chain=self.chains[-1], now=self.now)
        if step["out"]["due"]:
            self.begin()


def chain_case(seed: int) -> Case:
    rng = random.Random(seed)
    case = Case(f"SEED={seed}")
    talk = Broadcast(case, rng)
    talk.begin()
    pace = rng.choice(((0, 1, 1000), (0, 1, 1000, 1000, DAY_MS // 2, 3 * DAY_MS), (1000, 1000, DAY_MS)))
    sees_all = rng.choice((0.5, 0.7, 0.9))
    for _ in range(CHAIN_STEPS):
        talk.now += rng.choice(pace)
        name = rng.choice(list(talk.inboxes) or ["none"])
        chance = rng.random()
        if chance < 0.04:
            talk.give(rng.choice("abc"))
        elif chance < 0.07:
            talk.take(rng.choice("abc"), rng.choice(talk.chains))
        elif chance < 0.12:
            talk.due()
        elif talk.inboxes.get(name) and rng.random() < sees_all:
            talk.receive(name)
        else:
            talk.send()
    return case


def case_of(seed: int) -> Case:
    return chain_case(seed) if seed % 4 == 0 else group_case(seed)


def main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    cases = [case_of(number) for number in range(seed, seed + count)]
    sys.stdout.write(make_vectors.file_text("tests/model/random_groups.py", cases))


if __name__ == "__main__":
    main()
