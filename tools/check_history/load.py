"""Events into a Model: one handler per operation `f`. What each line must hold is in docs/history-format.md."""

from __future__ import annotations

from typing import Any, Callable

from check_history.load_server import ENTERS, GOES, NO_EXTRA, ServerLog, member_event, see, user_of
from check_history.model import (
    ATTEMPT_FAIL, ATTEMPT_INFO, ATTEMPT_OK, ATTEMPT_REFUSED, FINAL, HISTORY, LIVE, MESSAGE, META_GAP, META_REDELIVERED,
    META_SHIFT, NEVER, Ack, AckPos, Chat, Conn, Device, Ended, Mode, Model, Numbered, Page, PresenceSeen, Range, ReadMark,
    ReceiptSeen, Send, Sight, Slot, StatusSeen, merge_ranges,
)  # fmt: skip
from check_history.reader import CLIENT, DUMP, NEMESIS, RESTORE, Event, Malformed, Source, file_kind, ref_where

MALFORMED_KEPT = 10
TYPES = frozenset(("invoke", "ok", "fail", "info"))


class Pending:
    """An operation begun and not yet ended."""

    __slots__ = ("f", "t0", "ref", "subject", "extra")

    def __init__(self, f: str, t0: int, ref: int, subject: Any, extra: dict[str, Any]) -> None:
        self.f, self.t0, self.ref, self.subject, self.extra = f, t0, ref, subject, extra


