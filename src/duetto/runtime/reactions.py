"""A handler at work: its events taken in order, retried, kept as dead letters, redriven.

What a handler publishes, its watermark or row, and its own state are one commit (PROTOCOL, rules 24
to 33). Events of one key are taken one after the other; of several keys at the same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

from msgspec.structs import replace

from duetto.authoring.handler import Handler
from duetto.errors import DuettoError
from duetto.kernel.windows import least
from duetto.model.event import Event, Held, State, lane_of
from duetto.observer import EventFailed, HandlerPaused
from duetto.runtime.consumer import Consumer, reason_of, unknown_version
from duetto.runtime.desk import Desk
from duetto.runtime.doubts import Doubts
from duetto.runtime.kinds import Kinds
from duetto.runtime.lane import Lane
from duetto.runtime.letters import HELD_MAX
from duetto.runtime.publishing import PAGE, Origin, Publisher, origin_of
from duetto.runtime.reaction import Reaction
from duetto.runtime.replays import Picked, Replays
from duetto.runtime.tasks import TaskHandle
from duetto.runtime.timers import Timers

QUEUE_MAX = 1000
"""Events that one handler has in memory; the others wait in the log."""


class Reactions(Consumer):
    """The events of one handler at its one store (PROTOCOL, rule 26)."""

    held_max, queue_max = HELD_MAX, QUEUE_MAX

    def __init__(
        self,
        desk: Desk,
        handler: Handler,
        handle: TaskHandle,
        *,
        kinds: Kinds,
        publisher: Publisher,
        timers: Timers,
        doubts: Doubts,
    ) -> None:
        super().__init__(desk, handler.qualified, handler.events, publisher=publisher)
        self.makes = tuple(handler.publishes)
        self.handler, self.handle = handler, handle
        self.kinds, self.timers, self.doubts = kinds, timers, doubts
        self.waiting: dict[str, deque[tuple[Event, Lane]]] = {}
        """What of a key waits in memory behind what is being handled."""
        self.running: dict[str, Reaction] = {}
        """By what orders them: the key, or the event's own name."""
        self.queued = 0
        self.replays = Replays(desk, self.name)
        self._paused = False

    # -- taking

    def offer(self, event: Event) -> None:
        if self.is_full:
            self.is_behind = True
            return
        lane = self.lanes.take(event)
        if lane is None:
            known = self.lanes.of((event.source, event.topic, event.lane))
            if event.seq > known.taken:
                self.is_behind = True
                self._refill()
            return
        if event.is_mark:
            self.finish(lane, event)
            self.pass_on()
        else:
            self.admit(event, lane)

    @property
    def is_full(self) -> bool:
        """Whether no more may be taken: of what is in memory, of rows that are held, or ahead of
        what is replayed."""
        if len(self.letters) >= self.held_max:
            if not self._paused:
                self._paused = True
                self.desk.observer.note(HandlerPaused(self.name, len(self.letters)))
            return True
        self._paused = False
        return self.queued >= self.queue_max or self.replays.is_under_way

    @property
    def idle(self) -> bool:
        return not self.queued and not self.replays.is_under_way

    def admit(self, event: Event, lane: Lane) -> None:
        """Begin with an event of a lane, or put it behind what is before it."""
        key = event.key if self.handler.ordered else ""
        if key and self.letters.first(key) is not None and key not in self.running:
            self._put_behind(event, lane)
            return
        self.queued += 1
        if key and key in self.running:
            self.waiting.setdefault(key, deque()).append((event, lane))
        else:
            self._begin(event, lane, None)

    def _put_behind(self, event: Event, lane: Lane) -> None:
        """Keep an event as a row behind the held one of its key."""
        position, now = self.letters.next_position(), self.desk.clock.now_ms()
        self.letters.put(Held(position, event, "behind", since=now))
        self.finish(lane, event)

    def _begin(self, event: Event, lane: Lane | None, held: Held | None) -> None:
        """Call the body, once what was written until now is durable."""
        reaction = Reaction(self.handle, event, lane, held, self._ended)
        self.running[self._order(reaction)] = reaction
        if not self.kinds.topic(event.topic).knows(event.version):
            self._keep(reaction, "delayed", reason=unknown_version(event.topic, event.version))
            return
        try:
            live = self.kinds.load(event, held.mended if held is not None else b"")
        except DuettoError as unfit:
            self._bury(reaction, unfit)
            return
        self._call(reaction, live)

    def _call(self, reaction: Reaction, live: Any) -> None:
        """Let the body be called for one event."""
        reaction.args, reaction.kwargs = self.handle.call((live,))
        self.doubts.call(reaction, self._blame)

    def _blame(self, reaction: Reaction, reason: str) -> None:
        """Make an event that kills its process a dead letter."""
        self._keep(reaction, "dead", reason=reason, attempts=reaction.attempt)

    def _order(self, what: Reaction | Held) -> str:
        return what.event.key if self.handler.ordered and what.event.key else what.name

    # -- ending

    def _ended(self, reaction: Reaction, result: Any, error: BaseException | None) -> None:
        """Write what a call came to: what it published, a row to retry, or a dead letter."""
        self.doubts.ended(reaction)
        if error is None:
            try:
                self._publish(reaction, result)
            except DuettoError as refused:
                error = refused
        if error is None:
            self._done(reaction)
            return
        self._failed(reaction, error)

    def _failed(self, reaction: Reaction, error: BaseException) -> None:
        """Write when an event is tried again, or that it is not."""
        retry, attempt = self.handler.task.retry, reaction.attempt
        if not retry.retries(error, attempt):
            self._bury(reaction, error)
            return
        now = self.desk.clock.now_ms()
        due = now + retry.delay_ms_after(attempt, self.desk.clock.random())
        reason = self.reason(error)
        self._keep(reaction, "delayed", reason=reason, due=due, attempts=attempt)
        failed = EventFailed(self.name, reaction.event.name, attempt, reason, due)
        self.desk.after_commit(lambda: self.desk.observer.note(failed))

    def _publish(self, reaction: Reaction, result: Any) -> None:
        """Publish what a body returned, and change its service's tables: all of it or nothing."""
        values, held, origin = self.handler.published(result), reaction.held, self._origin(reaction)
        if held is not None and held.silent:
            values = []  # whoever listens has had it (PROTOCOL, rule 38)
        statements = reaction.asked.statements if reaction.asked is not None else None
        self.publisher.publish_all(values, origin, by=self.name, statements=statements or ())

    def _origin(self, reaction: Reaction) -> Origin:
        # Where an event says nothing of time, when it came first is not known any more.
        return replace(origin_of(reaction.event), is_again=reaction.held is not None)

    def _done(self, reaction: Reaction) -> None:
        self._finish(reaction)
        if reaction.held is not None:
            self.letters.remove(reaction.held)
        self._next(reaction)

    def _finish(self, reaction: Reaction) -> None:
        if reaction.lane is not None:
            self.finish(reaction.lane, reaction.event)

    def _bury(self, reaction: Reaction, error: BaseException) -> None:
        """Make an event a dead letter, with the reason, and the user's frames."""
        attempts, failed = reaction.attempt, self.desk.codec.error(error)
        self._keep(
            reaction, "dead", reason=reason_of(error, failed), attempts=attempts, trace=failed.trace
        )

    def _keep(
        self,
        reaction: Reaction,
        state: State,
        *,
        reason: str,
        due: int = 0,
        attempts: int = 0,
        trace: str = "",
    ) -> None:
        """Keep an event as a row, in the commit that moves its watermark; what waits for it in
        memory goes behind it."""
        event, held = reaction.event, reaction.held
        if held is None:
            held = Held(self.letters.next_position(), event, "ready")
        now = self.desk.clock.now_ms()
        row = replace(
            held,
            state=state,
            due=due,
            attempts=attempts,
            reason=reason,
            trace=trace,
            since=now if state == "dead" else held.since or now,
        )
        self.letters.put(row)
        self._finish(reaction)
        self.running.pop(self._order(reaction), None)
        self.queued -= 1
        for behind, lane in self.waiting.pop(event.key, ()):
            self.queued -= 1
            self._put_behind(behind, lane)
        if state == "dead":
            self.note_letter(event, reason)
        elif due:
            self.timers.arm(due, self.name, "", row.position)
        self.pass_on()
        self._refill()

    def _next(self, reaction: Reaction) -> None:
        """Go on with what comes behind an event that is done with."""
        event = reaction.event
        order = self._order(reaction)
        self.running.pop(order, None)
        self.queued -= 1
        if self.handler.ordered and event.key:
            waiting = self.waiting.get(order)
            if (row := self.letters.first(order)) is not None:
                self._take_row(row)
            elif waiting:
                following, lane = waiting.popleft()
                if not waiting:
                    del self.waiting[order]
                self._begin(following, lane, None)
        self.pass_on()
        self._refill()

    def promise(self, watermark: int) -> int | None:
        if self.queued and not self.spans:
            return None  # the end alone is of use, and it waits for what is in hand
        stamps = [watermark, *(event.stamp for event in self._in_hand())]
        return least(stamps)

    def _in_hand(self) -> Iterator[Event]:
        """Yield the events of which something may still be made without anybody's doing: not those
        that are handled once more."""
        for reaction in self.running.values():
            if reaction.held is None or not reaction.held.replay:
                yield reaction.event
        for waiting in self.waiting.values():
            yield from (event for event, _ in waiting)
        yield from (row.event for row in self.letters.tried() if not row.replay)

    def _take_row(self, row: Held) -> None:
        """Begin with the first row of a key, unless it waits for something else."""
        if self.desk.stopping or row.state == "dead" or (row.state == "delayed" and not row.due):
            return
        if row.state == "delayed" and row.due > self.desk.clock.now_ms():
            self.timers.arm(row.due, self.name, "", row.position)
            return
        self.queued += 1
        self._begin(row.event, None, row)

    def due(self, position: int) -> None:
        """A row's time has come."""
        row = self.letters.get(position)
        if row is None or row.state != "delayed" or self._order(row) in self.running:
            return
        self._take_row(row)

    # -- going on

    def recover(self) -> None:
        for row in self.letters:
            known = self.kinds.by_topic.get(row.event.topic)
            is_known = known is not None and known.knows(row.event.version)
            if row.state == "delayed" and not row.due and is_known:
                row = replace(row, state="ready")  # the row as it is from now on
                self.letters.put(row)
            is_first = self.letters.first(row.event.key) is row or not self.handler.ordered
            if (is_first or not row.event.key) and self._order(row) not in self.running:
                self._take_row(row)
        self.read_on()
        self._refill()

    def _refill(self) -> None:
        """Read on where events were left in the log, once there is room for many."""
        left = self.is_behind or self.replays.is_under_way
        if left and self.queued <= self.queue_max // 2:
            self.desk.loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        if self.replays.is_under_way:
            self._replay_on()
        elif self.is_behind:
            self.read_on()

    def _replay_on(self) -> None:
        """Put the next rows of a replay, as far as there is room, once no live event is in hand:
        one that fails would come behind them."""
        if self.desk.stopping or any(each.held is None for each in self.running.values()):
            return
        room = min(PAGE, self.held_max - len(self.letters))
        if self.queued > self.queue_max // 2 or room < 1:
            return
        now = self.desk.clock.now_ms()
        for new in self.replays.page(room):
            key = new.event.key if self.handler.ordered else ""
            is_first = not key or self.letters.first(key) is None
            state: State = "ready" if is_first else "behind"
            row = replace(new, position=self.letters.next_position(), state=state, since=now)
            self.letters.put(row)
            if is_first:
                self._take_row(row)
        self._refill()

    # -- operations

    def replay(self, picked: Picked, *, publishes: bool) -> int:
        """Handle events once more, of those below the watermarks; return the number of the replay.

        What it publishes is left out unless it `publishes`. Raises NotAllowed.
        """
        watermarks = {
            lane.key: lane.watermark
            for lane in self.lanes
            if not picked.key or lane.key[2] == self._lane_of(lane.key[1], picked.key)
        }
        number = self.replays.begin(picked, watermarks, publishes=publishes)
        self.desk.after_commit(self._refill)
        return number

    def _lane_of(self, topic: str, key: str) -> int:
        return lane_of(key, self.kinds.topic(topic).declared.lanes)

    def redrive(self, position: int, mended: bytes = b"") -> None:
        row = self.dead(position)
        self.kinds.load(row.event, mended or row.mended)
        ready = replace(row, state="ready", attempts=0, mended=mended or row.mended, due=0)
        self.letters.put(ready)
        self.desk.after_commit(partial(self._go_on, ready))

    def discard(self, position: int) -> None:
        row = self.dead(position)
        super().discard(position)
        following = self.letters.first(row.event.key) if self.handler.ordered else None
        if following is not None and row.event.key:
            self.desk.after_commit(partial(self._go_on, following))
        self.desk.after_commit(self._refill)

    def _go_on(self, row: Held) -> None:
        key = row.event.key if self.handler.ordered else ""
        is_first = not key or self.letters.first(key) is row
        if is_first and self._order(row) not in self.running:
            self._take_row(row)
        self._refill()
