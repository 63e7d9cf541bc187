"""What a run's journals say about its choices: who was interrupted where, who won, when."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from duetto.model.effect import Change
from duetto.model.message import Arrive, Command, Message
from duetto.model.record import (
    AttemptFailed,
    CancelCame,
    CommandEnded,
    Ended,
    Moved,
    Record,
    Started,
    TaskEnded,
)
from duetto.model.token import (
    Error,
    Failed,
    OnChildren,
    OnEvent,
    OnTask,
    OnTimer,
    OnUndo,
    Parked,
    Rest,
    Stopped,
    Token,
    parent_of,
)
from duetto.operations.merging import sent_by
from duetto.testing.simulation.world import Committed


class StepEnd(Struct, frozen=True):
    """How a step of a token ended: at which instant and record, and whether by an interrupt."""

    at: int
    order: int
    interrupted: bool
    arrived_at: int = -1
    """The store at which it was interrupted on its arrival."""
    ended_at: int = -1
    """The store at which it ended."""


class Fork(Struct):
    """The choices at a fork: `decided` is a child, `interrupted` says when the parent was."""

    started: int
    decided: int = -1
    decided_order: int = 0
    interrupted: StepEnd | None = None


class Undone(Struct, frozen=True):
    path: str
    step: int
    at: int
    order: int


class Facts:
    """The journals of all stores of a run, read in the order in which they were committed."""

    def __init__(self, history: Iterable[Committed]) -> None:
        self.arrived_at = -1
        self.started: dict[str, tuple[int, int]] = {}
        self.steps: dict[tuple[str, int], StepEnd] = {}
        self.forks: dict[tuple[str, int], Fork] = {}
        self.undone: dict[str, list[Undone]] = {}
        self.cancelled: dict[str, int] = {}
        self.ended: dict[str, tuple[int, int]] = {}
        self.stored: dict[str, int] = {}
        self.ends: dict[tuple[str, int], tuple[str, str] | None] = {}
        """How each task ended for its token: what it raised, or None for a result."""
        self.cut_off: set[tuple[str, int]] = set()
        """Tasks of which an attempt was cut off by its time limit."""
        self.misfits: set[tuple[str, int]] = set()
        """Tasks whose call could not be made."""
        self.skipped: set[tuple[str, int]] = set()
        self.skipped_undos: set[str] = set()
        self.commanded: set[tuple[str, int]] = set()
        """Tasks for which a command was sent."""
        self.digest = ""
        """The definition with which the run began."""
        self._rests: dict[str, tuple[int, Rest]] = {}
        self._tombs: dict[tuple[int, str], int] = {}
        for each in history:
            self.store = each.store
            for message in sent_by(each.record):
                if isinstance(message.body, Command) and not message.body.undo:
                    self.commanded.add((message.body.path, message.body.step))
            self._read(each.order, each.store, each.record)

    def is_cancelled(self, path: str, order: int) -> bool:
        """Was a token cancelled when the record of this number was written?"""
        return self.cancelled.get(path, order + 1) <= order

    def _read(self, order: int, store: int, record: Record) -> None:
        match record:
            case Started(path, at, token, _, forked):
                self.digest = self.digest or token.definition
                self._start(path, at, order)
                self._rests.setdefault(path, (token.step, token.rest))
                self._fork(path, token.step, token.rest, at, order)
                self._children(forked, record.sent, at, order)
            case TaskEnded(path=path, change=change):
                if change.cancelled:
                    self.cancelled.setdefault(path, order)
                self._key(order, record.path, record.step, failed=record.error is not None)
                self._end(record.path, record.step, record.error)
                self._moved(order, record, change, interrupted=False)
                self._children(record.forked, record.sent, record.at, order)
            case Moved(path, at, _, change):
                if change.cancelled:
                    self.cancelled.setdefault(path, order)
                self._operated(path, record.cause)
                where = store if record.cause == "arrived" else -1
                interrupted = self._is_interrupt(record)
                self._moved(order, record, change, interrupted=interrupted, arrived_at=where)
                self._children(record.forked, record.sent, at, order)
            case Ended(path, at, outcome):
                self._operated(path, record.cause)
                if record.task:
                    self._key(order, path, record.step, failed=record.error is not None)
                    self._end(path, record.step, record.error)
                if isinstance(outcome, Stopped) or record.cause == "cancelled":
                    self.cancelled.setdefault(path, order)
                # What ended as it began did so in its parent's record, before any cancel.
                if (store, path) in self._tombs and record.cause != "began":
                    self.cancelled.setdefault(path, order)
                self._start(path, at, order)
                interrupted = not record.task and self._is_interrupt(record)
                self.arrived_at = store if record.cause == "arrived" else -1
                self._close(order, path, at, None, interrupted=interrupted)
                self.ended[path] = (at, order)
            case AttemptFailed(undo=False, error=error) if error.type == "TimeoutError":
                self.cut_off.add((record.path, record.step))
            case CancelCame(path):
                self._tombs.setdefault((store, path), order)
            case CommandEnded(undo=False):
                # A skip that is sent to its service is a result there once that has taken it; what
                # did begin there goes on, and keeps its own (decision 7).
                is_sent_on = any(isinstance(each.body, Command) for each in record.sent)
                if not record.unknown and not is_sent_on:
                    self._key(order, record.path, record.step, failed=False)
                gave_up = record.parks or isinstance(record.outcome, Stopped)
                if record.sent and not gave_up:
                    outcome = record.outcome
                    error = outcome.error if isinstance(outcome, Failed) else None
                    self._end(record.path, record.step, error)
            case _:
                pass

    def _end(self, path: str, step: int, error: Error | None) -> None:
        """Note how a task ended for its token; what comes later is not taken."""
        ended = (error.type, error.message) if error is not None else None
        self.ends.setdefault((path, step), ended)

    def _operated(self, path: str, cause: str) -> None:
        """Note what went on in another way than by its task's end."""
        step, rest = self._rests.get(path, (0, None))
        over = rest.over if isinstance(rest, Parked) else rest
        if cause == "refused":
            self.misfits.add((path, step))
        elif cause == "skipped" and isinstance(over, OnTask):
            self.skipped.add((path, step))
        elif cause == "skipped" and isinstance(over, OnUndo):
            self.skipped_undos.add(f"{over.entry.path}#{over.entry.step}")

    def _key(self, order: int, path: str, step: int, *, failed: bool) -> None:
        if not failed:
            self.stored.setdefault(f"{path}#{step}", order)

    def _start(self, path: str, at: int, order: int) -> None:
        self.started.setdefault(path, (at, order))

    def _children(
        self, forked: tuple[Token, ...], sent: tuple[Message, ...], at: int, order: int
    ) -> None:
        """Note the children that begin with a record, those that leave in it included."""
        left = [each.body.token for each in sent if isinstance(each.body, Arrive)]
        for token in (*forked, *left):
            self._start(token.path, at, order)
            self._rests[token.path] = (token.step, token.rest)
            self._fork(token.path, token.step, token.rest, at, order)

    def _is_interrupt(self, record: Moved | Ended) -> bool:
        """Is a step that this record ends interrupted by it?"""
        _, rest = self._rests.get(record.path, (0, None))
        match record.cause, rest:
            case "woken", OnTimer(until):
                return until > record.at
            case "woken", OnEvent(deadline=deadline):
                return not 0 < deadline <= record.at
            case (("woken" | "cancelled" | "arrived" | "resumed"), _):
                return True
            case _:
                return False

    def _moved(
        self,
        order: int,
        record: TaskEnded | Moved,
        change: Change,
        *,
        interrupted: bool,
        arrived_at: int = -1,
    ) -> None:
        self.arrived_at = arrived_at
        self._close(order, record.path, record.at, change, interrupted=interrupted)
        self._fork(record.path, change.step, change.rest, record.at, order)

    def _close(
        self, order: int, path: str, at: int, change: Change | None, *, interrupted: bool
    ) -> None:
        """Note the end of the step or of the undoing that a token was at, if this is it."""
        step, rest = self._rests.get(path, (0, None))
        new = change.rest if change is not None else None
        new = new.over if isinstance(new, Parked) else new
        if change is not None:
            self._rests[path] = (change.step, change.rest)
        rest = rest.over if isinstance(rest, Parked) else rest
        match rest:
            case OnTask() | OnTimer() | OnEvent() | OnChildren():
                if change is None or change.step != step or type(new) is not type(rest):
                    self.steps[path, step] = StepEnd(
                        at, order, interrupted, self.arrived_at, self.store
                    )
            case OnUndo(entry):
                if not isinstance(new, OnUndo) or new.entry != entry:
                    found = Undone(entry.path, entry.step, at, order)
                    self.undone.setdefault(path, []).append(found)
            case _:
                pass

    def _fork(self, path: str, step: int, rest: Rest, at: int, order: int) -> None:
        if not isinstance(rest, OnChildren):
            return
        fork = self.forks.setdefault((path, step), Fork(rest.started))
        fork.started = rest.started
        if rest.decided >= 0 and fork.decided < 0:
            fork.decided, fork.decided_order = rest.decided, order
        if rest.interrupt is not None and fork.interrupted is None:
            fork.interrupted = StepEnd(at, order, True)

    def causes(self) -> list[str]:
        """Return what is wrong with the choices themselves: each needs a cause."""
        found: list[str] = []
        for path, order in self.cancelled.items():
            if path == "/":
                continue
            parent, step, index = parent_of(path)
            fork = self.forks.get((parent, step))
            decided = fork is not None and fork.decided >= 0 and fork.decided != index
            interrupted = fork is not None and fork.interrupted is not None
            if not decided and not interrupted:
                found.append(f"{path} was cancelled at record {order} without a cause")
        return found
