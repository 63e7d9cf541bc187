"""What takes events at one store: it reads lanes in order, and keeps rows of what it cannot take.

A consumer has exactly one store; "is it the next?" is asked in the turn that writes (PROTOCOL,
rule 26).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from duetto.errors import DuettoError, NotAllowed
from duetto.kernel.windows import Span, least, useful
from duetto.model.event import END, Event, Held
from duetto.model.token import Error
from duetto.observer import LetterKept
from duetto.runtime.desk import Desk
from duetto.runtime.lane import Lane
from duetto.runtime.lanes import Lanes
from duetto.runtime.letters import Letters
from duetto.runtime.publishing import Publisher
from duetto.runtime.watermarks import Expected

REASON_MAX = 500
"""Characters of a reason that are kept."""


class Consumer:
    """The events of some topics, for a handler, a mailbox, or the start of runs."""

    makes: tuple[str, ...] = ()
    """The topics of what it makes of its events."""

    def __init__(
        self, desk: Desk, name: str, topics: Iterable[str], *, publisher: Publisher
    ) -> None:
        self.desk, self.name, self.topics = desk, name, frozenset(topics)
        self.publisher = publisher
        self.inputs: tuple[Expected, ...] = ()
        """Whose lanes say how far its topics have come, where that matters to it."""
        self.watermark: int | None = None
        """How far all that it takes has come, by what is done with."""
        self.spans: frozenset[Span] = frozenset()
        """Of the windows that its watermark makes due, here or further down."""
        self._passed: int | None = None
        self.lanes, self.letters = Lanes(desk, name), Letters(desk, name)
        self.lanes.caught_up = self.resume
        self.has_room: Callable[[], None] = _tell_nobody
        """Told when there is room again for what other stores publish."""
        self.is_behind = False
        """Whether events wait in the log that were not taken, as there was no room."""

    @property
    def idle(self) -> bool:
        """Whether nothing is in hand, or waits in memory."""
        return True

    def offer(self, event: Event) -> None:
        """Take an event if it is the next of its lane and there is room; else it is read later."""
        raise NotImplementedError

    def recover(self) -> None:
        """Take up what is held, and read on in every lane; then `resume` what was told of time."""
        self.read_on()

    def resume(self) -> None:
        """Go on with what is known of time, once everything is read on."""
        self.look()
        self.pass_on()

    def read_on(self) -> None:
        """Read on in every lane of this store's own log."""
        if self.desk.stopping or self.desk.failure is not None:
            return
        self.is_behind = False
        source = self.publisher.source
        for (topic, number), head in list(self.publisher.heads.items()):
            if topic in self.topics:
                self._read(self.lanes.of((source, topic, number)), head)
        self.has_room()

    def _read(self, lane: Lane, head: int) -> None:
        while lane.taken < head and not self.is_behind:
            _, topic, number = lane.key
            page = self.publisher.read(topic, number, lane.taken)
            if not page:
                return  # it is in the batch that is not committed yet, and told of then
            if page[0].seq > lane.taken + 1:
                self.lanes.skip_to(lane, page[0].seq)
            for event in page:
                self.offer(event)

    # -- watermarks

    def finish(self, lane: Lane, event: Event) -> None:
        """Write that an entry of a lane is done with, and how far its topic has come by it."""
        self.lanes.finish(lane, event.seq, event.mark)
        if event.mark is not None and (self.spans or event.mark == END):
            self.look()

    def look(self) -> None:
        """Find out how far all that it takes has come, as far as that is of use."""
        found = least(expected.of(self.lanes) for expected in self.inputs)
        found = None if found is None else useful(found, self.spans)
        if found is not None and (self.watermark is None or found > self.watermark):
            self.watermark = found

    def pass_on(self) -> None:
        """Tell who takes what it makes how far it has come (PROTOCOL, rule 36)."""
        if self.watermark is None or not self.makes or self._passed == self.watermark:
            return
        promise = self.promise(self.watermark)
        if promise is not None and (self._passed is None or promise > self._passed):
            self._passed = promise
            self.publisher.said(self.name, self.makes, promise)

    def promise(self, watermark: int) -> int | None:
        """Return how far what it makes has come, as its topics have come so far: what it still has
        in hand holds that back."""
        return watermark

    # -- dead letters

    def redrive(self, position: int, mended: bytes = b"") -> None:
        """Take a dead letter once more, with other data where that is given, in place (PROTOCOL,
        rule 31). Raises NotAllowed where it is not dead any more, ValueRefused for data that does
        not fit."""
        raise NotImplementedError

    def discard(self, position: int) -> None:
        """Give a dead letter up. Raises NotAllowed as `redrive`."""
        self.letters.remove(self.dead(position))

    def dead(self, position: int) -> Held:
        """Return a dead letter. Raises NotAllowed where it is not dead any more."""
        row = self.letters.get(position)
        if row is None or row.state != "dead":
            raise NotAllowed(
                f"The letter {position} of {self.name} is not dead.",
                found=row.state if row is not None else "no such letter",
                expected="a dead letter, which is redriven or discarded once",
                do="duetto deadletters list",
            )
        return row

    def bury(self, event: Event, reason: str) -> int:
        """Make an event a dead letter that nobody tries again; return its position."""
        position, now = self.letters.next_position(), self.desk.clock.now_ms()
        self.letters.put(Held(position, event, "dead", 0, 1, reason, since=now))
        self.note_letter(event, reason)
        return position

    def postpone(self, event: Event, reason: str) -> None:
        """Let an event wait for a deploy."""
        position, now = self.letters.next_position(), self.desk.clock.now_ms()
        self.letters.put(Held(position, event, "delayed", reason=reason, since=now))

    def reason(self, error: BaseException) -> str:
        """Return an error in a line."""
        return reason_of(error, self.desk.codec.error(error))

    def note_letter(self, event: Event, reason: str) -> None:
        """Tell of a dead letter once it is durable."""
        letter = LetterKept(self.name, event.name, reason)
        self.desk.after_commit(lambda: self.desk.observer.note(letter))


def _tell_nobody() -> None: ...


def unknown_version(topic: str, version: int) -> str:
    """Return why an event waits for a deploy (PROTOCOL, rule 30)."""
    return f"version {version} of {topic} is newer than is known here"


def reason_of(error: BaseException, told: Error) -> str:
    """Return an error in a line, with what was found where it is one of Duetto's own."""
    found = f" found {error.found}" if isinstance(error, DuettoError) and error.found else ""
    return f"{told.type}: {told.message}{found}"[:REASON_MAX]
