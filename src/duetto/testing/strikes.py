"""The faults of a trial of an app: which strikes when, in commits, messages and bodies."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, get_args

from duetto.authoring.task import Task
from duetto.broker import Acknowledge
from duetto.brokers import InProcessBroker
from duetto.errors import ConfigurationError
from duetto.model.message import Message
from duetto.testing.simulation import faults as f

CommitFault = f.CommitLost | f.CommitUnanswered
MessageFault = (
    f.MessageDoubled
    | f.MessageDelayed
    | f.MessageReordered
    | f.MessageLost
    | f.MessageUnconfirmed
    | f.MessageRedelivered
)
TaskFault = f.TaskRaises | f.TaskKills
OperatorFault = f.OperatorCancels | f.OperatorMoves
TrialFault = CommitFault | MessageFault | TaskFault | OperatorFault
"""What may befall an app of a user; the words are those of the simulation of Duetto itself."""

Link = tuple[str, str]

Parcel = tuple[asyncio.TimerHandle, tuple[Message, Acknowledge]]
"""A message that is under way, and how to send it at once."""

Keys = Mapping[TaskFault, str]
"""Which key a fault of a task strikes: the first run says, so that the others fail in the same."""


Errors = Mapping[Task[..., Any], Exception]
"""What tasks raise where they are to fail."""


PATIENCE = 10
"""A body that dawdles takes less than such a part of its time limit: no attempt is lost to it."""


class Strikes:
    """Counts commits, messages and keys, and says what strikes; `struck` are those that did."""

    def __init__(
        self,
        faults: Iterable[TrialFault] = (),
        *,
        keys: Keys | None = None,
        errors: Errors | None = None,
        dawdle_ms: int = 0,
        seed: int = 0,
    ) -> None:
        self._errors: Errors = errors or {}
        self.hosts = 1
        """How many there are: the number of a host is taken modulo them, so that a fault strikes
        however the app is laid out."""
        self._dawdle_ms, self._seed = dawdle_ms, seed
        self.links: Counter[Link] = Counter()
        """How many messages each link has carried."""
        self.keys: dict[TaskFault, str] = dict(keys or {})
        self.struck: list[TrialFault] = []
        self.operators: list[OperatorFault] = []
        self._given = keys is not None
        self._commits: list[CommitFault] = []
        self._messages: dict[tuple[str, str, int], list[MessageFault]] = defaultdict(list)
        self._tasks: list[TaskFault] = []
        self._counts: Counter[object] = Counter()
        self._numbers: dict[tuple[str, bool], list[str]] = defaultdict(list)
        for fault in faults:
            self._sort(fault)

    def _sort(self, fault: TrialFault) -> None:
        if type(fault) not in get_args(TrialFault):
            raise ConfigurationError(
                "An app under test has no such fault.",
                found=type(fault).__name__,
                expected=f"one of: {', '.join(one.__name__ for one in get_args(TrialFault))}",
            )
        match fault:
            case f.CommitLost() | f.CommitUnanswered():
                self._commits.append(fault)
            case f.TaskRaises() | f.TaskKills():
                self._tasks.append(fault)
            case f.OperatorCancels() | f.OperatorMoves():
                self.operators.append(fault)
            case _:
                self._messages[fault.source, fault.to, fault.nth].append(fault)

    def note(self, fault: TrialFault) -> None:
        """A fault strikes."""
        self.struck.append(fault)

    def commit(self, host: int) -> CommitFault | None:
        """Count a commit; return what befalls it."""
        self._counts[host] += 1
        for fault in self._commits:
            if (fault.host % self.hosts, fault.nth) == (host, self._counts[host]):
                self.note(fault)
                return fault
        return None

    def message(self, source: str, to: str) -> list[MessageFault]:
        """Count a message; return what befalls it."""
        self.links[source, to] += 1
        found = self._messages.get((source, to, self.links[source, to]), [])
        self.struck += found
        return found

    def body(self, service: str, key: str, attempt: int, *, undo: bool) -> TaskFault | None:
        """Count a body; return what befalls it. An attempt that is repeated raises again."""
        keys = self._numbers[service, undo]
        if key not in keys:
            keys.append(key)
        for fault in self._tasks:
            here = fault.service == service and fault.undo == undo
            if here and self._is_its(fault, key, keys) and self._is_left(fault, attempt):
                self._counts[fault] += 1
                self.note(fault)
                return fault
        return None

    def _is_left(self, fault: TaskFault, attempt: int) -> bool:
        match fault:
            case f.TaskRaises(times=times):
                return attempt <= times
            case f.TaskKills(times=times):
                return self._counts[fault] < times

    def dawdles_s(self, key: str, timeout_s: float | None) -> float:
        """Return how long a body takes beyond what it does: well below its time limit."""
        if not self._dawdle_ms:
            return 0.0
        share = Random(f"{self._seed} {key}").random()
        most_s = self._dawdle_ms / 1000
        return share * (most_s if timeout_s is None else min(most_s, timeout_s / PATIENCE))

    def error(self, task: Task[..., Any]) -> Exception:
        """Return what a task raises that is befallen: an error of its own, or a common one."""
        return self._errors.get(task) or ConnectionError(f"{task.qualified} fails in this trial")

    def _is_its(self, fault: TaskFault, key: str, keys: list[str]) -> bool:
        if fault in self.keys:
            return self.keys[fault] == key
        if (self._given and isinstance(fault, f.TaskRaises)) or keys.index(key) + 1 != fault.nth:
            return False
        self.keys[fault] = key
        return True


class StruckBroker(InProcessBroker):
    """A broker whose messages are befallen one by one."""

    def __init__(self, strikes: Strikes) -> None:
        super().__init__()
        self._strikes = strikes
        self._waiting: dict[Link, list[Parcel]] = defaultdict(list)

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        self.published += 1
        link = message.source, message.to
        overtaken = self._waiting.pop(link, [])
        lates_ms = [0.0]
        for fault in self._strikes.message(*link):
            match fault:
                case f.MessageDoubled(late_ms=late_ms):
                    lates_ms.append(late_ms)
                case f.MessageDelayed(late_ms=late_ms):
                    lates_ms[:1] = [late_ms]
                case f.MessageReordered(late_ms=late_ms):
                    lates_ms[:1] = []
                    self._waiting[link].append(self._send(message, confirmed, late_ms))
                case f.MessageLost():
                    lates_ms[:1] = []
                case f.MessageUnconfirmed():
                    confirmed = nobody
                case f.MessageRedelivered(late_ms=late_ms):
                    confirmed = self._again(message, confirmed, late_ms)
        for late_ms in lates_ms:
            self._send(message, confirmed, late_ms)
        for handle, parcel in overtaken:
            if not handle.cancelled() and handle.when() > self._loop.time():
                handle.cancel()
                self._send(*parcel, 0.0)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _send(self, message: Message, confirmed: Acknowledge, late_ms: float) -> Parcel:
        handle = self._loop.call_later(late_ms / 1000, self._deliver, message, confirmed)
        return handle, (message, confirmed)

    def _again(self, message: Message, confirmed: Acknowledge, late_ms: float) -> Acknowledge:
        """Return whom to tell that a message came which is then delivered once more."""

        def heard() -> None:
            confirmed()
            self._send(message, confirmed, late_ms)

        return heard


def nobody() -> None:
    """Hear nothing."""
