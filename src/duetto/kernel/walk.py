"""The state of one transition: a token taken apart, changed, and put together again."""

from __future__ import annotations

from msgspec import Struct

from duetto.errors import LimitExceeded
from duetto.kernel.program import VALUE_BYTES_SMALL, Linked, Program, refuse_big
from duetto.model.definition import END, OUTERMOST
from duetto.model.effect import Change, Effect, Report, Transition
from duetto.model.placement import Placement
from duetto.model.token import (
    Completed,
    Entry,
    Error,
    Failed,
    Frame,
    OnEvent,
    OnTimer,
    Outcome,
    Parked,
    Raising,
    Ready,
    Rest,
    Stopped,
    Token,
    Undo,
    Value,
    entries,
)

CANCELLED = Error("duetto.errors:Cancelled", ("duetto.errors:DuettoError",), "cancelled")
"""What a cancelled token raises; no handler matches it."""

TIMED_OUT = Error("TimeoutError", ("OSError", "Exception"), "timed out")
"""What leaves a timeout scope whose deadline has passed."""


UNDO_MAX = 100_000
"""Entries of one undo list: a loop that compensates without end should say `saga(keep=False)`."""


class Walk(Struct, eq=False):
    """One token within one transition. Everything here is local to a call of `advance`."""

    program: Program
    placement: Placement
    token: Token
    now: int
    nodes: list[Linked]
    node: int
    step: int
    hop: int
    at: str
    vars: dict[str, Value]
    frames: tuple[Frame, ...]
    undo: Undo | None
    undo_kept: int
    cancelled: bool
    timed: bool
    heard: dict[str, int]
    writes: dict[str, Value] = {}
    effects: list[Effect] = []
    rest: Rest | None = None
    outcome: Outcome | None = None

    @property
    def linked(self) -> Linked:
        return self.nodes[self.node]

    @property
    def undo_size(self) -> int:
        return self.undo.size if self.undo else 0

    def write(self, name: str, value: Value) -> None:
        """Write a variable; the token's own dict is left alone."""
        if len(value.data) > VALUE_BYTES_SMALL:
            refuse_big({**self.vars, name: value})
        if not self.writes:
            self.vars = dict(self.vars)
        self.vars[name] = value
        self.writes[name] = value

    def refuse_long_undo(self) -> None:
        """Raise where more is to be undone than one list may hold."""
        if self.undo_size > UNDO_MAX:
            raise LimitExceeded(
                "An undo list is too long.",
                found=f"{self.undo_size:,} entries",
                expected=f"at most {UNDO_MAX:,} entries (UNDO_MAX)",
                do="open a `saga(keep=False)` inside the loop",
            )

    def hear(self, stream: str, seq: int) -> None:
        """Note what was received of what all receive; the token's own dict is left alone."""
        if seq > self.heard.get(stream, 0):
            self.heard = {**self.heard, stream: seq}

    def push_frame(self, frame: Frame) -> None:
        self.frames = (*self.frames, frame)
        self.timed = self.timed or bool(frame.deadline)

    def pop_frame(self) -> Frame:
        *rest, frame = self.frames
        self.frames = tuple(rest)
        return frame

    def add_undo(self, entry: Entry) -> None:
        self.undo = Undo(entry, self.undo, self.undo_size + 1)

    def cut_undo(self, size: int) -> None:
        """Drop entries, newest first, down to a size."""
        while self.undo is not None and self.undo.size > size:
            self.undo = self.undo.below
        self.undo_kept = min(self.undo_kept, size)

    def move(self, participant: str) -> None:
        """Travel to a participant, if it is another."""
        if participant != self.at:
            self.at, self.hop = participant, self.hop + 1

    def interruption(self) -> Raising | None:
        """Return what interrupts the token here, if anything: scopes have a state, not a signal."""
        if not (self.cancelled or self.timed):
            return None
        shield = max((i for i, frame in enumerate(self.frames) if frame.pending), default=-1)
        if self.cancelled and shield < 0:
            return Raising(CANCELLED, 0)
        for i, frame in enumerate(self.frames):
            if i > shield and 0 < frame.deadline <= self.now:
                return Raising(TIMED_OUT, i + 1)
        return None

    def end(self, outcome: Outcome) -> None:
        """End the token."""
        self.outcome = outcome
        self.effects.append(Report(outcome))

    def end_with(self, value: Value) -> None:
        self.end(Completed(value, entries(self.undo), self.heard))

    def end_raising(self, raising: Raising) -> None:
        undo, heard = entries(self.undo), self.heard
        stopped = raising.interrupt == 0
        self.end(Stopped(undo, heard) if stopped else Failed(raising.error, undo, heard))

    def transition(self) -> Transition:
        """Return the result: the new token, what changed, and the effects."""
        if self.outcome is not None:
            return Transition(None, None, tuple(self.effects))
        old = self.token
        rest = self.rest if self.rest is not None else old.rest
        token = Token(
            old.path,
            old.definition,
            old.region,
            self.at,
            old.reply_to,
            self.node,
            self.step,
            self.hop,
            self.vars,
            self.frames,
            self.undo,
            rest,
            self.cancelled,
            old.depth,
            old.origin,
            self.heard,
        )
        change = Change(
            self.node,
            self.step,
            rest,
            self.writes,
            None if self.frames is old.frames else self.frames,
            self.undo_kept,
            () if self.undo is old.undo else entries(self.undo, self.undo_kept),
            self.hop,
            self.at,
            self.cancelled,
            None if self.heard is old.heard else self.heard,
        )
        sleeps = type(rest) is OnTimer or type(rest) is OnEvent
        wake = wake_at(rest, self.frames) if sleeps or self.timed else 0
        return Transition(token, change, tuple(self.effects), wake)


def walk_of(program: Program, placement: Placement, token: Token, now: int) -> Walk:
    """Return a walk from where a token rests."""
    undo, frames = token.undo, token.frames
    timed = False
    for frame in frames:
        if frame.deadline:
            timed = True
    return Walk(
        program,
        placement,
        token,
        now,
        program.regions[token.region],
        token.node,
        token.step,
        token.hop,
        token.at,
        token.vars,
        frames,
        undo,
        undo.size if undo is not None else 0,
        token.cancelled,
        timed,
        token.heard,
    )


def wake_at(rest: Rest, frames: tuple[Frame, ...]) -> int:
    """Return the next instant (ms since the epoch) at which a resting token must look again."""
    match rest:
        case OnTimer(until=instant) | OnEvent(deadline=instant):
            first = instant
        case Parked():
            return 0
        case _:
            first = 0
    for frame in reversed(frames):
        if frame.pending:
            break
        if frame.deadline and (not first or frame.deadline < first):
            first = frame.deadline
    return first


__all__ = ["CANCELLED", "END", "OUTERMOST", "TIMED_OUT", "Ready", "Walk", "wake_at", "walk_of"]
