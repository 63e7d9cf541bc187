"""The contract of an invoker: runs the body of a task and says how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Invocation:
    """A call of a body; `timeout_s` is None without limit.

    `took` is microseconds of a monotonic clock, set at its end.
    """

    __slots__ = ("args", "body", "is_async", "kwargs", "timeout_s", "took")

    def __init__(
        self,
        body: Callable[..., Awaitable[Any] | Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        is_async: bool = True,
        timeout_s: float | None = None,
    ) -> None:
        self.body, self.args, self.kwargs = body, args, kwargs
        self.is_async, self.timeout_s = is_async, timeout_s
        self.took = 0

    @property
    def context(self) -> Any:
        """What the body may ask, made when it does."""
        return None


Ended = Callable[[Invocation, Any, BaseException | None], None]


class Invoker(Protocol):
    """Runs invocations; `ended` is called in the loop, with a result or an error, once each."""

    def submit(self, invocation: Invocation) -> None:
        """Run an invocation soon, in the order of submission."""
        ...

    @property
    def backlog(self) -> int:
        """How many wait for their turn."""
        ...

    async def drain(self, timeout_s: float) -> int:
        """Wait until what runs has ended, start nothing new; return how many are still running."""
        ...
