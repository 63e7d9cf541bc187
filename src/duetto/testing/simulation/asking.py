"""Ask something of hosts from outside: an operation goes on in whichever loop it waits for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from duetto.errors import DuettoError

Then = Callable[[DuettoError | None], None]


def ask(question: Coroutine[Any, Any, Any], then: Then) -> None:
    """Carry an operation through; `then` is told of its end, or of a refusal. Where the process
    that it waits for dies, nobody is told."""

    def step(_: object = None) -> None:
        try:
            future = question.send(None)
        except StopIteration:
            then(None)
        except DuettoError as error:
            then(error)
        else:
            # The hosts' loops are several, so that no one task could await their futures.
            future._asyncio_future_blocking = False
            future.add_done_callback(step)

    step()
