"""Asking again, what each side remembers and does: what is asked for and how often, what is given to whom, what an asker takes.

Bytes, sessions and the network are elsewhere. Everything is frozen: a step makes another state, so what is passed over has changed nothing.
A time is over when as many milliseconds have passed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from .refused import require
from .resend import ITEMS_MAX, Item

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
NOTED_MAX = 64  # of one device
NOTED_MS = 14 * DAY_MS
ASK_AGAIN_MS = 24 * HOUR_MS
ASKED_MAX = 3
ANEW_MS = 24 * HOUR_MS
GIVEN_MAX = 3  # of one message, to one device
GIVEN_DEVICE_MAX = 256
GIVEN_DEVICE_MS = 30 * DAY_MS
REDRAW_MS = 24 * HOUR_MS

OPENED, NOT_OPENED, REPEATED, NO_PREKEY, NO_CHAIN, NOT_WHO_IT_SAYS, REFUSED_INSIDE = range(7)
NOBODYS = {b"application/x-kith-step", b"application/x-kith-group-keys"}  # of these an answer says no more
LOST = {NOT_OPENED, REPEATED, NO_PREKEY, NO_CHAIN}


@dataclass(frozen=True, order=True)
class Device:
    account: bytes
    device_id: int


# ---------------------------------------------------------------------------------------------- what is lost
@dataclass(frozen=True)
class Came:
    """A message that came, and what became of it. `by_chain`: it is under a sender chain, not in a session."""

    outcome: int
    listed: bool = True
    mail: bool = False
    by_chain: bool = False
    before_us: bool = False  # in a group, and this account was not in it yet

    @property
    def is_lost(self) -> bool:
        """Whether it is asked for."""
        return self.outcome in LOST and self.listed and not self.mail and not self.before_us

    @property
    def breaks_session(self) -> bool:
        """Whether the session that it came in, or was to begin, is to be begun anew; of mail, too."""
        return self.outcome in LOST and self.listed and not self.by_chain


# ---------------------------------------------------------------------------------------------- who asks
@dataclass(frozen=True)
class Note:
    item: Item
    lost_at: int
    asked: int = 0
    asked_at: int = 0  # the last time

    def holds(self, now: int) -> bool:
        return now - self.lost_at < NOTED_MS

    def due(self, now: int) -> bool:
        return self.asked == 0 or (self.asked < ASKED_MAX and now - self.asked_at >= ASK_AGAIN_MS)


@dataclass(frozen=True)
class Asker:
    """What a device remembers of one other that it has not got messages of."""

    notes: tuple[Note, ...] = ()  # the oldest first

    def lost(self, item: Item, now: int) -> "Asker":
        """The first ones are noted: of one too many nothing is. The same one again is one."""
        notes = self.held(now)
        if any(note.item.place == item.place for note in notes) or len(notes) >= NOTED_MAX:
            return Asker(notes)
        return Asker((*notes, Note(item, now)))

    def held(self, now: int) -> tuple[Note, ...]:
        return tuple(note for note in self.notes if note.holds(now))

    def ask(self, now: int, asks_in: Callable[[bytes], bool]) -> tuple["Asker", list[list[Item]]]:
        """The requests that go out now. `asks_in`: a group, or a chat of two in which the account has written."""
        due = [note for note in self.held(now) if note.due(now) and asks_in(note.item.chat_id)]
        asked = tuple(replace(note, asked=note.asked + 1, asked_at=now) if note in due else note for note in self.held(now))
        items = sorted(note.item for note in due)
        return Asker(asked), [items[at : at + ITEMS_MAX] for at in range(0, len(items), ITEMS_MAX)]

    def take(self, again: Item, now: int, may_say: bool = True) -> "Asker":
        """The answer of that device that names a message so. `may_say`: in a group, it is a member's still."""
        found = next((note for note in self.held(now) if note.item == again and note.asked > 0), None)
        require(found is not None, "an answer to what was not asked, or not of this device, or that came before", "DENIED")
        require(may_say, "an answer of who was removed from the group", "DENIED")
        return self.came(again)

    def came(self, item: Item) -> "Asker":
        """It is here, however it came."""
        return Asker(tuple(note for note in self.notes if note.item != item))


