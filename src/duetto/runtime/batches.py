"""A handler that takes events in batches: one call and one commit for all that it gets at a time.

A batch that fails is taken up again one by one, so that only what is bad becomes a dead letter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from duetto.authoring.batch import Batch
from duetto.authoring.context import TaskContext
from duetto.authoring.handler import Handler
from duetto.errors import DuettoError
from duetto.model.event import Event
from duetto.runtime.desk import Desk
from duetto.runtime.lane import Lane
from duetto.runtime.publishing import Origin, origin_of_all
from duetto.runtime.reaction import Reaction
from duetto.runtime.reactions import Reactions
from duetto.runtime.tasks import TaskHandle


class Joint(Reaction, eq=False):
    """One call of a body for several events; what it is about are its members."""

    members: tuple[Reaction, ...] = ()

    @property
    def context(self) -> TaskContext:
        """What the body may ask. A batch that is put together anew has a key of its own."""
        if self.asked is None:
            last = self.members[-1].context
            self.asked = TaskContext(
                task=self.handle.name,
                key=f"{self.members[0].context.key}..{last.key}",
                run=last.run,
                path="",
                attempt=1,
                deadline_ms=last.deadline_ms,
                trace=last.trace,
            )
            self.asked.statements = []
        return self.asked


class Batches(Reactions):
    """The events of one handler, in batches. Those of one key are in a batch in their order, and
    in one batch at a time."""

    def __init__(
        self, desk: Desk, handler: Handler, handle: TaskHandle, *, batch: Batch, **others: Any
    ) -> None:
        super().__init__(desk, handler, handle, **others)
        self._batch = batch
        self._gathered: list[tuple[Reaction, Any]] = []
        """What the next call will be for, with the events as their classes have them."""
        self._timer: asyncio.Handle | None = None
        self._alone: set[str] = set()
        """Events of a batch that failed, by name, until they are called."""

    # -- gathering

    def admit(self, event: Event, lane: Lane) -> None:
        if not self._joins(event, lane):
            super().admit(event, lane)

    def _joins(self, event: Event, lane: Lane) -> bool:
        """Put an event behind what is gathered of its key, which is not called yet; return whether
        that was done."""
        key = event.key if self.handler.ordered else ""
        before = self.running.get(key) if key else None
        if before is None or not any(each is before for each, _ in self._gathered):
            return False
        if not self.kinds.topic(event.topic).knows(event.version):
            return False
        try:
            live = self.kinds.load(event)
        except DuettoError:
            return False  # it becomes a letter once those before it are done with
        self.queued += 1
        reaction = Reaction(self.handle, event, lane, None, self._ended)
        self.running[key] = reaction
        self._gather(reaction, live)
        return True

    def _call(self, reaction: Reaction, live: Any) -> None:
        # What is retried, or may be what kills, is alone, so that nobody else is blamed for it.
        is_alone = reaction.event.name in self._alone
        self._alone.discard(reaction.event.name)
        if is_alone or reaction.held is not None or self.doubts.is_serial:
            super()._call(reaction, [live])
        else:
            self._gather(reaction, live)

    def _gather(self, reaction: Reaction, live: Any) -> None:
        self._gathered.append((reaction, live))
        if len(self._gathered) >= self._batch.size_max:
            self._take_up()
        elif self._timer is None:
            loop, wait_ms = self.desk.loop, self._batch.wait_ms
            # What is told of in this turn of the loop still comes along.
            self._timer = (
                loop.call_later(wait_ms / 1000, self._take_up)
                if wait_ms
                else loop.call_soon(self._take_up)
            )

    def _take_up(self) -> None:
        """Call the body for what is gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered = self._gathered, []
        if self.desk.stopping or not gathered:
            return  # who starts next reads it
        first, lives = gathered[0][0], [live for _, live in gathered]
        joint = Joint(
            self.handle,
            first.event,
            None,
            None,
            self._ended_together,
            members=tuple(reaction for reaction, _ in gathered),
        )
        joint.args, joint.kwargs = self.handle.call((lives,))
        self.doubts.call(joint, self._blame)

    # -- ending

    def _ended_together(self, reaction: Reaction, result: Any, error: BaseException | None) -> None:
        """Write what a call for several events came to, all of it in one commit."""
        members = cast("Joint", reaction).members
        self.doubts.ended(reaction)
        if error is None:
            try:
                self._publish(reaction, result)
            except DuettoError as refused:
                error = refused
        if error is None:
            self._done_together(members)
        elif len(members) == 1:
            self._failed(members[0], error)
        else:
            self._separate(members)

    def _origin(self, reaction: Reaction) -> Origin:
        if isinstance(reaction, Joint):
            return origin_of_all([member.event for member in reaction.members])
        return super()._origin(reaction)

    def _done_together(self, members: tuple[Reaction, ...]) -> None:
        for member in members:
            self._finish(member)
        for member in members:
            if self.running.get(self._order(member)) is member:
                self._next(member)
            else:
                self.queued -= 1  # a later one of its key goes on
        self.pass_on()

    def _separate(self, members: tuple[Reaction, ...]) -> None:
        """Take events up one by one: which of them is bad is not known."""
        keys: dict[str, deque[tuple[Event, Lane]]] = {}
        for member in members:
            order, lane = self._order(member), member.lane
            assert lane is not None, "what is held is never gathered"
            keys.setdefault(order, deque()).append((member.event, lane))
        for order, events in keys.items():
            self._alone.update(event.name for event, _ in events)
            event, lane = events.popleft()
            events.extend(self.waiting.pop(order, ()))
            if events:
                self.waiting[order] = events
            self._begin(event, lane, None)

    def _put_behind(self, event: Event, lane: Lane) -> None:
        self._alone.discard(event.name)  # a row is always called alone
        super()._put_behind(event, lane)
