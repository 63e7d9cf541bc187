"""One scenario of events: it is run, mended by an operator, and held against every promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from duetto.testing.simulation.coverage import Coverage
from duetto.testing.simulation.events import EventScenario, EventWorld, draw
from duetto.testing.simulation.timeline import Endless
from tests.simulation.events.book import Book
from tests.simulation.events.gauge import Gauge
from tests.simulation.events.mail import MailBook
from tests.simulation.reference import Wrong

ROUNDS_MAX = 100
"""How often an operator mends what is dead: each time some that had to wait come to their turn."""


class EventCounts:
    """What a series of scenarios has covered."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()

    def add(self, world: EventWorld, book: Book) -> None:
        """Count what happened in a world."""
        self.faults.update(type(strike.fault).__name__ for strike in world.strikes)
        self.totals["systems"] += 1
        self.totals["events"] += len(book.known)
        self.totals["bodies"] += world.ledger.bodies
        self.totals["handled"] += sum(how == "handled" for how in book.over.values())
        self.totals["discarded"] += sum(how == "discarded" for how in book.over.values())
        self.totals["crashes"] += world.machine.boots - 1
        self.totals["replayed"] += len(book.replayed)
        self.totals["windows"] += len(world.given.windows)
        self.totals["redriven"] += len(world.operator.redriven)

    def merge(self, other: EventCounts) -> None:
        """Add what another process has counted."""
        self.faults += other.faults
        self.totals += other.totals

    def text(self) -> str:
        """Return the counts."""
        told = ", ".join(f"{count:,} {name}" for name, count in self.totals.items())
        return f"events: {told}\n  faults {dict(self.faults.most_common())}"


def hold(
    scenario: EventScenario,
    counts: EventCounts | None = None,
    *,
    prepare: Callable[[EventWorld], object] | None = None,
    coverage: Coverage | None = None,
) -> None:
    """Run a scenario, and hold it against every promise. Raises Wrong."""
    world = EventWorld(scenario)
    book = Book(world)
    mail, gauge = MailBook(world, book), Gauge(world, book)
    try:
        with world:
            if prepare is not None:
                prepare(world)
            held(world, book, mail, gauge)
    finally:
        if coverage is not None:
            coverage.add(world.strikes)
    if counts is not None:
        counts.add(world, book)


def held(world: EventWorld, book: Book, mail: MailBook, gauge: Gauge) -> None:
    """Run a world until all is quiet, and again after an operator has mended what is dead."""
    try:
        settled(book, mail, gauge, world.run)
        world.operator.patience_ends()
        for _ in range(ROUNDS_MAX):
            if not mended(world, book, mail, gauge):
                break
    except Endless as endless:
        raise Wrong(3, str(endless)) from endless
    if book.dead:
        raise Wrong(8, f"{book.dead} are dead, however often they are mended")
    gauge.ended()


def mended(world: EventWorld, book: Book, mail: MailBook, gauge: Gauge) -> bool:
    """Let an operator mend what is dead, and all come to rest; return whether there was any."""
    operations = world.operations()
    assert operations is not None, "all is quiet"
    letters = operations.events.letters(limit=1000)
    book.listed(letters)
    for letter in letters:
        world.operator.redrive(operations, letter, mends=True)
    if letters:
        settled(book, mail, gauge, world.settle)
    return bool(letters)


def settled(
    book: Book, mail: MailBook, gauge: Gauge, run: Callable[[Callable[[], bool]], bool]
) -> None:
    """Run until all is quiet. Raises Wrong."""

    def left() -> list[str]:
        return [*book.unquiet(), *mail.unquiet(), *gauge.unquiet()]

    if not run(lambda: not left()):
        raise Wrong(3, f"it does not come to rest: {'; '.join(left()[:3])}")
    book.all_taken()
    mail.ended()


def trial(
    seed: int, kind: str, counts: EventCounts | None = None, coverage: Coverage | None = None
) -> None:
    """Draw and hold the scenario of a seed. Raises Wrong."""
    hold(draw(seed, kind), counts, coverage=coverage)
