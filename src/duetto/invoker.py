"""The contract of an invoker: runs the body of a task and says how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar


class Callee(Protocol):
    """What is called; `timeout_s` is None without limit."""

    @property
    def body(self) -> Callable[..., Awaitable[Any] | Any]: ...
    @property
    def is_async(self) -> bool: ...
    @property
    def timeout_s(self) -> float | None: ...


class Invocation(Protocol):
    """A call of a body. `took` is microseconds of a monotonic clock, set at its end."""

    took: int

    @property
    def handle(self) -> Callee: ...
    @property
    def args(self) -> tuple[Any, ...]: ...
    @property
    def kwargs(self) -> dict[str, Any]: ...
    @property
    def context(self) -> Any:
        """What the body may ask, made when it does."""
        ...


Call = TypeVar("Call", bound=Invocation)
Call_contra = TypeVar("Call_contra", bound=Invocation, contravariant=True)

Ended = Callable[[Call, Any, BaseException | None], None]
"""Takes how a call ended: its result, or its error."""


class Invoker(Protocol[Call_contra]):
    """Runs invocations; `ended` is called in the loop, with a result or an error, once each."""

    def submit(self, invocation: Call_contra, /) -> None:
        """Run an invocation soon, in the order of submission."""
        ...

    @property
    def backlog(self) -> int:
        """How many wait for their turn."""
        ...

    async def drain(self, timeout_s: float) -> int:
        """Wait until what runs has ended, start nothing new; return how many are still running."""
        ...
