"""Causality over all chats: session order, seen-before-send and number order together must not go in a circle."""

from __future__ import annotations

from array import array
from collections import deque

from check_history import verdicts as v
from check_history.model import Chat, Device, Model, Send
from check_history.verdicts import Findings

# A circle is searched from this many of its sends; the shortest is shown.
STARTS_MAX = 40


class Graph:
    """Nodes are numbers of chats (in order, so that chats are ranges of nodes) and, above them, sends.

    Edges: a number to the next of its chat; a number to the first send of a device after it was applied there, or after
    its acknowledgement came there; a send to the next send of its device; a send to its number. Only the highest number
    of each chat needs an edge: the lower ones lead to it.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.base: dict[str, int] = {}
        self.at: dict[str, dict[int, int]] = {}
        self.follows = bytearray()  # 1 where a number has one of its chat after it
        for chat in model.chats.values():
            self.base[chat.name] = len(self.follows)
            self.at[chat.name] = {s: len(self.follows) + place for place, s in enumerate(chat.ordered)}
            self.follows.extend(b"\x01" * len(chat.ordered))
            if chat.ordered:
                self.follows[-1] = 0
        self.numbers = len(self.follows)
        self.sends: list[Send] = []
        self.targets: list[int] = []  # of each send: its number's node
        self.next_send: list[int] = []  # of each send: the device's next, or -1
        self.seen: dict[int, list[tuple[int, int]]] = {}  # number: the sends that follow its sight, with its ref
        for dev in model.devices.values():
            self._device(dev)

    def _device(self, dev: Device) -> None:
        events: list[tuple[int, Chat, int]] = []
        for stream in dev.streams.values():
            chat = stream.chat
            events.extend((ref, chat, s) for s, ref in zip(stream.apply_s, stream.apply_ref))
        for send in dev.sends:
            events.extend((ack.ref, send.chat, ack.s) for ack in send.acks)
        events.sort(key=lambda item: item[0])
        at, previous = 0, -1
        for send in dev.sends:
            place = self.model.slot_of(send.k)
            if place is None:
                continue
            node = self.numbers + len(self.sends)
            self.sends.append(send)
            self.targets.append(self.at[place[0].name][place[1].s])
            self.next_send.append(-1)
            if previous >= 0:
                self.next_send[previous] = node
            previous = node - self.numbers
            highest: dict[str, tuple[int, int]] = {}
            while at < len(events) and events[at][0] < send.ref:
                ref, chat, s = events[at]
                at += 1
                if s > highest.get(chat.name, (0, 0))[0] and s in chat.slots:
                    highest[chat.name] = (s, ref)
            for name, (s, ref) in highest.items():
                self.seen.setdefault(self.at[name][s], []).append((node, ref))

    def out(self, node: int) -> list[int]:
        if node >= self.numbers:
            index = node - self.numbers
            following = self.next_send[index]
            return [self.targets[index]] if following < 0 else [self.targets[index], following]
        out = [node + 1] if self.follows[node] else []
        out.extend(target for target, _ in self.seen.get(node, ()))
        return out

    def remaining(self) -> set[int]:
        """The nodes that are left when those that nothing precedes are taken away again and again."""
        count = self.numbers + len(self.sends)
        degree = array("q", bytes(8 * count))
        for node in range(count):
            for target in self.out(node):
                degree[target] += 1
        ready = [node for node in range(count) if degree[node] == 0]
        left = count
        while ready:
            node = ready.pop()
            left -= 1
            for target in self.out(node):
                degree[target] -= 1
                if degree[target] == 0:
                    ready.append(target)
        return {node for node in range(count) if degree[node] > 0} if left else set()

    def circle(self, start: int, inside: set[int]) -> list[int]:
        """The shortest way from `start` back to it, or nothing. Steps along the numbers of a chat are free."""
        came: dict[int, int] = {}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            for target in self.out(node):
                if target == start:
                    path = [node]
                    while path[-1] != start:
                        path.append(came[path[-1]])
                    return path[::-1]
                if target in inside and target not in came:
                    came[target] = node
                    if node < self.numbers and target == node + 1:
                        queue.appendleft(target)
                    else:
                        queue.append(target)
        return []

    def refs(self, path: list[int]) -> list[int]:
        """The lines of a circle: each send, the sight that came before it, and where its number was seen."""
        refs: list[int] = []
        for node, after in zip(path, path[1:] + path[:1]):
            if node >= self.numbers:
                send = self.sends[node - self.numbers]
                place = self.model.slot_of(send.k)
                refs.extend((send.ref, place[1].ref if place and after < self.numbers else -1))
            else:
                refs.extend(ref for target, ref in self.seen.get(node, ()) if target == after)
        return refs


def check(model: Model, found: Findings) -> None:
    graph = Graph(model)
    inside = graph.remaining()
    starts = sorted((node for node in inside if node >= graph.numbers), key=lambda node: graph.sends[node - graph.numbers].t0)
    best: list[int] = []
    for start in starts[:STARTS_MAX]:
        path = graph.circle(start, inside)
        if path and (not best or len(graph.refs(path)) < len(graph.refs(best))):
            best = path
    if best:
        sends = [graph.sends[node - graph.numbers] for node in best if node >= graph.numbers]
        why = "each follows what the one before had seen, and yet the first's number is above: " + ", ".join(
            f"{send.k} in {send.chat.name}" for send in sends[:6]
        )
        found.add(v.CAUSAL, why, graph.refs(best))
