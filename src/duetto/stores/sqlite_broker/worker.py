"""The thread that has the broker's file: it commits what it is given, all that is ready at once,
and looks from time to time at what other processes have written.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

import apsw

from duetto.errors import DuettoError, NotAllowed, StoreDamaged, StoreFailed
from duetto.stores.sqlite.connection import let_go
from duetto.stores.sqlite.database import Cursor, Database
from duetto.stores.sqlite.refusals import failed, refusal

T = TypeVar("T")
log = logging.getLogger("duetto.stores")

POLL_MIN_MS = 1
"""How soon the file is looked at again while something happens: other processes cannot wake us."""
POLL_MAX_MS = 50
"""How seldom it is looked at while nothing does: a first message waits so long at most."""
JOBS_MAX = 1_000
"""Jobs of one commit: the other processes wait as long as it takes."""


class Job(Generic[T]):
    """Something to do within a commit; `done` hears in the thread what it gave, or why not.

    What `synced` says is done survives a power cut; everything survives a kill. A job that raises
    has written nothing before.
    """

    def __init__(
        self,
        work: Callable[[Cursor], T],
        done: Callable[[T | DuettoError], None],
        *,
        synced: bool = False,
    ) -> None:
        self.work, self.done, self.synced = work, done, synced


class Watch(Protocol):
    """What is looked at from time to time, until it is `closed`: all methods in the thread."""

    closed: bool

    def is_ready(self, cursor: Cursor) -> bool:
        """Look, writing nothing, whether there is something to do."""
        ...

    def job(self) -> Job[Any]:
        """Return what is to be done then."""
        ...

    def fail(self, error: DuettoError) -> None:
        """Hear that the file cannot be read."""
        ...


class Worker:
    """Runs jobs in the order in which they came. Given to by any thread."""

    def __init__(self, db: Database, path: Path) -> None:
        self._db, self._cursor, self._path = db, db.cursor(), path
        self._given: SimpleQueue[Job[Any] | Watch | None] = SimpleQueue()
        self._watches: list[Watch] = []
        self._synced: bool | None = None
        self._failure: DuettoError | None = None
        self._ended: DuettoError | None = None
        """What whoever comes after the end is told."""
        self._thread = threading.Thread(target=self._run, name=f"broker {path.name}", daemon=True)
        self._thread.start()

    def do(self, job: Job[Any]) -> None:
        """Have a job done; its `done` is told how it went in any case."""
        self._give(job)

    def watch(self, watch: Watch) -> None:
        """Have something looked at until it is closed."""
        self._give(watch)

    def _give(self, given: Job[Any] | Watch) -> None:
        self._given.put(given)
        if self._ended is not None:  # nobody else will look
            self._turn_away(self._ended)

    def close(self) -> None:
        """Finish what was given, and let go of the file. Waits, so call it beside a loop."""
        self._given.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._end()

    def _work(self) -> None:
        pause_ms, is_open = POLL_MIN_MS, True
        while is_open:
            jobs, is_open = self._next(pause_ms)
            done = self._commit(jobs)
            done |= self._commit(self._ready())
            pause_ms = POLL_MIN_MS if done else min(2 * pause_ms, POLL_MAX_MS)

    def _next(self, pause_ms: int) -> tuple[list[Job[Any]], bool]:
        """Wait for something; return all that is there, and whether there may be more."""
        jobs: list[Job[Any]] = []
        timeout_s = pause_ms / 1000 if self._watches else None
        while len(jobs) < JOBS_MAX:
            try:
                given = self._given.get(timeout=timeout_s) if not jobs else self._given.get_nowait()
            except Empty:
                break
            if given is None:
                return jobs, False
            if not isinstance(given, Job):
                self._watches.append(given)
                timeout_s = 0
            else:
                jobs.append(given)
        return jobs, True

    def _ready(self) -> list[Job[Any]]:
        self._watches = [watch for watch in self._watches if not watch.closed]
        ready: list[Job[Any]] = []
        for watch in self._watches:
            try:
                if self._failure is not None:
                    watch.fail(self._failure)
                elif watch.is_ready(self._cursor):
                    ready.append(watch.job())
            except apsw.Error as error:
                watch.fail(self._refusal(error))
        return ready

    def _commit(self, jobs: list[Job[Any]]) -> bool:
        """Do jobs in one transaction, and say whether it was committed.

        Those that raise have done nothing of theirs.
        """
        results, done = self._results(jobs) if jobs else ([], False)
        for job, result in zip(jobs, results, strict=True):
            job.done(result)
        return done

    def _results(self, jobs: list[Job[Any]]) -> tuple[list[Any], bool]:
        if self._failure is not None:
            return [self._failure] * len(jobs), False
        try:
            self._sync(any(job.synced for job in jobs))
            self._cursor.execute("BEGIN IMMEDIATE")
            results = [self._result(job) for job in jobs]
            self._cursor.execute("COMMIT")
            return results, True
        except apsw.Error as error:
            refused = self._refusal(error)
            return [refused] * len(jobs), False
        except Exception as error:  # a mistake of ours: whoever waits is told, rather than never
            log.exception("the broker is given up")
            self._failure = failed(self._path, repr(error))
            return [self._failure] * len(jobs), False
        finally:
            if self._db.in_transaction:
                self._roll_back()

    def _result(self, job: Job[T]) -> T | DuettoError:
        try:
            return job.work(self._cursor)
        except DuettoError as error:
            return error

    def _sync(self, synced: bool) -> None:
        """Have the next commit wait for the disk, or not; one that waits takes all before along."""
        if synced != self._synced:
            self._db.pragma("synchronous", "FULL" if synced else "NORMAL")
            self._synced = synced

    def _refusal(self, error: apsw.Error) -> DuettoError:
        """Return the error to tell; after one that leaves durability open, nothing is written."""
        refused = refusal(error, self._path)
        if isinstance(refused, StoreFailed | StoreDamaged):
            log.error("the broker is given up: %s", refused)
            self._failure = refused
        return refused

    def _roll_back(self) -> None:
        try:
            self._cursor.execute("ROLLBACK")
        except apsw.Error as error:
            self._refusal(error)

    def _end(self) -> None:
        self._ended = self._failure or NotAllowed(
            f"The broker {self._path} is closed.", do="publish and consume while it is open"
        )
        for watch in self._watches:
            watch.fail(self._ended)
        self._turn_away(self._ended)
        let_go(self._db)

    def _turn_away(self, error: DuettoError) -> None:
        while True:
            try:
                given = self._given.get_nowait()
            except Empty:
                return
            if isinstance(given, Job):
                given.done(error)
            elif given is not None:
                given.fail(error)
