"""Kill the shop again and again on one directory, then hold what it did against a quiet run.

What is checked: every run ends as in the quiet run; the ledgers have the same effects under the
same keys, in the same order where an order was undone; a key is used for one effect; and a key
whose result was committed when a process died is in no line that `attempts.jsonl` gets after it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from duetto.examples.shop.ledger import Effect
from duetto.examples.shop.report import Report
from duetto.examples.shop.workshop import SERVICES, Attempt
from tests.crashes.stored import Stored
from tests.shop.books import Orders, by_order, effects

PLACEMENTS = ("orchestration", "choreography", "hybrid:notifications", "hybrid:payments,shipping")
UNDER_WAY_MIN = 20
"""A kill counts where so many runs are between their first and their last effect."""
LIFE_S_MAX = 120
"""A process that lives longer hangs."""
LOOK_S = 0.004
"""How often the ledgers are looked at until enough runs are under way."""
SPREAD_S = 0.2
"""A kill comes within this time after a process has begun bodies of its own."""
EARLY_SHARE, EARLY_S = 0.2, 0.8
"""So many kills come while the process starts, opens its store and recovers."""
LIFE_EFFECTS = 20
"""So many effects an ordinary life has at least, however busy the machine is."""
SHORT_LIVES_MAX = 2
LONG_LIFE_EFFECTS = 120
"""After so many short lives one lasts for so many effects, twice those that can be in hand: a task
in hand at six deaths in a row is parked, by design, and this is not what is tested here."""


class Quiet(NamedTuple):
    """What a run that nobody disturbs comes to."""

    report: Report
    orders: Orders


@dataclass
class Tally:
    """Counts over all campaigns."""

    kills: int = 0
    thin: int = 0
    lives: int = 0
    under_way: list[int] = field(default_factory=list[int])
    keys_stored: int = 0
    attempts_repeated: int = 0
    finished: int = 0
    runs: int = 0


class Shop:
    """The shop's command on one directory."""

    def __init__(
        self,
        orders: Path,
        directory: Path,
        placement: str,
        *,
        task_ms: int,
        concurrency: int,
        apart: bool = False,
    ) -> None:
        self.directory, self.placement, self.apart = directory, placement, apart
        self.stores = [directory / f"{name}.sqlite" for name in ("shop", *SERVICES)]
        self.arguments = ["run", str(orders), "--placement", placement, "--data", str(directory)]
        self.arguments += ["--task-ms", str(task_ms), "--concurrency", str(concurrency), "--json"]

    def start(self, *failpoint: str) -> subprocess.Popen[bytes]:
        """Start the command; with the name and count of a failpoint, as one that dies there."""
        module = ["tests.crashes.apart" if self.apart else "duetto.examples.shop"]
        if failpoint:
            module = ["tests.crashes.dying", *failpoint]
        return subprocess.Popen(
            [sys.executable, "-m", *module, *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def finish(self) -> Report:
        """Run the command to its end, and return its report."""
        process = self.start()
        output, errors = process.communicate(timeout=LIFE_S_MAX)
        assert process.returncode == 0, errors.decode()
        return msgspec.json.decode(output, type=Report)


def quiet_run(orders: Path, directory: Path) -> Quiet:
    """Return what the orders come to where nothing is killed."""
    report = Shop(orders, directory, "orchestration", task_ms=0, concurrency=200).finish()
    return Quiet(report, by_order(effects(directory)))


class Ledgers:
    """The exported lines of the ledgers, read as they grow."""

    def __init__(self, directory: Path) -> None:
        self._paths = [directory / "ledgers" / f"{service}.jsonl" for service in SERVICES]
        self._at = dict.fromkeys(self._paths, 0)
        self.effects: dict[str, int] = {}

    def under_way(self, expected: Orders) -> int:
        """Return how many orders have had their first effect and not their last."""
        for path in self._paths:
            self._read(path)
        return sum(count < len(expected[order]) for order, count in self.effects.items())

    @property
    def count(self) -> int:
        """How many effects were read."""
        return sum(self.effects.values())

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._at[path])
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at[path] += len(whole)
        for effect in msgspec.json.Decoder(Effect).decode_lines(whole):
            self.effects[effect.order] = self.effects.get(effect.order, 0) + 1


class Campaign:
    """One directory, from its first start over many deaths to its end."""

    def __init__(self, shop: Shop, quiet: Quiet, random: Random, tally: Tally) -> None:
        self._shop, self._quiet, self._random, self._tally = shop, quiet, random, tally
        self._ledgers = Ledgers(shop.directory)
        self._stored = [Stored(path) for path in shop.stores]
        self._attempts = shop.directory / "attempts.jsonl"
        self._deaths: list[tuple[int, frozenset[str]]] = []
        self._short = 0

    def kill(self) -> bool:
        """Live once more, and die at a random instant; return whether there is more to do."""
        self._tally.lives += 1
        begun = self._size()
        process = self._shop.start()
        try:
            self._live(process, begun)
        finally:
            process.kill()
            _, errors = process.communicate()
        if process.returncode == 0:
            return False
        assert process.returncode == -signal.SIGKILL, errors.decode()
        self.bury()
        under_way = self._ledgers.under_way(self._quiet.orders)
        self._tally.under_way.append(under_way)
        self._tally.kills += under_way >= UNDER_WAY_MIN
        self._tally.thin += under_way < UNDER_WAY_MIN
        return True

    def die_at(self, failpoint: str, count: int) -> None:
        """Live once more, and die at a named point when it is reached for the count-th time."""
        self._tally.lives += 1
        process = self._shop.start(failpoint, str(count))
        _, errors = process.communicate(timeout=LIFE_S_MAX)
        assert process.returncode == -signal.SIGKILL, f"`{failpoint}` not hit: {errors.decode()}"
        self.bury()

    def bury(self) -> None:
        """Keep what the dead process had stored, and where its attempts end."""
        stored = frozenset[str]().union(*(store.read() for store in self._stored))
        self._deaths.append((self._size(), stored))

    def end(self) -> None:
        """Let the shop come to its end, and check all that is promised."""
        report = self._shop.finish()
        expected = self._quiet.report
        assert not report.parked, [each for store in self._stored for each in store.parked()]
        for name in ("orders", "completed", "failed", "compensated", "refused", "steps"):
            assert getattr(report, name) == getattr(expected, name), name
        found = effects(self._shop.directory)
        assert len({effect.key for effect in found}) == len(found)
        assert by_order(found) == self._quiet.orders
        self._check_attempts()
        self._tally.finished += 1
        self._tally.runs += report.orders

    def _check_attempts(self) -> None:
        """After a death, no body begins under a key whose result was committed before it."""
        data = self._attempts.read_bytes()
        decode = msgspec.json.Decoder(Attempt).decode_lines
        for size, stored in self._deaths:
            before, after = ({a.key for a in decode(part)} for part in (data[:size], data[size:]))
            assert stored <= before, f"stored, never begun: {sorted(stored - before)}"
            assert not after & stored, f"begun again after {size} bytes: {sorted(after & stored)}"
        attempts = decode(data)
        self._tally.keys_stored += len(self._deaths[-1][1]) if self._deaths else 0
        self._tally.attempts_repeated += len(attempts) - len({(a.key, a.attempt) for a in attempts})

    def _size(self) -> int:
        return self._attempts.stat().st_size if self._attempts.exists() else 0

    def _wait_until_busy(
        self, process: subprocess.Popen[bytes], begun: int, *, more: int = 0
    ) -> None:
        least = self._ledgers.count + more
        for _ in range(round(LIFE_S_MAX / LOOK_S)):
            busy = self._ledgers.under_way(self._quiet.orders) >= UNDER_WAY_MIN
            busy = busy and self._size() > begun and self._ledgers.count >= least
            if busy or self._wait(process, LOOK_S):
                return
        raise AssertionError("the shop hangs")

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _live(self, process: subprocess.Popen[bytes], begun: int) -> None:
        self._short += 1
        if self._short > SHORT_LIVES_MAX:
            self._short = 0
            self._ledgers.under_way(self._quiet.orders)
            self._wait_until_busy(process, begun, more=LONG_LIFE_EFFECTS)
        elif self._deaths and self._random.random() < EARLY_SHARE:
            self._wait(process, self._random.random() * EARLY_S)
            return
        else:
            self._wait_until_busy(process, begun, more=LIFE_EFFECTS)
        self._wait(process, self._random.random() * SPREAD_S)


def part_of(orders: Path, target: Path, *, lines: int) -> Path:
    """Write the first lines of a file of orders to another, and return it."""
    text = orders.read_text(encoding="utf-8").splitlines(keepends=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(text[:lines]), encoding="utf-8")
    return target


def _say_nothing(_: Tally, __: str) -> None:
    """Keep quiet."""


def kill_many(
    orders: Path,
    folder: Path,
    *,
    kills: int,
    seed: int,
    task_ms: int = 50,
    concurrency: int = 60,
    placements: Sequence[str] = PLACEMENTS,
    say: Callable[[Tally, str], None] = _say_nothing,
) -> Tally:
    """Kill the shop so many times, directory after directory, placement after placement."""
    random, tally = Random(seed), Tally()
    layouts = [(placement, apart) for placement in placements for apart in (False, True)]
    quiet = quiet_run(orders, folder / "quiet")
    number = 0
    while tally.kills < kills:
        placement, apart = layouts[number % len(layouts)]
        directory = folder / f"{number}-{placement.replace(':', '-')}"
        shop = Shop(
            orders, directory, placement, task_ms=task_ms, concurrency=concurrency, apart=apart
        )
        campaign = Campaign(shop, quiet, random, tally)
        while tally.kills < kills and campaign.kill():
            say(tally, f"{placement}, {'stores apart' if apart else 'one store'}")
        campaign.end()
        number += 1
    return tally
