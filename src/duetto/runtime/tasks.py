"""A task as the runtime calls it: its body with its resources, and how its values are stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from inspect import Parameter
from typing import Any

import msgspec

from duetto.authoring.resources import find_resource
from duetto.authoring.task import Task, takes_result_only
from duetto.codec import VALUE_BYTES_MAX, Codec, Plan
from duetto.errors import ConfigurationError, NotFound, StoreDamaged, ValueRefused
from duetto.model.token import Value


class Room:
    """How many may run at a time, how many do, and who waits, in order."""

    __slots__ = ("limit", "running", "waiting")

    def __init__(self, limit: int) -> None:
        self.limit, self.running = limit, 0
        self.waiting: deque[Any] = deque()

    @property
    def is_full(self) -> bool:
        return self.running >= self.limit


class TaskHandle:
    """One task of a service that is hosted here, or known here to be called elsewhere."""

    __slots__ = (
        "body",
        "codec",
        "defaults",
        "is_async",
        "look_up",
        "name",
        "names",
        "plans",
        "result",
        "rooms",
        "service",
        "simple",
        "task",
        "timeout_s",
        "undo",
    )

    def __init__(self, task: Task[..., Any], codec: Codec) -> None:
        self.task, self.codec = task, codec
        self.name, self.service = task.qualified, task.service.name
        self.is_async, self.timeout_s = task.is_async, task.timeout_s
        self.body: Any = task.body
        for parameter in task.parameters:
            if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
                raise ConfigurationError(
                    f"The task {task.qualified} takes any number of arguments.",
                    found=str(parameter),
                    expected="named parameters, so that arguments have types",
                    do="take a list or a dict",
                )
        self.names = tuple(parameter.name for parameter in task.parameters)
        self.simple = all(p.kind is not Parameter.KEYWORD_ONLY for p in task.parameters)
        self.defaults = {
            parameter.name: parameter.default
            for parameter in task.parameters
            if parameter.default is not parameter.empty
        }
        self.plans: tuple[Plan, ...] = tuple(
            codec.plan_for(task.hints.get(name, Any)) for name in self.names
        )
        self.result = codec.plan_for(task.hints.get("return", Any))
        self.rooms: tuple[Room, ...] = ()
        """What an attempt needs a place in: of the task, and of its service."""
        if task.concurrency_max is not None:
            self.rooms = (Room(task.concurrency_max),)
        self.undo: TaskHandle | None = None
        self.look_up: TaskHandle | None = None

    def open(self, resources: Mapping[type, object]) -> None:
        """Bind the resources of the body."""
        if self.task.resources:
            given = {
                name: find_resource(resources, wanted, for_=self.name)
                for name, wanted in self.task.resources.items()
            }
            self.body = partial(self.task.body, **given)
        if self.look_up is not None:
            self.look_up.open(resources)

    def ordered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return the arguments in the order of the parameters, defaults filled in.

        Raises TypeError where they do not fit.
        """
        if not kwargs and len(args) == len(self.names):
            return args
        bound = self.task.arguments.bind(*args, **kwargs)
        return tuple(
            bound.arguments[name] if name in bound.arguments else self.defaults[name]
            for name in self.names
        )

    def pack(self, ordered: tuple[Any, ...]) -> bytes:
        """Return the stored form of ordered arguments. Raises ValueRefused."""
        try:
            return self.codec.tuple_of(
                [plan.encode(value) for plan, value in zip(self.plans, ordered, strict=True)]
            )
        except ValueRefused:
            self._refuse(ordered)
            raise

    def takes(self, stored: tuple[Value, ...], plans: Sequence[object]) -> bool:
        """Return whether variables are all the arguments, each of its parameter's very type, and
        together not too big to be stored as they are."""
        own = self.plans
        if not self.simple or len(stored) != len(own):
            return False
        if len(own) == 1:
            return plans[stored[0].type] is own[0]
        for plan, value in zip(own, stored, strict=False):
            if plans[value.type] is not plan:
                return False
        return sum([len(value.data) for value in stored]) < VALUE_BYTES_MAX

    def _refuse(self, ordered: tuple[Any, ...]) -> None:
        for name, plan, value in zip(self.names, self.plans, ordered, strict=True):
            try:
                plan.encode(value)
            except ValueRefused as refused:
                raise ValueRefused(
                    f"Cannot store argument `{name}` of {self.name}.",
                    found=refused.found,
                    expected=refused.expected,
                    do=refused.do,
                ) from refused

    def unpack(self, data: bytes) -> tuple[Any, ...]:
        """Return ordered arguments, decoded anew. Raises NotFound for those of other code."""
        parts = msgspec.msgpack.decode(data, type=list[msgspec.Raw])
        if len(parts) != len(self.plans):
            raise self.unfit(f"{len(parts)} stored arguments")
        try:
            return tuple(
                plan.decode(bytes(part)) for plan, part in zip(self.plans, parts, strict=True)
            )
        except StoreDamaged as other:
            raise self.unfit(f"stored arguments of other types: {other.found}") from other

    def unfit(self, found: str) -> NotFound:
        """Return the error for a call that was made for another version of the task."""
        return NotFound(
            f"The task {self.name} of this version does not take the call.",
            found=found,
            expected=f"{self.name}{self.task.signature}",
            do="deploy a version that takes it",
        )

    def call(self, ordered: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return (args, kwargs) for the body."""
        if self.simple:
            return ordered, {}
        pairs = list(zip(self.task.parameters, ordered, strict=True))
        args = tuple(v for p, v in pairs if p.kind is not Parameter.KEYWORD_ONLY)
        return args, {p.name: v for p, v in pairs if p.kind is Parameter.KEYWORD_ONLY}

    def undo_call(self, stored: bytes, args: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return (args, kwargs) for the body of the compensation, from a result as it is stored.

        Raises NotFound where these are of another version of the task.
        """
        try:
            result = self.result.decode(stored)
        except StoreDamaged as other:
            raise self.unfit(f"a stored result of another type: {other.found}") from other
        if self.undo is None or takes_result_only(self.undo.task):
            return (result,), {}
        positional, keywords = self.call(self.unpack(args))
        return (result, *positional), keywords


def handles(tasks: list[Task[..., Any]], codec: Codec) -> dict[str, TaskHandle]:
    """Return the handles of tasks by qualified name, compensations and look-ups linked."""
    found = {task.qualified: TaskHandle(task, codec) for task in tasks}
    shared: dict[str, Room] = {}
    for handle in found.values():
        if (limit := handle.task.service.concurrency) is not None:
            handle.rooms += (shared.setdefault(handle.service, Room(limit)),)
        if handle.task.undo is not None:
            handle.undo = found[handle.task.undo.qualified]
        if handle.task.look_up is not None:
            handle.look_up = TaskHandle(handle.task.look_up, codec)
            handle.look_up.result = handle.result
    return found
