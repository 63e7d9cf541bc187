"""A thread for synchronous bodies: one after the other, while the loop of a test stands still."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

R = TypeVar("R")

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

THREAD_S_MAX = 60.0
"""Real seconds that a body may take: the clock stands still for it, so no time limit ends it."""

Asked = tuple["Future[Any]", Callable[[], Any]]


class Stuck(RuntimeError):
    """What runs in the thread does not end."""


class Worker:
    """Runs functions in a thread that begins with the first, and is no reason to stay alive."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[Asked | None] = SimpleQueue()
        self._thread: Thread | None = None

    def call(self, body: Callable[[], R]) -> R:
        """Run a function, and return or raise what it does. Raises Stuck where it does not end."""
        if self._thread is None:
            self._thread = Thread(target=_work, args=(self._asked,), name="duetto-task")
            self._thread.daemon = True
            self._thread.start()
        answer: Future[R] = Future()
        self._asked.put((answer, body))
        if not wait([answer], THREAD_S_MAX).done:
            self._forget()
            raise Stuck(f"after {THREAD_S_MAX:g} s it still runs in its thread")
        return answer.result()

    def close(self) -> None:
        """Let the thread end."""
        thread = self._thread
        self._forget()
        if thread is not None:
            thread.join(THREAD_S_MAX)

    def _forget(self) -> None:
        """Leave the thread: it ends once it has done what it does."""
        self._asked.put(None)
        self._asked, self._thread = SimpleQueue(), None


def _work(asked: SimpleQueue[Asked | None]) -> None:
    while (one := asked.get()) is not None:
        answer, body = one
        try:
            answer.set_result(body())
        except BaseException as error:  # whatever it is, it is raised again where it was asked for
            answer.set_exception(error)
        del one, answer, body
