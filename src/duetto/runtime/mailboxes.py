"""Mailboxes: events that workflows `receive`, kept for their time until one takes them.

A mailbox is a consumer like a handler, but what it does with an event is one commit of its store:
waking who waits, or keeping the event (PROTOCOL, rules 18 and 39).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from duetto.authoring.event import key_text
from duetto.kernel.fold import RunState
from duetto.model.effect import Received
from duetto.model.event import Event
from duetto.model.token import DYNAMIC, OnEvent, Token, Value
from duetto.runtime.cause import Cause
from duetto.runtime.desk import Desk
from duetto.runtime.kinds import Kind
from duetto.runtime.tokens import Tokens


class Mail(Struct, frozen=True, array_like=True):
    """An event in a mailbox, since `arrived` (ms since the epoch)."""

    position: int
    event: Event
    arrived: int


class Listener(Struct, frozen=True):
    """A token that waits for an event: the run, the path, and the step at which it waits."""

    run: str
    path: str
    step: int


def is_new(token: Token, event: Event) -> bool:
    """Return whether a token has not received an event: only what all receive is ever noted."""
    return event.seq > token.heard.get(event.stream, 0)


ANY: str | None = None
"""The key of who takes an event of any key."""

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Mail).decode


class Mailbox:
    """The mailbox of one topic: the oldest event goes to the oldest who waits for its key, or to
    all, where its class says so."""

    def __init__(self, desk: Desk, tokens: Tokens, kind: Kind) -> None:
        self.desk, self.tokens, self.kind = desk, tokens, kind
        self._to_all = kind.declared.to_all
        self._prefix = f"mail/{kind.topic}/"
        self._mail: dict[int, Mail] = {}
        self._keys: dict[str, dict[int, None]] = {}
        self._listeners: dict[str | None, dict[Listener, int]] = {}
        self._registered = 0
        for _, data in desk.store.log.state(self._prefix):
            self._remember(decode(data))
        self._last = max(self._mail, default=0)

    def __len__(self) -> int:
        return len(self._mail)

    def listen(self, run: RunState, token: Token) -> None:
        """Let a token that rests here take the oldest event that fits, or wait for the next."""
        assert isinstance(token.rest, OnEvent), "it waits for an event"
        key = self._wanted(token.rest)
        mail = self._oldest(key, token)
        if mail is not None:
            if not self._to_all:
                self._forget(mail)
            self._give(run, token, mail.event)
            return
        listener = Listener(run.id, token.path, token.step)
        waiting = self._listeners.setdefault(key, {})
        if listener not in waiting:
            self._registered += 1
            waiting[listener] = self._registered

    def take(self, event: Event) -> None:
        """Wake who has waited longest for an event, or keep it. Raises ValueRefused."""
        self.kind.load(event.data, event.version)
        found = None if self._to_all else self._first_listener(event.key)
        if found is not None:
            self._give(*found, event)
            return
        self._last += 1
        mail = Mail(self._last, event, self.desk.clock.now_ms())
        self._remember(mail)
        self.desk.put(self._name(mail), encode(mail))
        if self._to_all:
            self._give_all(event)

    def _give_all(self, event: Event) -> None:
        """Wake everybody who waits for an event, in their order: it stays for others."""
        waiting: list[tuple[RunState, Token]] = []
        while (found := self._first_listener(event.key)) is not None:
            waiting.append(found)
        for run, token in waiting:
            if run.tokens.get(token.path) is not token:
                continue  # another that was woken has cancelled it
            if is_new(token, event):
                self._give(run, token, event)
            else:
                self.listen(run, token)

    def fitting(self, rest: OnEvent) -> int:
        """Return how many kept events a token that rests so would take."""
        if self._to_all:
            return 0  # what it has not received it has got when it came here
        key = self._wanted(rest)
        return len(self._mail if key is None else self._keys.get(key, ()))

    def sweep(self) -> int:
        """Drop what was kept for longer than its class says; return how many."""
        before = self.desk.clock.now_ms() - int(self.kind.declared.kept_s * 1000)
        old: list[Mail] = []
        for mail in self._mail.values():
            if mail.arrived >= before:
                break
            old.append(mail)
        for mail in old:
            self._forget(mail)
        return len(old)

    def _wanted(self, rest: OnEvent) -> str | None:
        live: Any = rest.key.live
        if not isinstance(live, str | int | None):
            live = self.desk.codec.dynamic.decode(rest.key.data)
        return ANY if live is None else key_text(live)

    def _give(self, run: RunState, token: Token, event: Event) -> None:
        live = self.kind.load(event.data, event.version)
        value = Value(DYNAMIC, self.desk.codec.dynamic.encode(live))
        received = Received(value, event.stream, event.seq) if self._to_all else Received(value)
        self.tokens.advance(run, token.path, received, Cause("received", note=event.name))

    def _first_listener(self, key: str) -> tuple[RunState, Token] | None:
        """Return who has waited longest for a key, and waits still; forget those who do not."""
        while True:
            firsts = [
                (number, wanted, listener)
                for wanted in (key, ANY)
                for listener, number in self._first(wanted)
            ]
            if not firsts:
                return None
            _, wanted, listener = min(firsts, key=lambda first: first[0])
            del self._listeners[wanted][listener]
            if not self._listeners[wanted]:
                del self._listeners[wanted]
            run = self.desk.runs.get(listener.run)
            token = run.tokens.get(listener.path) if run is not None else None
            if run is None or token is None or token.step != listener.step:
                continue
            if isinstance(token.rest, OnEvent):
                return run, token

    def _first(self, wanted: str | None) -> Iterator[tuple[Listener, int]]:
        waiting = self._listeners.get(wanted)
        if waiting:
            yield next(iter(waiting.items()))

    def _oldest(self, key: str | None, token: Token) -> Mail | None:
        self.sweep()
        positions = self._mail if key is None else self._keys.get(key, ())
        fitting = (self._mail[position] for position in positions)
        return next((mail for mail in fitting if is_new(token, mail.event)), None)

    def _remember(self, mail: Mail) -> None:
        self._mail[mail.position] = mail
        self._keys.setdefault(mail.event.key, {})[mail.position] = None

    def _forget(self, mail: Mail) -> None:
        del self._mail[mail.position]
        positions = self._keys[mail.event.key]
        del positions[mail.position]
        if not positions:
            del self._keys[mail.event.key]
        self.desk.put(self._name(mail), None)

    def _name(self, mail: Mail) -> str:
        return f"{self._prefix}{mail.position:015}"
