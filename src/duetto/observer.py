"""The closed list of what can be observed while Duetto runs.

| signal | when | fields |
|---|---|---|
| RunStarted | a run was committed | run, workflow |
| RunEnded | a run's end was committed | run, workflow, status, error |
| AttemptFailedSignal | an attempt at a task failed | run, path, task, attempt, error, due_ms |
| TokenParked | a token waits for an operator | run, path, reason, task |
| Recovered | unfinished runs were taken up again | runs |
| Unfinished | an app stops though runs are open; they continue when it runs next | runs |
| StorePaused | the store has no room and tries again, or a write failed | reason |
| LoopBlocked | a body held the event loop | task, took_ms |
| RunPurged | closed runs were deleted after their time | count |
| EventFailed | a handler failed, and tries again | handler, event, attempt, error, due_ms |
| LetterKept | an event became a dead letter, and waits for an operator | handler, event, reason |
| HandlerPaused | a handler takes no more events, as it holds too many | handler, held |
| MessageRefused | a message is refused that nobody may send | source, to, message, reason |
| TopicFailed | a broker failed at a topic, which is tried again | name, reason |
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class RunStarted(Struct, frozen=True):
    run: str
    workflow: str


class RunEnded(Struct, frozen=True):
    run: str
    workflow: str
    status: str
    error: str = ""


class AttemptFailedSignal(Struct, frozen=True):
    run: str
    path: str
    task: str
    attempt: int
    error: str
    due_ms: int


class TokenParked(Struct, frozen=True):
    run: str
    path: str
    reason: str
    task: str = ""


class Recovered(Struct, frozen=True):
    runs: tuple[str, ...]


class Unfinished(Struct, frozen=True):
    runs: tuple[str, ...]


class StorePaused(Struct, frozen=True):
    reason: str


class LoopBlocked(Struct, frozen=True):
    task: str
    took_ms: int


class RunPurged(Struct, frozen=True):
    count: int


class EventFailed(Struct, frozen=True):
    handler: str
    event: str
    attempt: int
    error: str
    due_ms: int


class LetterKept(Struct, frozen=True):
    handler: str
    event: str
    reason: str


class HandlerPaused(Struct, frozen=True):
    handler: str
    held: int


class MessageRefused(Struct, frozen=True):
    source: str
    to: str
    message: str
    reason: str


class TopicFailed(Struct, frozen=True):
    name: str
    reason: str


Signal = (
    RunStarted
    | RunEnded
    | AttemptFailedSignal
    | TokenParked
    | Recovered
    | Unfinished
    | StorePaused
    | LoopBlocked
    | RunPurged
    | EventFailed
    | LetterKept
    | MessageRefused
    | TopicFailed
    | HandlerPaused
)


class Observer(Protocol):
    """Told of signals, in the loop: it must return at once and raise nothing."""

    def note(self, signal: Signal, /) -> None: ...
