"""Guards of events: lanes, commits, letters and mailboxes, rules 18 and 24 to 39."""

from __future__ import annotations

import dataclasses
from typing import Any

from msgspec.structs import replace

from duetto.kernel.windows import Said, changed, folded
from duetto.model.event import Event, Held
from duetto.operations.events import EventOperations
from duetto.runtime.consumer import Consumer
from duetto.runtime.contributions import Contributions
from duetto.runtime.doubts import Doubts
from duetto.runtime.events import HostEvents
from duetto.runtime.lanes import Lanes
from duetto.runtime.letters import Letters
from duetto.runtime.mailboxes import Mail, Mailbox, is_new
from duetto.runtime.publishing import Origin, Publisher, origin_of
from duetto.runtime.reaction import Reaction
from duetto.runtime.reactions import Reactions
from duetto.runtime.replays import Replay, Replays
from duetto.runtime.starting import Starter
from duetto.runtime.watermarks import Expected
from tests.sabotage.switching import Guards

GUARDS = Guards()

FACTS, MAIL, WINDOWS = ("facts",), ("mailboxes",), ("windows",)

# -- delivery


@GUARDS.around(Lanes, "__init__", rule="24", kinds=FACTS)
def forever(original: Any, lanes: Any, *rest: Any) -> None:
    """A consumer forgets how far it has come when its process ends."""
    original(lanes, *rest)
    lanes._lanes.clear()


@GUARDS.around(Publisher, "__init__", rule="25", kinds=FACTS)
def commit_seq(original: Any, publisher: Publisher, desk: Any, *rest: Any) -> None:
    """An event is numbered by a sequence, which counts those too that were never committed."""
    original(publisher, desk, *rest)
    log: Any = desk.store.log
    log.sequence = getattr(log, "sequence", publisher.heads)
    publisher.heads = log.sequence


@GUARDS.around(Consumer, "read_on", rule="25", kinds=FACTS)
def unsent(original: Any, consumer: Consumer) -> None:
    """What was published before a process began is not read from the log."""
    if consumer.is_behind:
        original(consumer)


@GUARDS.around(Lanes, "finish", rule="26", kinds=FACTS)
def marked_with_it(original: Any, lanes: Any, *rest: Any) -> None:
    """A watermark is moved in a commit of its own, after the one that has what was done."""
    lanes._desk.after_commit(lambda: original(lanes, *rest))


@GUARDS.around(Doubts, "_submit", rule="27", kinds=FACTS)
def handled_after(original: Any, doubts: Any, reaction: Reaction) -> None:
    """A handler is called before what it follows from is durable."""
    doubts._desk.submit((reaction,))


@GUARDS.around(EventOperations, "publish", rule="27", kinds=FACTS)
async def acknowledged_after(original: Any, events: Any, value: object) -> str:
    """Who publishes an event is told so before it is durable."""
    return events._home.publisher.publish(value, Origin()).name


@GUARDS.around(Reactions, "_publish", rule="27", kinds=FACTS)
def published_with_it(original: Any, reactions: Reactions, reaction: Reaction, result: Any) -> None:
    """What a handler publishes is written after the commit that has its event behind it."""
    reactions.desk.after_commit(lambda: original(reactions, reaction, result))


# -- failures


@GUARDS.around(Letters, "put", rule="30", kinds=FACTS)
def row_with_it(original: Any, letters: Any, row: Held) -> None:
    """What failed is kept as a row after the commit that moves the watermark."""
    letters._remember(row)
    letters._desk.after_commit(lambda: letters.get(row.position) and original(letters, row))


@GUARDS.around(Letters, "first", rule="30", kinds=FACTS)
def hold(original: Any, letters: Letters, key: str) -> Held | None:
    """Nothing is held back behind what has failed."""
    return None


@GUARDS.around(Letters, "first", rule="30", kinds=FACTS)
def hold_retry(original: Any, letters: Letters, key: str) -> Held | None:
    """Later events of a key are held back behind a dead letter only, not while one is retried."""
    row = original(letters, key)
    return row if row is not None and row.state == "dead" else None


