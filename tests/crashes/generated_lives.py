"""Kill the processes of a batch again and again until all its runs have ended.

Each life ends at an instant drawn at random, at a named point, or as the power goes. What is in
hand at six deaths in a row is parked by design, and resumed by the operator that a process is; so
that it stays rare, every third life is a long one.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from duetto.errors import DuettoError
from duetto.operations.caller import call
from duetto.operations.requests import Cancel
from tests.crashes.generated import Batch, store_files, write
from tests.crashes.generated_deaths import Left, Tally
from tests.crashes.generated_holding import Broken, hold
from tests.crashes.generated_ledger import (
    LEDGER_FILE,
    Answered,
    Asked,
    Begun,
    Born,
    Calm,
    Died,
    Done,
    Entry,
    Finished,
    Ledger,
    Stuck,
    decoded,
)
from tests.crashes.generated_points import POINTS, POWER_CUT
from tests.crashes.generated_post import port
from tests.crashes.points import ENDING

IDLE_S_MAX = 90
"""Processes that write nothing for so long hang."""
LOOK_S = 0.004
"""How often it is looked at what they do."""
EARLY_SHARE, EARLY_S = 0.15, 0.5
"""So many lives end while the process starts, opens its stores and recovers."""
POINT_SHARE = 0.35
"""So many lives end at a named point, if it is reached within a long life."""
POWER_SHARE, POWER_OPERATIONS_MAX = 0.1, 800
"""So many lives end as the power goes, in one of the first operations on the disk."""
ALL_SHARE = 0.15
"""Where there are several processes, so often all are killed at once."""
SHORT_BYTES, LONG_BYTES = 40, 4_000
"""How much is written into the ledger before an instant is drawn: anything at all, or some hundred
and thirty lines, by which most of what was in hand at a birth has ended."""
SHORT_LIVES_MAX = 2
SPREAD_S = 0.25
"""An instant is drawn within this time."""
CANCELS_MAX, LATELY = 3, 60
"""How many runs are cancelled in a life, of those in so many lines of the ledger."""
SELDOM = ("recovery", "undoing", "retry", "checkpoint", "end of run")
SELDOM_MAX, OFTEN_MAX = 3, 30
"""At which time, at most, a point is reached that kills."""


class Fallen(Exception):
    """A process ended that nobody killed, or left a store that cannot be opened; all do nothing,
    and runs have not ended; or a token was parked."""


class Tail:
    """The ledger, read as it grows."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LEDGER_FILE
        self._at = 0
        self.lately: list[Entry] = []
        self.finished: set[int] = set()
        self.calm: set[int] = set()

    @property
    def size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> None:
        """See which stores have finished: their process said so, and lives. Raises Fallen."""
        if self.size == self._at:
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        found = decoded(whole)
        self.lately = [*self.lately, *found][-LATELY:]
        for entry in found:
            match entry:
                case Born(stores):
                    self.forget(stores)
                case Finished(stores):
                    self.finished |= {*stores}
                case Calm(stores):
                    self.calm |= {*stores}
                case Stuck(run, reason):
                    raise Fallen(f"{run} is parked at {reason}")
                case _:
                    pass

    def forget(self, stores: tuple[int, ...]) -> None:
        """Whoever said that these have finished is dead."""
        self.finished -= {*stores}
        self.calm -= {*stores}


