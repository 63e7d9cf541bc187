"""What has become durable of events, commit by commit, held against what was promised.

It is read from the rows of the store and the ledger of bodies alone; nothing of the runtime is
asked. What an event is answered with is known beforehand, so each commit is told right or wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from duetto.model.event import Event, Held
from duetto.runtime.replays import Replay
from duetto.store import Batch, unseal
from duetto.testing.simulation.events import CODEC, Body, EventWorld, answers
from duetto.testing.simulation.events.kinds import CLASSES, MAILBOXES, Fact
from duetto.testing.simulation.events.operators import Letter
from duetto.testing.simulation.events.scenario import Listening
from duetto.testing.simulation.events.services import ATTEMPTS_MAX
from tests.simulation.reference import Wrong

MARKS_MAX = 3
"""Deaths with an event in hand alone that make it a dead letter (PROTOCOL, rule 32)."""

PLANS = {topic: CODEC.plan_for(cls) for topic, cls in CLASSES.items()}
event_of = msgspec.msgpack.Decoder(Event).decode
held_of = msgspec.msgpack.Decoder(Held).decode
replay_of = msgspec.msgpack.Decoder(Replay).decode
mark_of = msgspec.msgpack.Decoder(tuple[int, list[int], int | None]).decode

LaneKey = tuple[str, int]
Taking = tuple[str, str]
"""A consumer, and the name of an event; of a replay, `name!number`."""


def event_named(name: str) -> str:
    """Return the name of the event of a taking."""
    return name.partition("!")[0]


class Known(Struct, frozen=True, eq=False):
    """An event that is durable."""

    event: Event
    fact: Fact

    @property
    def lane(self) -> LaneKey:
        """Its topic, and the number of its lane."""
        return self.event.topic, self.event.lane


class Book:
    """The events of one world, and what became of each at each who listens."""

    def __init__(self, world: EventWorld) -> None:
        self.world = world
        self.known: dict[str, Known] = {}
        self.named: dict[str, Known] = {}
        """By the name that outsiders gave, or that says what it answers."""
        self.lanes: dict[LaneKey, list[Known]] = {}
        self.listening: dict[str, Listening] = {
            each.qualified: each for each in world.given.handlers
        }
        self.consumers: dict[str, tuple[str, ...]] = {
            **{name: each.topics for name, each in self.listening.items()},
            **{f"@mailbox.{topic}": (topic,) for topic in MAILBOXES},
            "@start.kindle": ("Spark",),
            "@start.chime": ("Bell",),
            **{each.qualified: (each.topic,) for each in world.given.windows},
        }
        self.done: dict[tuple[str, LaneKey], set[int]] = {}
        """What each consumer has behind it, of each lane: handled, or kept as a row of its own."""
        self.held: dict[Letter, Held] = {}
        self.replays: dict[str, Replay] = {}
        self.replayed: set[Taking] = set()
        """What is to be handled once more."""
        self.over: dict[Taking, str] = {}
        """What is over for good: `handled` or `discarded`."""
        self.latest: list[Taking] = []
        """What the last commit put behind its consumers."""
        self.marks: set[str] = set()
        """By idempotency key: what is in hand alone, as it may be what kills."""
        self.blamed: Counter[str] = Counter()
        """How often its process died with a mark at an event."""
        self._boots = 0
        world.on_commit.append(self.committed)
        world.ledger.on_begin = self.begun
        world.on_publish = self.acknowledged

    # -- reading

    def data(self, consumer: str, name: str) -> Fact:
        """Return an event as a handler has it, mended where it was."""
        row = self.row(consumer, name)
        known = self.known[event_named(name)]
        return PLANS[known.event.topic].decode(row.mended) if row and row.mended else known.fact

    def row(self, consumer: str, name: str) -> Held | None:
        """Return the row by which an event is held."""
        for letter, row in self.held.items():
            if letter.handler == consumer and row.name == name:
                return row
        return None

    def ahead(self, consumer: str, name: str) -> Iterator[Held]:
        """Yield the rows that an ordered handler has to be done with before one event."""
        listening, own = self.listening[consumer], self.row(consumer, name)
        key = self.known[event_named(name)].event.key
        for letter, row in self.held.items():
            is_before = own is None or row.position < own.position
            same = letter.handler == consumer and row.event.key == key
            if listening.ordered and key and same and is_before and row is not own:
                yield row

    def earlier(self, consumer: str, known: Known) -> Iterator[Known]:
        """Yield the events of the lane and key that an ordered handler has to take before one."""
        listening = self.listening.get(consumer)
        if listening is not None and listening.ordered and known.event.key:
            # Of a replay the rows say what comes first.
            for each in self.lanes[known.lane][: known.event.seq - 1]:
                if each.event.key == known.event.key:
                    yield each

    @property
    def dead(self) -> set[Letter]:
        """The letters that are dead."""
        return {letter for letter, row in self.held.items() if row.state == "dead"}

    # -- what bodies do

    def begun(self, key: str, body: Body) -> None:
        """Hold a body that begins against what is durable."""
        handler, name = body.handler, body.name
        known = self.known.get(event_named(name))
        if known is None:
            raise Wrong(7, f"{handler} handles {name}, and its publication is not durable")
        if (handler, name) in self.over:
            raise Wrong(2, f"{handler} handles {name} again: it was {self.over[handler, name]}")
        if body.attempt > ATTEMPTS_MAX:
            raise Wrong(8, f"{handler} tries {name} once more: it has failed for good")
        row = self.row(handler, name)
        if row is not None and row.state == "dead":
            raise Wrong(8, f"{handler} handles {name}, which is a dead letter")
        if (given := self.data(handler, name)) != body.fact:
            raise Wrong(8, f"{handler} handles {body.fact}, in place of {given}")
        for row in self.ahead(handler, name):
            raise Wrong(6, f"{handler} handles {name} before {row.name}, of its key")
        for each in self.earlier(handler, known):
            if (handler, each.event.name) not in self.over:
                raise Wrong(6, f"{handler} handles {name} before {each.event.name}, of its key")
        listening = self.listening[handler]
        for other in self.world.ledger.running.values():
            same = (
                other.handler == handler
                and self.known[event_named(other.name)].event.key == known.event.key
            )
            if same and listening.ordered and known.event.key:
                raise Wrong(6, f"{handler} handles {name} beside {other.name}, of its key")

    def acknowledged(self, name: str) -> None:
        """Hold an acknowledgement against what is durable."""
        if name not in self.named:
            raise Wrong(7, f"the publication of {name} was acknowledged, and is not durable")

    # -- what is committed

    def committed(self, batch: Batch) -> None:
        """Take in what has become durable, and hold it against what may."""
        self._marked(batch)
        self._replayed(batch)
        fresh = [each for *_, sealed in batch.events if (each := self._published(sealed))]
        self.latest = list(self._finished(batch))
        handled = self._rows(batch, self.latest)
        answered: dict[str, str] = {}
        for consumer, name in handled:
            if consumer in self.listening:
                for fact in self._handled(consumer, name):
                    answered[fact.name] = name
        self._hold_answers(batch, fresh, answered)

    def _marked(self, batch: Batch) -> None:
        """Take in which events are in hand alone, and which were when a process died."""
        if self.world.machine.boots != self._boots:
            self._boots = self.world.machine.boots
            self.blamed.update(self.marks)
        for name, sealed in batch.state.items():
            if name.startswith("mark/"):
                key = name.removeprefix("mark/").replace("/", ":", 1)
                (self.marks.discard if sealed is None else self.marks.add)(key)

    def _replayed(self, batch: Batch) -> None:
        """Take in which events are to be handled once more."""
        for name, sealed in batch.state.items():
            if not name.startswith("replay/") or sealed is None:
                continue
            handler, replay = name.removeprefix("replay/"), replay_of(unseal(sealed))
            before = self.replays.get(handler)
            self.replays[handler] = replay
            if before is not None and before.number == replay.number:
                continue
            if before is not None and before.spans:
                raise Wrong(8, f"{replay} begins, and {before} is not done")
            for row in self._put_at_once(batch, handler, replay):
                self.replayed.add((handler, row.name))
            for span in replay.spans:
                for known in self.lanes[span.topic, span.number][: span.last]:
                    asked = replay.picked.key in ("", known.event.key)
                    if asked and not known.event.is_mark:
                        self.replayed.add((handler, f"{known.event.name}!{replay.number}"))

    def _put_at_once(self, batch: Batch, handler: str, replay: Replay) -> Iterator[Held]:
        """Yield the rows that a replay has put in the commit with which it begins."""
        for name, sealed in batch.state.items():
            if sealed is not None and name.startswith(f"held/{handler}/"):
                row = held_of(unseal(sealed))
                is_behind = (handler, row.event.name) in self.over or any(
                    letter.handler == handler and kept.event.name == row.event.name
                    for letter, kept in self.held.items()
                )
                is_asked = replay.picked.key in ("", row.event.key)
                if row.replay == str(replay.number) and is_behind and is_asked:
                    yield row

    def _published(self, sealed: bytes) -> Known | None:
        """Take in an entry of a lane; return it where it is an event and no mark."""
        event = event_of(unseal(sealed))
        fact = Fact("", "") if event.is_mark else PLANS[event.topic].decode(event.data)
        known = Known(event, fact)
        lane = self.lanes.setdefault(known.lane, [])
        if event.seq != len(lane) + 1:
            raise Wrong(8, f"{event.name} follows {len(lane)}: who reads in order is stuck")
        lane.append(known)
        if event.is_mark:
            return None
        if known.fact.name in self.named:
            raise Wrong(7, f"{known.fact.name} was published twice")
        self.known[event.name] = self.named[known.fact.name] = known
        return known

    def _finished(self, batch: Batch) -> Iterator[Taking]:
        """Yield what consumers have behind them from now on."""
        for name, sealed in batch.state.items():
            if name.startswith("next/") and sealed is not None:
                _, consumer, _, topic, number = name.split("/")
                lane = (topic, int(number))
                watermark, above, _ = mark_of(unseal(sealed))
                now = {*range(1, watermark + 1), *above}
                before = self.done.get((consumer, lane), set())
                if before - now:
                    raise Wrong(6, f"{consumer} forgets {before - now} of {lane}")
                self.done[consumer, lane] = now
                for seq in sorted(now - before):
                    event = self.lanes[lane][seq - 1].event
                    if not event.is_mark:
                        yield consumer, event.name

    def _rows(self, batch: Batch, finished: list[Taking]) -> list[Taking]:
        """Take in the rows of a commit; return what was handled by it."""
        news, gone = set(finished), list[tuple[Letter, Held | None]]()
        for name, sealed in batch.state.items():
            if not name.startswith("held/"):
                continue
            _, handler, position = name.split("/")
            letter = Letter(handler, int(position))
            before = self.held.get(letter)
            if sealed is None:
                self.held.pop(letter, None)
                gone.append((letter, before))
                continue
            row = held_of(unseal(sealed))
            taking = (handler, row.name)
            if before is None and row.replay:
                self._hold_replayed(taking)
            elif before is None and taking not in news:
                raise Wrong(6, f"{taking} is kept, and was behind already")
            news.discard(taking)
            self._changed(letter, before, row)
            self.held[letter] = row
        for letter, before in gone:
            # Given up before it was written, both are one commit.
            name = self.world.operator.discarded.get(letter)
            if before is None and name is not None:
                news.discard((letter.handler, name))
                self._end((letter.handler, name), "discarded")
        return [*self._over(news), *self._left(gone)]

    def _left(self, gone: list[tuple[Letter, Held | None]]) -> Iterator[Taking]:
        """Yield what was handled of rows that are gone; the others were given up."""
        for letter, row in gone:
            if row is None:
                continue  # it came and went in one commit
            taking = (letter.handler, row.name)
            if row.state == "dead" and self._is_taken_in_place(letter):
                self._end(taking, "handled")
            elif row.state == "dead":
                if letter not in self.world.operator.discarded:
                    raise Wrong(8, f"the dead letter {taking} is gone, and nobody gave it up")
                self._end(taking, "discarded")
            else:
                yield from self._over({taking})

    def _is_taken_in_place(self, letter: Letter) -> bool:
        """Return whether a letter of windows was redriven: that needs no attempt."""
        operator = self.world.operator
        is_mended = letter in operator.redriven and letter not in operator.discarded
        return letter.handler in self.world.windows and is_mended

    def _over(self, takings: set[Taking]) -> Iterator[Taking]:
        for taking in sorted(takings, key=self._place):
            self._end(taking, "handled")
            yield taking

    def _place(self, taking: Taking) -> tuple[str, str, int, int]:
        event = self.known[event_named(taking[1])].event
        return taking[0], event.topic, event.lane, event.seq

    def _end(self, taking: Taking, how: str) -> None:
        if taking in self.over:
            raise Wrong(6, f"{taking} is {how}, and was {self.over[taking]} before")
        self.over[taking] = how

    def _hold_replayed(self, taking: Taking) -> None:
        """A row of a replay is asked for, and is put once."""
        rows = [(letter.handler, row.name) for letter, row in self.held.items()]
        if taking not in self.replayed:
            raise Wrong(8, f"{taking} is kept, and nobody asked for it once more")
        if taking in self.over or taking in rows:
            raise Wrong(2, f"{taking} is put twice into the rows of its handler")

    def _changed(self, letter: Letter, before: Held | None, row: Held) -> None:
        """Hold a row against its cause."""
        taking = (letter.handler, row.name)
        revived = before is not None and before.state == "dead" and row.state != "dead"
        if revived and letter not in self.world.operator.redriven:
            raise Wrong(8, f"{taking} was dead, is {row.state}, and nobody redrove it")
        if row.mended and row.mended != (before.mended if before else b""):
            self._hold_mended(letter, row)
        if row.state == "dead" and (before is None or before.state != "dead"):
            self._hold_dead(taking, row)

    def _hold_mended(self, letter: Letter, row: Held) -> None:
        given = self.world.operator.redriven.get(letter, [])
        kind = CLASSES[row.event.topic]
        fact = PLANS[row.event.topic].decode(row.mended)
        if fact not in [msgspec.json.decode(data, type=kind) for data in given if data]:
            raise Wrong(8, f"{letter} is mended with {fact}, which nobody gave")

    def _hold_dead(self, taking: Taking, row: Held) -> None:
        """A letter dies of a body that failed for good, or that killed its process."""
        if taking[0] in self.world.windows:
            return  # what is late is no error of a body
        key = f"{taking[0]}:{taking[1]}"
        ledger = self.world.ledger
        last = next(reversed(ledger.ended.get(key, [])), None)
        given = PLANS[row.event.topic].decode(row.mended or row.event.data)
        failed = last is not None and bool(last.how) and last.fact == given
        for_good = last is not None and (last.how == "ValueError" or last.attempt >= ATTEMPTS_MAX)
        if (failed and for_good) or self.blamed[key] >= MARKS_MAX:
            return
        raise Wrong(8, f"{taking} is dead ({row.reason}), and its body did not fail for good")

    def _handled(self, consumer: str, name: str) -> list[Fact]:
        """Hold what was handled against its body; return the answers."""
        known, ledger = self.known[event_named(name)], self.world.ledger
        ended = ledger.ended.get(f"{consumer}:{name}", [])
        done = next((body for body in reversed(ended) if not body.how), None)
        if done is None:
            raise Wrong(2, f"{consumer} has handled {name}, and no body of it came to its end")
        for each in self.earlier(consumer, known):
            if (consumer, each.event.name) not in self.over:
                raise Wrong(6, f"{consumer} has handled {name} before {each.event.name}")
        if (consumer, name) in self.replayed:
            return []  # who listens has had it
        return answers(self.listening[consumer], done.fact)

    def _hold_answers(self, batch: Batch, fresh: list[Known], answered: dict[str, str]) -> None:
        """What is published is what was answered, all of it, or comes from outside or a run."""
        for name in answered:
            if name not in self.named:
                raise Wrong(7, f"{name} was not published, and what it answers is handled")
        for known in fresh:
            name, causation = known.fact.name, known.event.causation
            if known.event.by in self.world.windows:
                continue  # the gauge has them
            if name in answered:
                if causation != answered[name]:
                    raise Wrong(7, f"{name} follows from {causation}, it says")
            elif not causation:
                if name not in self.world.handed:
                    raise Wrong(7, f"{name} was published by nobody")
            elif causation in self.known:
                raise Wrong(7, f"{name} is published, and {causation} is not handled with it")
            elif not batch.journal:
                raise Wrong(7, f"{name} is emitted, and its run does not move with it")

    # -- in the end

    def unquiet(self) -> Iterator[str]:
        """Yield what is still to be done: every watermark is at its head, or no row is to be tried
        again."""
        yield from (f"{key} is in hand" for key in self.world.ledger.running)
        for consumer, topics in self.consumers.items():
            for lane, known in self.lanes.items():
                if lane[0] in topics and not self.is_paused(consumer):
                    done = self.done.get((consumer, lane), set())
                    if len(done) < len(known):
                        yield f"{consumer} has {sorted(done)} of {len(known)} of {lane}"
        for handler, replay in self.replays.items():
            if replay.spans and not self.is_paused(handler):
                yield f"{handler} has still to replay {replay.spans}"
        for letter, row in self.held.items():
            if row.state in ("ready", "delayed"):
                yield f"{letter} is {row.state}: {row.reason}"
            elif row.state == "behind" and not self._is_blocked(letter, row):
                yield f"{letter} is behind nothing"

    def _is_blocked(self, letter: Letter, row: Held) -> bool:
        return any(
            other.handler == letter.handler
            and other.position < letter.position
            and each.event.key == row.event.key
            and each.state == "dead"
            for other, each in self.held.items()
        )

    def is_paused(self, consumer: str) -> bool:
        """Return whether a handler holds as many rows as it may (PROTOCOL, rule 33)."""
        room = self.world.given.room
        rows = sum(letter.handler == consumer for letter in self.held)
        return consumer in self.listening and 0 < room <= rows

    def all_taken(self) -> None:
        """Every event is over or held, for all who listen and have room. Raises Wrong."""
        rows = {(letter.handler, row.name) for letter, row in self.held.items()}
        for taking in self.replayed:
            if taking not in self.over and taking not in rows and not self.is_paused(taking[0]):
                raise Wrong(8, f"{taking} was to be handled once more, and is not")
        for name, known in self.known.items():
            for consumer, topics in self.consumers.items():
                taking = (consumer, name)
                if known.event.topic not in topics:
                    continue
                is_over, is_held = taking in self.over, taking in rows
                if (is_over and is_held) or not (is_over or is_held or self.is_paused(consumer)):
                    raise Wrong(8, f"{taking} is {self.over.get(taking, 'lost')}")

    def listed(self, views: list[Any]) -> None:
        """What operators are shown is what is dead. Raises Wrong."""
        shown = {Letter(view.handler, view.position) for view in views}
        if shown != self.dead:
            raise Wrong(8, f"dead letters {self.dead}, and {shown} are listed")