@GUARDS.around(Reactions, "_put_behind", rule="30", kinds=FACTS)
def waiting_behind(original: Any, reactions: Any, event: Event, lane: Any) -> None:
    """What waits in memory behind an event that fails goes on without it."""
    reactions.queued += 1
    reactions._begin(event, lane, None)


@GUARDS.around(Reactions, "redrive", rule="31", kinds=FACTS)
def in_place(original: Any, reactions: Reactions, position: int, mended: bytes = b"") -> None:
    """A redriven letter is published once more."""
    row = reactions.dead(position)
    reactions.letters.remove(row)
    value = reactions.kinds.load(row.event, mended)
    reactions.publisher.publish(value, origin_of(row.event))


@GUARDS.around(Consumer, "dead", rule="31", kinds=FACTS)
def redrive_once(original: Any, consumer: Consumer, position: int) -> Held:
    """A letter is redriven or given up, whether it is dead or not."""
    return consumer.letters.get(position) or original(consumer, position)


@GUARDS.around(Doubts, "count", rule="32", kinds=FACTS)
def suspect(original: Any, doubts: Doubts) -> None:
    """Deaths are not counted: an event that kills its process does so for ever."""


@GUARDS.around(Reactions, "_refill", rule="33", kinds=FACTS)
def room_again(original: Any, reactions: Reactions) -> None:
    """A handler that has paused, as there was no room, does not go on once there is."""


# -- windows


@GUARDS.around(Reactions, "_origin", rule="34", kinds=WINDOWS)
def origin_late(original: Any, reactions: Reactions, reaction: Reaction) -> Origin:
    """What is made of an event is stamped anew, where it is made."""
    return replace(original(reactions, reaction), stamp=None)


@GUARDS.around(Contributions, "show", rule="35", kinds=WINDOWS)
def keep(original: Any, kept: Any, place: Any, made: Any) -> None:
    """What a window is made of is dropped as it is shown."""
    original(kept, place, made)
    prefix = kept._prefix(place)
    for name, _ in kept._desk.rows(prefix):
        kept.remove(place, name.removeprefix(prefix))


@GUARDS.everywhere(changed, rule="35", kinds=WINDOWS)
def first_row(original: Any, said: Said, kept: Said | None, **how: bool) -> tuple[int, ...]:
    """Of two with one id the first to arrive counts."""
    return () if kept is not None else (said.start,)


@GUARDS.everywhere(folded, rule="35", kinds=WINDOWS)
def canonical(original: Any, contributions: Any) -> list[Any]:
    """Windows are folded in the order of ids, not of positions."""
    return [given for _, given in contributions]


@GUARDS.around(Expected, "of", rule="36", kinds=WINDOWS)
def min_inputs(original: Any, expected: Expected, lanes: Lanes) -> int | None:
    """The furthest of several lanes says how far a topic has come."""
    marks = [lane.mark for lane in lanes if lane.key[1] == expected.topic]
    return max((mark for mark in marks if mark is not None), default=None)


@GUARDS.around(Reactions, "promise", rule="36", kinds=WINDOWS)
def retry_holds(original: Any, reactions: Reactions, watermark: int) -> int | None:
    """What a handler has in hand, or tries again, does not hold its watermark back."""
    return watermark


@GUARDS.around(Publisher, "end", rule="36", kinds=WINDOWS)
def end(original: Any, publisher: Publisher, topic: str) -> None:
    """The end of an input is not written into its lanes."""


@GUARDS.around(Lanes, "finish", rule="36", kinds=WINDOWS)
def mark_kept(original: Any, lanes: Lanes, lane: Any, seq: int, mark: int | None) -> None:
    """How far a lane has come is not noted with it."""
    original(lanes, lane, seq, None)


# -- replay


@GUARDS.around(Reactions, "_publish", rule="38", kinds=FACTS)
def replay_private(original: Any, reactions: Reactions, reaction: Reaction, result: Any) -> None:
    """What is handled once more publishes again, though nobody asked for that."""
    held = reaction.held
    reaction.held = replace(held, silent=False) if held is not None else None
    original(reactions, reaction, result)
    reaction.held = held