class Loader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.model = Model()
        self.pending: dict[tuple[str, int], Pending] = {}
        self.handlers: dict[str, Callable[[Event, int, Device, str], None]] = {
            "send": self._send, "frame": self._frame, "apply": self._apply, "ackpos": self._ackpos,
            "history": self._history, "status": self._status, "receipt_out": self._receipt_out,
            "receipt_in": self._receipt_in, "presence_in": self._presence_in, "member": self._member,
            "delete": self._delete, "auth": self._auth, "connect": self._connect, "resume": self._resume,
            "close": self._close, "mode": self._mode,
        }  # fmt: skip

    def load(self) -> Model:
        server = ServerLog(self.model)
        takes = {CLIENT: self._client, NEMESIS: server.nemesis, DUMP: server.dump, RESTORE: server.restore}
        for index, name in enumerate(self.source.names):
            kind = file_kind(name)
            self.model.files[kind] += 1
            take = takes[kind]
            for ref, event in self.source.events(index):
                try:
                    if isinstance(event, Malformed):
                        raise event
                    take(event, ref)
                except (Malformed, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
                    self._malformed(ref, error)
        self._finish()
        return self.model

    def _malformed(self, ref: int, error: Exception) -> None:
        self.model.malformed_count += 1
        if len(self.model.malformed) < MALFORMED_KEPT:
            what = f"no field {error}" if isinstance(error, KeyError) else str(error)
            self.model.malformed.append(f"{ref_where(self.source, ref)}: {what}")

    def _finish(self) -> None:
        model = self.model
        for pending in self.pending.values():
            if pending.f == "send":
                send, digest = pending.subject
                send.unsure.add(digest)
                send.t_unsure = min(send.t_unsure, pending.t0)
                send.t_last = NEVER
                self._attempt(send.chat, pending.t0, pending.t0, ATTEMPT_INFO, pending.ref)
            elif pending.f == "delete":
                pending.subject[0].deleted.add(pending.subject[1])
        for chat in model.chats.values():
            for clash in chat.clashes:
                place = model.places.get(clash.k)
                if clash.k and place is not None and place != (chat, clash.s):
                    model.repeats.append((clash.k, chat, clash))
            chat.finish()

    # ------------------------------------------------------------------------------------------ whose line it is

    def _client(self, event: Event, ref: int) -> None:
        f, kind = event["f"], event["type"]
        if kind not in TYPES:
            raise Malformed(f"type {kind!r}")
        self.model.ops[f, kind] += 1
        handler = self.handlers.get(f)
        if handler is None:
            raise Malformed(f"f {f!r}")
        name = event["dev"]
        dev = self.model.devices.get(name)
        if dev is None:
            t = event["t0"] if kind == "invoke" else event["t1"]
            dev = self.model.devices[name] = Device(name, event["user"], t, ref)
        handler(event, ref, dev, kind)

    def _begin(self, event: Event, ref: int, dev: Device, subject: Any) -> None:
        key = (dev.name, event["op"])
        if key in self.pending:
            raise Malformed(f"op {key[1]} of {dev.name} is begun twice")
        self.pending[key] = Pending(event["f"], event["t0"], ref, subject, event.get("extra") or NO_EXTRA)

    def _end(self, event: Event, dev: Device) -> Pending:
        pending = self.pending.pop((dev.name, event["op"]), None)
        if pending is None or pending.f != event["f"]:
            raise Malformed(f"an outcome of op {event['op']} of {dev.name} that was not begun")
        if event["t1"] < pending.t0:
            raise Malformed(f"op {event['op']} of {dev.name} ends before it begins")
        if event["type"] == "ok" and pending.f not in ("connect", "auth"):
            # What a session whose access has ended must not get any more (I-A2).
            dev.granted.append(Sight(0, pending.t0, event["t1"], pending.ref))
        return pending

    @staticmethod
    def _conn(event: Event, dev: Device, ref: int) -> int:
        number = event["conn"]
        index = dev.conn_index.get(number)
        if index is None:
            index = dev.conn_index[number] = len(dev.conns)
            t = event["t0"] if event["type"] == "invoke" else event["t1"]
            dev.conns.append(Conn(number, t, ref, t))
        return index

    # ------------------------------------------------------------------------------------------ sends

    def _attempt(self, chat: Chat, t0: int, t1: int, ok: int, ref: int) -> None:
        model = self.model
        model.attempt_chat.append(chat.index)
        model.attempt_t0.append(t0)
        model.attempt_t1.append(t1)
        model.attempt_ok.append(ok)
        model.attempt_ref.append(ref)

    def _send(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            k, digest = event["k"], event["hash"]
            chat = self.model.chat(event["c"])
            send = self.model.sends.get(k)
            if send is None:
                if not k or not digest:
                    raise Malformed("a send without k or hash")
                extra = event.get("extra") or NO_EXTRA
                send = Send(k, chat, dev, digest, event["t0"], ref, extra.get("after"), bool(extra.get("expires_at")))
                self.model.sends[k] = send
                dev.sends.append(send)
                chat.sends.append(send)
            elif send.chat is not chat or send.dev is not dev:
                raise Malformed(f"k {k} was sent before to another chat or by another device")
            self._begin(event, ref, dev, (send, digest))
            send.attempts += 1
            send.digests.add(digest)
            return
        pending = self._end(event, dev)
        send, digest = pending.subject
        t1 = event["t1"]
        if kind == "ok":
            send.acks.append(Ack(event["s"], event["e"], t1, ref, digest, pending.t0))
        elif kind == "fail":
            send.fails += 1
        else:
            send.unsure.add(digest)
            send.t_unsure = min(send.t_unsure, pending.t0)
        send.t_last, send.ref_last = max(send.t_last, t1), ref
        outcome = {"ok": ATTEMPT_OK, "info": ATTEMPT_INFO}.get(kind, ATTEMPT_REFUSED)
        if kind == "fail" and (event.get("extra") or NO_EXTRA).get("retryable"):
            outcome = ATTEMPT_FAIL
        self._attempt(send.chat, pending.t0, t1, outcome, pending.ref)

    def _status(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            self._begin(event, ref, dev, event["k"])
            return
        pending = self._end(event, dev)
        if kind == "ok":
            state = event["extra"]["state"]
            if state not in ("PRESENT", "ABSENT", "UNKNOWN"):
                raise Malformed(f"state {state!r}")
            s = event["s"] if state == "PRESENT" else None
            dev.statuses.append(StatusSeen(pending.subject, state, s, pending.t0, event["t1"], ref))

    # ------------------------------------------------------------------------------------------ the live stream

    def _frame(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        chat = self.model.chat(event["c"])
        s, t = event["s"], event["t1"]
        extra = event.get("extra") or NO_EXTRA
        what = extra.get("type") or MESSAGE
        meta = self._conn(event, dev, ref) << META_SHIFT
        if extra.get("redelivered"):
            meta |= META_REDELIVERED
        stream = dev.stream(chat)
        if what == "gap":
            stream.gap_from[len(stream.frame_s)] = int(extra["gap_from"])
            meta |= META_GAP
        else:
            k, digest = event.get("k") or "", event.get("hash") or ""
            e, sender = event["e"], extra.get("sender") or ""
            slot = chat.slots.get(s)
            if slot is not None and (slot.k, slot.digest, slot.e, slot.kind, slot.sender) == (k, digest, e, what, sender):
                slot.views |= LIVE  # by far the most frequent case, without an object made
                if t < slot.t:
                    slot.t, slot.ref = t, ref
            else:
                see(self.model, chat, Slot(s, e, k, digest, what, sender, LIVE, t, ref), dev.name, extra)
        stream.frame_s.append(s)
        stream.frame_t.append(t)
        stream.frame_ref.append(ref)
        stream.frame_meta.append(meta)

    def _apply(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        stream = dev.stream(self.model.chat(event["c"]))
        s, t = event["s"], event["t1"]
        stream.apply_s.append(s)
        stream.apply_t.append(t)
        stream.apply_ref.append(ref)

    def _ackpos(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            stream = dev.stream(self.model.chat(event["c"]))
            ack = AckPos(int(event["s"]), event["t0"], NEVER, ref, -1, self._conn(event, dev, ref))
            self._begin(event, ref, dev, ack)
            stream.acks.append(ack)
            return
        ack = self._end(event, dev).subject
        if kind == "ok":
            ack.t1, ack.ref_ok = event["t1"], ref

    # ------------------------------------------------------------------------------------------ reads

    def _history(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            self._begin(event, ref, dev, self.model.chat(event["c"]))
            return
        pending = self._end(event, dev)
        if kind != "ok":
            return
        chat, asked, extra, t1 = pending.subject, pending.extra, event["extra"], event["t1"]
        final = bool(asked.get("final")) or pending.t0 >= self.model.drain_t
        view = HISTORY | FINAL if final else HISTORY
        runs: list[Range] = []
        low = high = 0
        for entry in extra["got"]:
            s, e, k, digest = entry[:4]
            more = entry[4] if len(entry) > 4 else NO_EXTRA
            slot = Slot(s, e, k or "", digest or "", more.get("type") or MESSAGE, more.get("sender") or "", view, t1, ref)
            see(self.model, chat, slot, dev.name, more)
            if s == high + 1 and low:
                high = s
                continue
            if s <= high:
                raise Malformed("a page must ascend in s")
            if low:
                runs.append((low, high))
            low = high = s
        if low:
            runs.append((low, high))
        head = extra.get("head")
        gaps = [(int(gap[0]), int(gap[1])) for gap in extra.get("gaps") or ()]
        gaps.append((1, int(extra.get("first") or 1) - 1))
        page = Page(dev, pending.t0, t1, asked.get("after"), asked.get("before"), int(asked["limit"]),
                    head, runs, len(extra["got"]), merge_ranges(gaps), ref, final)  # fmt: skip
        chat.pages.append(page)
        if page.shown is not None:
            dev.stream(chat).heads.append(Sight(page.shown, pending.t0, t1, ref))

    def _connect(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            if event["conn"] in dev.conn_index:
                raise Malformed(f"conn {event['conn']!r} of {dev.name} is opened twice")
            conn = dev.conns[self._conn(event, dev, ref)]
            conn.t_open = NEVER
            self._begin(event, ref, dev, conn)
            return
        conn = self._end(event, dev).subject
        if kind == "ok":
            conn.t_open = event["t1"]
        else:
            conn.t_close = event["t1"]
            conn.refused = (event.get("extra") or NO_EXTRA).get("retryable", True)

    def _resume(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            conn = dev.conns[self._conn(event, dev, ref)]
            conn.resumed = dev.resumed = True
            self._begin(event, ref, dev, conn)
            return
        pending = self._end(event, dev)
        if kind != "ok":
            return
        extra = event.get("extra") or NO_EXTRA
        for name, head in (extra.get("heads") or NO_EXTRA).items():
            dev.stream(self.model.chat(name)).heads.append(Sight(int(head), pending.t0, event["t1"], ref))
        for name, cursor in (extra.get("cursors") or NO_EXTRA).items():
            dev.stream(self.model.chat(name)).cursors.append(Sight(int(cursor), pending.t0, event["t1"], ref))

    def _close(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        conn = dev.conns[self._conn(event, dev, ref)]
        dev.end_reason = str(event["extra"]["reason"])
        if conn.t_close == NEVER:
            # A second close of a connection, as when the session of an offline device is ended, says only how the device ends.
            conn.t_close, conn.reason = event["t1"], dev.end_reason

    # ------------------------------------------------------------------------------------------ people

    def _member(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            self._begin(event, ref, dev, event.get("c"))
            return
        pending = self._end(event, dev)
        if kind != "ok":
            return
        chat = self.model.chat(event.get("c") or pending.subject)
        asked, s = pending.extra, int(event["s"])
        op = asked["op"]
        chat.numbered.append(Numbered(s, pending.t0, event["t1"], ref))
        if op == "create":
            member_event(chat, s, op, [user_of(item) for item in asked["members"]], ref)
            chat.encrypted = chat.encrypted or bool(asked.get("encrypted"))
        elif op in ENTERS or op in GOES:
            member_event(chat, s, op, [asked.get("user_id") or dev.user], ref)

    def _delete(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            chat, target = self.model.chat(event["c"]), int(event["extra"]["target"])
            self._begin(event, ref, dev, (chat, target))
            return
        pending = self._end(event, dev)
        chat, target = pending.subject
        if kind == "ok":
            chat.numbered.append(Numbered(int(event["s"]), pending.t0, event["t1"], ref))
        if kind != "fail":
            chat.deleted.add(target)

    def _auth(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            self._begin(event, ref, dev, None)
            return
        pending = self._end(event, dev)
        if kind == "ok":
            for name in pending.extra.get("ends") or ():
                self.model.ended.append(Ended(name, event["t1"], ref))

    def _receipt_out(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        if kind == "invoke":
            self._begin(event, ref, dev, None)
            dev.reads.append(ReadMark(self.model.chat(event["c"]), int(event["s"]), event["t0"], ref))
        else:
            self._end(event, dev)

    def _receipt_in(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        extra = event["extra"]
        dev.receipts.append(ReceiptSeen(self.model.chat(event["c"]), extra["user"], int(extra["delivered"]),
                                        int(extra["read"]), event["t1"], ref))  # fmt: skip

    def _presence_in(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        extra = event["extra"]
        dev.presences.append(PresenceSeen(extra["user"], bool(extra["online"]), extra.get("last_seen"), event["t1"], ref,
                                          self._conn(event, dev, ref)))  # fmt: skip

    def _mode(self, event: Event, ref: int, dev: Device, kind: str) -> None:
        mode = event["extra"]["mode"]
        if mode not in ("read-only", "normal"):
            raise Malformed(f"mode {mode!r}")
        dev.modes.append(Mode(mode == "read-only", event["t1"], ref, self._conn(event, dev, ref)))