@dataclass(frozen=True)
class Anew:
    """Whether the session with one other device is begun anew with the next thing that is sent to it."""

    wanted: bool = False
    begun_at: int | None = None  # by either

    def failed(self, now: int) -> "Anew":
        if self.begun_at is not None and now - self.begun_at < ANEW_MS:
            return self  # it may be of the sessions before
        return replace(self, wanted=True)

    def other_began(self, now: int) -> "Anew":
        return Anew(False, now)

    def send(self, now: int) -> tuple["Anew", bool]:
        """Something goes to that device: whether in a session that is begun for it."""
        return (Anew(False, now), True) if self.wanted else (self, False)


# ---------------------------------------------------------------------------------------------- who is asked
def body_again(content_type: bytes, body: bytes) -> bytes:
    """What an answer says, and what is looked at of one."""
    return b"" if content_type in NOBODYS else body


@dataclass(frozen=True)
class Written:
    """A message in a chat that a device still has, with what was so when it was encrypted."""

    item: Item
    writer: Device
    encrypted_at: int  # in the order of the writer's own steps, by no clock
    chat_of: frozenset[bytes] = frozenset()  # the two accounts; of a group it is empty
    group_epoch: int = 0  # of a group: the head's seq
    expires_at: int | None = None
    deleted: bool = False  # by its author
    content_type: bytes = b"text/plain"
    roots: Mapping[bytes, bytes] = field(default_factory=dict)  # each account's root key then


@dataclass(frozen=True)
class Peer:
    """What the asked device knows of the device that asks, and of its account, now."""

    device: Device
    sessions_since: tuple[int, ...] = ()  # when each that is kept was begun, in the order of the asked device's own steps
    root: bytes = b""
    verified_root: bytes | None = None
    forked: bool = False  # two lists of one number
    since: Mapping[bytes, int] = field(default_factory=dict)  # of each group it is in: the seq that brought it in


def was_written_to(message: Written, peer: Peer) -> bool:
    """It could read it then, and has been let read it ever since."""
    if not any(begun <= message.encrypted_at for begun in peer.sessions_since):
        return False
    if message.chat_of:
        return peer.device.account in message.chat_of
    since = peer.since.get(message.item.chat_id)
    return since is not None and since <= message.group_epoch


def may_write_to(message: Written, peer: Peer) -> bool:
    if peer.forked or peer.root != message.roots.get(peer.device.account):
        return False
    return peer.verified_root is None or peer.root == peer.verified_root


@dataclass(frozen=True)
class Given:
    """What a device has given whom: of each (device, message) the times."""

    times: tuple[tuple[Device, Item, int], ...] = ()

    def has_room(self, device: Device, item: Item, now: int) -> bool:
        mine = [(what, at) for whom, what, at in self.times if whom == device]
        lately = [at for _, at in mine if now - at < GIVEN_DEVICE_MS]
        return len([what for what, _ in mine if what == item]) < GIVEN_MAX and len(lately) < GIVEN_DEVICE_MAX

    def answer(
        self, us: Device, store: Mapping[tuple[bytes, int], Written], peer: Peer, items: Iterable[Item], now: int
    ) -> tuple["Given", list[Item]]:
        """Those of the request's messages that an answer goes out for; of the others nothing is said."""
        given, answered = self, []
        for item in items:
            message = store.get(item.place)
            if message is None or not gives(us, message, item, peer, now) or not given.has_room(peer.device, item, now):
                continue
            given = Given((*given.times, (peer.device, item, now)))
            answered.append(item)
        return given, answered


def gives(us: Device, message: Written, item: Item, peer: Peer, now: int) -> bool:
    """Whether that device may have this message at all."""
    return (
        message.item == item
        and message.writer == us
        and not message.deleted
        and (message.expires_at is None or now < message.expires_at)
        and was_written_to(message, peer)
        and may_write_to(message, peer)
    )


@dataclass(frozen=True)
class Chain:
    """A device's sending chain in a group, and who has got it."""

    number: int
    has: frozenset[Device]
    redrawn_at: int | None = None  # when that was because somebody asked

    def asked(self, device: Device, number: int, now: int) -> "Chain":
        """A member's device asks for a message under the chain `number`, or for the one that gave it."""
        if number != self.number:
            return self
        may = self.redrawn_at is None or now - self.redrawn_at >= REDRAW_MS
        if device in self.has and may:
            return Chain(self.number + 1, frozenset(), now)
        return replace(self, has=self.has - {device})

    def send(self, devices: Iterable[Device]) -> tuple["Chain", list[Device]]:
        """The next message to all these: whom the chain is given first."""
        lacking = [device for device in sorted(devices) if device not in self.has]
        return replace(self, has=self.has | set(lacking)), lacking