class Process:
    """One process that is alive."""

    def __init__(
        self,
        directory: Path,
        stores: tuple[int, ...],
        ports: Sequence[socket.socket],
        point: tuple[str, ...],
    ) -> None:
        self.stores, self.point, self._errors = stores, point, ""
        numbers = ",".join(map(str, stores))
        own = ports[stores[0]].fileno() if ports else 0
        places = [each.getsockname()[1] for each in ports]
        told = json.dumps({"own": own, "places": places} if ports else None)
        module = [sys.executable, "-m", "tests.crashes.generated_worker"]
        self._popen = subprocess.Popen(
            [*module, str(directory), numbers, told, *point],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[own] if ports else [],
        )

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, or for a time."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)

    def tell(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def has_died(self) -> bool:
        """Was it killed? Raises Fallen where it has ended otherwise."""
        code = self._popen.poll()
        if code in (None, -signal.SIGKILL):
            return code is not None
        raise Fallen(f"exit {code}: {self.errors()}")

    def has_stopped(self) -> bool:
        """Has it come to its end, and not been killed? Raises Fallen where it is neither."""
        code = self._popen.poll()
        if code is None:
            raise Fallen("a process does not stop")
        return code == 0 or not self.has_died()

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self._popen.kill()
        self.errors()

    def errors(self) -> str:
        """Wait for the end, and return what was said."""
        if not self._errors:
            self._errors = self._popen.communicate()[1].decode() or "nothing was said"
        return self._errors


class Lives:
    """One directory, from the first process over many deaths to the end."""

    def __init__(self, batch: Batch, directory: Path, random: Random, tally: Tally) -> None:
        self.batch, self.directory = batch, directory
        self._random, self._tally = random, tally
        self._files = store_files(batch, directory)
        self._tail = Tail(directory)
        self._alive: list[Process] = []
        self._ports = [port() for _ in batch.stores] if batch.separate else []
        self._short = 0
        write(batch, directory)

    def live(self, say: Callable[[Tally], None]) -> None:
        """Bring all runs to their end. Raises Fallen."""
        try:
            for stores in self.batch.processes:
                self._give_birth(stores)
            while not self._have_ended():
                self._live_on()
                say(self._tally)
        finally:
            for process in self._alive:
                process.kill()
            for each in self._ports:
                each.close()

    # -- births and deaths

    def _give_birth(self, stores: tuple[int, ...]) -> None:
        self._tally.lives += 1
        self._alive.append(Process(self.directory, stores, self._ports, self._point()))

    def _point(self) -> tuple[str, ...]:
        roll = self._random.random()
        if roll < POWER_SHARE:
            return POWER_CUT, str(self._random.randint(1, POWER_OPERATIONS_MAX))
        if roll >= POWER_SHARE + POINT_SHARE:
            return ()
        least = min(self._tally.points[name] for name in POINTS)
        name = self._random.choice([n for n in POINTS if self._tally.points[n] == least])
        most = SELDOM_MAX if any(word in name for word in SELDOM) else OFTEN_MAX
        return name, str(1 if name in ENDING else self._random.randint(1, most))

    def _bury(self, process: Process, *, early: bool, point: str = "") -> None:
        """Write down what is in the stores of a dead process, count its death, start another."""
        process.kill()
        self._alive.remove(process)
        self._tail.read()
        self._tail.forget(process.stores)
        try:
            left = {number: Left(self._files[number]) for number in process.stores}
        except DuettoError as error:
            raise Fallen(str(error)) from error
        ledger = Ledger(self.directory)
        ledger.write(Died({number: each.records for number, each in left.items()}))
        ledger.close()
        tally, in_flight = self._tally, {run for each in left.values() for run in each.open}
        tally.points.update([point] if point else [])
        if early or not in_flight:
            tally.idle += 1
        else:
            tally.kills += 1
            tally.in_flight.append(len(in_flight))
            for each in left.values():
                for name, count in each.resting.items():
                    tally.in_hand[name, self.batch.placement] += count
        self._give_birth(process.stores)

    def _died_alone(self) -> bool:
        """Bury those that died at their points. Raises Fallen."""
        dead = [process for process in self._alive if process.has_died()]
        for process in dead:
            self._bury(process, early=False, point="".join(process.point[:1]))
        return bool(dead)

    # -- lives

    def _live_on(self) -> None:
        """Let all live for a while, and kill one, or all, unless one dies before."""
        victims = [self._random.choice(self._alive)]
        if self._random.random() < ALL_SHARE:
            victims = list(self._alive)
        self._short += 1
        size, early = self._tail.size, False
        if self._short > SHORT_LIVES_MAX or any(process.point for process in victims):
            if not self._grows(size + LONG_BYTES):
                return
            self._short = 0
        elif size and self._random.random() < EARLY_SHARE:
            early = True
        elif not self._grows(size + SHORT_BYTES):
            return
        if self.batch.cancels and not early:
            self._cancel(self._random.randint(0, CANCELS_MAX))
        spared = any(process.point[:1] == (name,) for process in victims for name in ENDING)
        if self._pass((EARLY_S if early else SPREAD_S) * self._random.random()) and not spared:
            for process in victims:
                self._bury(process, early=early or self._tail.size <= size + SHORT_BYTES)

    def _grows(self, size: int) -> bool:
        """Wait until so much is written; return whether it came to that, with all alive."""
        seen, idle_s = self._tail.size, 0.0
        while self._tail.size < size:
            if not self._pass(LOOK_S):
                return False
            idle_s = idle_s + LOOK_S if seen == self._tail.size else 0.0
            seen = self._tail.size
            if idle_s > IDLE_S_MAX:
                left = [run for path in self._files for run in Left(path).open]
                raise Fallen(f"nothing happens, and these are open: {', '.join(left)}")
        return True

    def _pass(self, seconds: float) -> bool:
        """Let time pass; return whether there is more to do, and all are still alive."""
        self._alive[0].wait(seconds)
        self._tail.read()
        return not self._died_alone() and not self._all(self._tail.finished)

    def _all(self, those: set[int]) -> bool:
        return len(those) == len(self.batch.stores)

    def _cancel(self, count: int) -> None:
        """Cancel some of the runs that did something last, as an operator, from outside."""
        lately = [e for e in self._tail.lately if isinstance(e, Begun | Done)]
        runs = sorted({entry.run for entry in lately})
        ledger = Ledger(self.directory)
        for run in self._random.sample(runs, min(count, len(runs))):
            home = self.batch.home(self.batch.number(run))
            first = next(stores[0] for stores in self.batch.processes if home in stores)
            ledger.write(Asked(run))
            # It may have ended, or its process has; what was not answered may be done or not.
            with suppress(DuettoError):
                if call(self._files[first], Cancel(run)) is not None:
                    ledger.write(Answered(run))
                    self._tally.cancels += 1
        ledger.close()

    # -- the end

    def _have_ended(self) -> bool:
        """Stop all processes when all runs have ended; return whether that came to its end."""
        self._tail.read()
        if not self._all(self._tail.finished):
            return False
        for process in self._alive:
            process.tell(signal.SIGUSR1)
        while not self._all(self._tail.calm):
            self._alive[0].wait(LOOK_S)
            self._tail.read()
            if self._died_alone():
                return False
        return self._stop()

    def _stop(self) -> bool:
        """Let all processes stop; return whether they did. Who died meanwhile lives once more."""
        dead: list[Process] = []
        for process in list(self._alive):
            process.tell(signal.SIGTERM)
        for process in list(self._alive):
            process.wait(IDLE_S_MAX)
            if process.has_stopped():
                process.kill()  # which closes what it was told by
                self._alive.remove(process)
            else:
                dead.append(process)
        for process in dead:
            self._bury(process, early=False, point="".join(process.point[:1]))
        return not dead


def kill_and_hold(
    batch: Batch,
    directory: Path,
    random: Random,
    tally: Tally,
    *,
    say: Callable[[Tally], None] = lambda _: None,
) -> list[Broken]:
    """Bring a batch to its end, killing it on the way; return the promises that it broke."""
    tally.runs += batch.count
    try:
        Lives(batch, directory, random, tally).live(say)
    except Fallen as fallen:
        return [Broken(-1, f"promise 3: {fallen}")]
    held = hold(batch, directory)
    tally.blamed += held.blamed
    tally.repeated += held.repeated
    return held.broken