@GUARDS.around(Reactions, "_replay_on", rule="38", kinds=FACTS)
def replay_order(original: Any, reactions: Any) -> None:
    """What is handled once more is taken up as it is put, whatever of its key is before it."""
    letters: Any = reactions.letters

    def first(key: str) -> None:
        return None

    letters.first = first
    try:
        original(reactions)
    finally:
        del letters.first


@GUARDS.around(Replays, "page", rule="38", kinds=FACTS)
def replay_named(original: Any, replays: Replays, limit: int) -> list[Held]:
    """A row of a replay is named as the event is."""
    return [replace(row, replay="") for row in original(replays, limit)]


@GUARDS.around(Replays, "_put", rule="38", kinds=FACTS)
def replay_goes_on(original: Any, replays: Any, replay: Replay) -> None:
    """How far a replay has come is written after the rows that it has put."""
    replays._replay = replay
    replays._desk.after_commit(lambda: original(replays, replay))


# -- runs


@GUARDS.around(Mailbox, "_oldest", rule="39", kinds=MAIL)
def oldest_event(original: Any, mailbox: Any, key: str | None, token: Any) -> Mail | None:
    """The newest event is received first."""
    original(mailbox, key, token)
    positions = mailbox._mail if key is None else mailbox._keys.get(key)
    return mailbox._mail[list(positions)[-1]] if positions else None


@GUARDS.around(Mailbox, "_first", rule="39", kinds=MAIL)
def oldest_listener(original: Any, mailbox: Any, wanted: str | None) -> Any:
    """Who has waited for the shortest time is served first."""
    waiting: dict[Any, int] = mailbox._listeners.get(wanted) or {}
    return [(listener, -number) for listener, number in list(waiting.items())[-1:]]


@GUARDS.around(HostEvents, "_listen_in_order", rule="39", kinds=MAIL)
def oldest_after_a_death(original: Any, events: Any) -> None:
    """After a restart who waits is served in the order of the runs."""
    recovered, events._recovered = events._recovered, None
    for run, token in recovered or ():
        events.listen(run, token)


@GUARDS.around(Mailbox, "_give", rule="39", kinds=MAIL)
def atomic_take(original: Any, mailbox: Mailbox, run: Any, token: Any, event: Event) -> None:
    """An event is received after the commit that takes it from its mailbox."""

    def later() -> None:
        if run.tokens.get(token.path) is token:
            original(mailbox, run, token, event)

    mailbox.desk.after_commit(later)


@GUARDS.around(Mailbox, "take", rule="18", kinds=MAIL)
def kept_from_arrival(original: Any, mailbox: Any, event: Event) -> None:
    """An event is kept from when it was published, not from when it arrived."""
    clock, now = mailbox.desk.clock, mailbox.desk.clock.now_ms
    clock.now_ms = lambda: event.at
    try:
        original(mailbox, event)
    finally:
        clock.now_ms = now


@GUARDS.around(Mailbox, "sweep", rule="18", kinds=MAIL)
def kept_for_its_time(original: Any, mailbox: Any) -> int:
    """An event that nobody waits for is dropped at the next sweep."""
    kind = mailbox.kind
    mailbox.kind = replace(kind, declared=short(kind.declared))
    try:
        return original(mailbox)
    finally:
        mailbox.kind = kind


@GUARDS.everywhere(is_new, rule="18", kinds=MAIL)
def cursor(original: Any, token: Any, event: Event) -> bool:
    """A run does not know what it has received of what all receive."""
    return True


@GUARDS.around(Starter, "take", rule="18", kinds=MAIL)
def start_consumes(original: Any, starter: Any, event: Event) -> None:
    """The event that starts a run does not count as received by it."""
    kind = starter.kind
    starter.kind = replace(kind, declared=dataclasses.replace(kind.declared, to_all=False))
    try:
        original(starter, event)
    finally:
        starter.kind = kind


def short(declared: Any) -> Any:
    """Return an event type that is not kept."""
    return dataclasses.replace(declared, kept_s=0.0)
