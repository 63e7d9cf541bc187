"""The database broker: messages between the hosts of one machine, and topics, without a server."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from duetto.broker import Acknowledge, Receive
from duetto.errors import ConfigurationError, DuettoError, StoreBusy, StoreFull
from duetto.kernel import journal
from duetto.model.message import Message, name
from duetto.stores.sqlite.database import Cursor
from duetto.stores.sqlite_broker import topics
from duetto.stores.sqlite_broker.consuming import SqliteTopics
from duetto.stores.sqlite_broker.file import open_file
from duetto.stores.sqlite_broker.mail import Letter, Mail, Post, now_ms, purge
from duetto.stores.sqlite_broker.worker import Job, Worker

BROKER_KEEP_MS = 7 * 24 * 3600 * 1000
"""How long records and messages are kept, read or not: their sources have them for as long."""
HEAR_AGAIN_MS = 1_000
"""How long a full disk is left alone before a participant tries to hear again."""
TIDY_MS = 10_000
"""How often it is looked at what is older: one portion each time."""
TIDIED_MAX = 1_000
"""Rows deleted in one commit: a longer one would hold up every process."""

log = logging.getLogger("duetto.stores")


class SqliteBroker:
    """One connection to the broker's file. Made by `open`; used in one event loop at a time."""

    def __init__(self, worker: Worker, keep_ms: int) -> None:
        self._worker = worker
        self._mail = Mail(uuid.uuid4().hex, self._found)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._receivers: dict[str, Receive] = {}
        self._waiting: dict[tuple[str, str], Acknowledge] = {}
        """Who is to be told, by recipient and name, that a message was committed."""
        self.topics = SqliteTopics(worker)
        self._worker.watch(self._mail)
        self._worker.watch(Tidying(keep_ms))

    @classmethod
    def open(cls, path: str | Path, *, keep_ms: int = BROKER_KEEP_MS) -> SqliteBroker:
        """Open a broker, and make it where there is none; any number of processes may.

        Raises StoreDamaged for another program's file, and StoreError where it cannot be opened.
        """
        path = Path(path).resolve()
        return cls(Worker(open_file(path), path), keep_ms)

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        """Post a message; sent again while it is under way, it is still one."""
        self._loop = asyncio.get_running_loop()
        called = name(message)
        self._waiting[message.to, called] = confirmed
        data = journal.encode(message)
        post = partial(self._mail.post, to=message.to, name=called, data=data)
        self._worker.do(Job(post, self._told))

    def subscribe(self, participant: str, receive: Receive) -> None:
        """Receive for a participant, also what was under way to its former receiver."""
        self._loop = asyncio.get_running_loop()
        self._receivers[participant] = receive
        self._hear(participant)

    def _hear(self, participant: str) -> None:
        if participant in self._receivers:
            hear = partial(self._mail.hear, participant=participant)
            self._worker.do(Job(hear, partial(self._hears, participant)))

    def unsubscribe(self, participant: str) -> None:
        """Leave what comes to who subscribes next."""
        self._receivers.pop(participant, None)
        self._worker.do(Job(partial(self._mail.stop_hearing, participant=participant), self._told))

    async def close(self) -> None:
        """Finish what was given, and let go of the file."""
        await asyncio.to_thread(self._worker.close)

    # -- in the thread

    def _told(self, result: DuettoError | None) -> None:
        """A message that could not be posted is sent again by who waits for it."""
        if result is not None:
            log.warning("the broker could not write: %s", result)

    def _hears(self, participant: str, result: DuettoError | None) -> None:
        """A full disk may keep a participant from hearing: it is tried again."""
        self._told(result)
        if isinstance(result, StoreBusy | StoreFull):
            self._in_loop(
                lambda loop: loop.call_later(HEAR_AGAIN_MS / 1000, self._hear, participant)
            )

    def _found(self, post: Post) -> None:
        self._in_loop(lambda _: self._deliver(post))

    def _in_loop(self, act: Callable[[asyncio.AbstractEventLoop], object]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop is closed: who comes next is told again
                loop.call_soon_threadsafe(act, loop)

    # -- in the loop

    def _deliver(self, post: Post) -> None:
        for key in post.settled:
            confirmed = self._waiting.pop(key, None)
            if confirmed is not None:
                confirmed()
        for letter in post.letters:
            self._receive(letter)

    def _receive(self, letter: Letter) -> None:
        try:
            message = journal.message(letter.data)
        except DuettoError as error:
            # A newer participant may have written it: it waits for one here that can read it.
            log.warning("a message cannot be read, and is handed over again later: %s", error)
            return
        receive = self._receivers.get(message.to)
        if receive is not None:
            receive(message, partial(self._acknowledge, letter.id))

    def _acknowledge(self, id: int) -> None:
        self._worker.do(Job(partial(self._mail.settle, id=id), self._told))


class Tidying:
    """Deletes what is older than is kept, in portions. Runs in the thread."""

    closed = False

    def __init__(self, keep_ms: int) -> None:
        self._keep_ms, self._last_ms = keep_ms, 0

    def is_ready(self, cursor: Cursor) -> bool:
        """Is it time? A clock that was put back is not waited for."""
        return abs(now_ms() - self._last_ms) >= TIDY_MS

    def job(self) -> Job[None]:
        """Return the job that deletes a portion."""
        return Job(self._tidy, lambda _: None)

    def fail(self, error: DuettoError) -> None:
        """It is tried again."""

    def _tidy(self, cursor: Cursor) -> None:
        self._last_ms = now_ms()
        before = self._last_ms - self._keep_ms
        purge(cursor, before, TIDIED_MAX)
        topics.purge(cursor, before, TIDIED_MAX)


def broker_file(broker: str) -> str:
    """Return the path of a broker's file, empty for memory. Raises ConfigurationError."""
    kind, colon, place = broker.partition(":")
    if (kind, colon, place) == ("memory", ":", ""):
        return ""
    if kind == "sqlite" and place:
        return place
    raise ConfigurationError(
        "There is no such broker.",
        found=broker,
        expected="`memory:`, `sqlite:PATH`, or an open broker",
        do='name a file that the processes share: App(broker="sqlite:./broker.sqlite")',
    )
