"""Guards of what passes between stores, and of commits: rules 1 to 4, 7, 16, 17, and 20 to 22."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from msgspec.structs import replace

from duetto.kernel import advance as advancing
from duetto.kernel.fold import RunState, Table
from duetto.kernel.walk import Walk
from duetto.model.definition import Task
from duetto.model.effect import Begin
from duetto.model.message import Answer, Command, Message
from duetto.model.token import OnTask, OnUndo, Token
from duetto.runtime import exchange as exchanging
from duetto.runtime.attempt import Attempt
from duetto.runtime.attempts import Attempts
from duetto.runtime.commands import Commands
from duetto.runtime.desk import Desk
from duetto.runtime.exchange import Exchange
from duetto.runtime.host import Host
from duetto.runtime.timers import Timers
from tests.sabotage.switching import Guards, around, instead

GUARDS = Guards()

# -- identity


@GUARDS.around(advancing, "_begin", rule="2")
def obey(original: Any, walk: Walk, begun: bool) -> None:
    """Who receives a token asks its own placement where it belongs."""
    original(walk, begun)
    node = walk.linked.node
    if isinstance(walk.rest, OnTask) and isinstance(node, Task):
        walk.move(walk.placement.of(node.task))


@GUARDS.around(Host, "ended", rule="2")
def reply(original: Any, host: Host, run: RunState, token: Token, *rest: Any) -> None:
    """A report goes where today's placement would have its parent, not where it rests."""
    parent = host.placement.of(next(iter(host.tasks)))
    original(host, run, replace(token, reply_to=parent), *rest)


@GUARDS.around(Walk, "move", rule="3")
def hop(original: Any, walk: Walk, participant: str) -> None:
    """A message is named by its step: a token that unwinds looks like its own duplicate."""
    if participant != walk.at:
        original(walk, participant)
        walk.hop = walk.step


@GUARDS.around(Exchange, "_arrived", rule="3")
def inbox(original: Any, exchange: Exchange, run: RunState, message: Any, token: Token, told: Any):
    """A duplicate of an arrival is taken for another arrival."""
    run.hops.pop(token.path, None)
    original(exchange, run, message, token, told)


@GUARDS.around(Exchange, "_answered", rule="3")
def answer_of_step(original: Any, exchange: Exchange, run: RunState, answer: Answer) -> None:
    """An answer is taken for whatever its token waits for now."""
    token = run.tokens.get(answer.token)
    if token is not None and not answer.undo:
        answer = replace(answer, step=token.step)
    original(exchange, run, answer)


@GUARDS.around(Exchange, "_answered", rule="3")
def undone_of_entry(original: Any, exchange: Exchange, run: RunState, answer: Answer) -> None:
    """That an entry is undone is taken for whatever its token undoes now."""
    token = run.tokens.get(answer.token)
    if token is not None and answer.undo and isinstance(token.rest, OnUndo):
        entry = token.rest.entry
        answer = replace(answer, path=entry.path, step=entry.step)
    original(exchange, run, answer)


@GUARDS.around(Commands, "came", rule="4")
def closed_key(original: Any, commands: Commands, run: RunState, *rest: Any) -> None:
    """A command whose key has ended is run once more."""
    command = rest[1]
    run.keys.pop((command.path, command.step, command.undo), None)
    original(commands, run, *rest)


@GUARDS.around(Attempt, "context", rule="4")
def key_without_attempt(original: Any, attempt: Attempt) -> Any:
    """The idempotency key of a task has the number of its attempt in it."""
    asked = original(attempt)
    if not asked.key.endswith(f":{attempt.number}") and not attempt.undo:
        asked.key = f"{asked.key}:{attempt.number}"
    return asked


@GUARDS.around(Commands, "came", rule="4")
def one_at_a_time(
    original: Any, commands: Commands, run: RunState, message: Any, command: Command, told: Any
) -> None:
    """A command that comes again while its task runs is run beside it."""
    key = (command.path, command.step, command.undo)
    run.commands.pop(key, None)
    commands.attempts.running.pop((run.id, *key[:2]), None)
    held = commands.held.pop((run.id, *key), None)
    original(commands, run, message, command, told)
    if held is not None:
        told()


@GUARDS.around(Commands, "execute", rule="4")
def command_deadline(original: Any, commands: Commands, run: RunState, message: Any, command: Any):
    """A command that comes after its deadline is run."""
    original(commands, run, message, replace(command, deadline=0))


# -- interrupted on arrival


@GUARDS.switch(rule="7")
def addressed() -> Generator[None]:
    """A token that is interrupted on arrival at its task has never begun it."""

    def never_begun(begun: bool) -> Begin:
        return Begin(False)

    with instead(exchanging, "Begin", never_begun):
        yield


@GUARDS.around(Exchange, "_arrived", rule="17")
def checked_on_arrival(original: Any, exchange: Exchange, *rest: Any) -> None:
    """A token whose deadline has passed begins its task when it arrives."""

    def uninterrupted(original: Any, walk: Walk, *, begun: bool = True) -> None: ...

    with around(advancing, "_interrupt", uninterrupted)():
        original(exchange, *rest)


# -- cancels and deadlines that travel


@GUARDS.around(Host, "cancel", rule="16")
def trail(original: Any, host: Host, run: RunState, path: str) -> None:
    """A cancel does not follow its token."""
    went = run.away.pop(path, None)
    original(host, run, path)
    if went is not None:
        run.away.setdefault(path, went)


class Forgetful(set[str]):
    """Keeps nothing."""

    def add(self, element: str) -> None: ...


@GUARDS.around(Table, "__get__", rule="16")
def tombstone(original: Any, table: Table[Any], run: RunState, owner: type) -> Any:
    """That a path was cancelled is forgotten where its token is not."""
    if table.name == "tombs":
        return run.made.setdefault("tombs", Forgetful())
    return original(table, run, owner)


@GUARDS.around(Host, "cancel", rule="16")
def held_commit(original: Any, host: Host, run: RunState, path: str) -> None:
    """A cancel passes by a token that is held in memory, its arrival not written yet."""
    token = run.tokens.get(path)
    if (run.id, path) not in host.held or token is None:
        original(host, run, path)
        return
    del run.tokens[path]
    original(host, run, path)
    run.tokens[path] = token


@GUARDS.around(Host, "cancel", rule="16")
def cancel_once(original: Any, host: Host, run: RunState, path: str) -> None:
    """A cancel that comes again is followed again."""
    run.tombs.discard(path)
    original(host, run, path)


@GUARDS.around(Exchange, "_arrived", rule="17")
def timer_travels(original: Any, exchange: Exchange, *rest: Any) -> None:
    """A deadline's timer is armed where its scope was entered, not where its token arrives."""

    def unarmed(timers: Timers, *due: Any) -> None: ...

    with instead(Timers, "arm", unarmed):
        original(exchange, *rest)


@GUARDS.around(Exchange, "_arrived", rule="17")
def absolute_deadline(
    original: Any, exchange: Exchange, run: RunState, message: Message, token: Token, told: Any
) -> None:
    """The time that a token is under way does not count for its deadlines."""
    late = max(0, exchange.desk.clock.now_ms() - message.sent)
    frames = tuple(
        replace(frame, deadline=frame.deadline + late) if frame.deadline else frame
        for frame in token.frames
    )
    original(exchange, run, message, replace(token, frames=frames), told)


# -- clean-up


@GUARDS.around(Exchange, "ask_homes", rule="20")
def guests_ask(original: Any, exchange: Exchange) -> None:
    """A guest never asks whether its run is closed."""


# -- what a broker loses


@GUARDS.around(Exchange, "_resend", rule="21")
def sent_again(original: Any, exchange: Exchange) -> None:
    """A message is sent once."""


@GUARDS.around(Exchange, "publish", rule="21")
def until_confirmed(original: Any, exchange: Exchange, message: Message) -> None:
    """A message counts as received once the broker has it."""
    original(exchange, message)
    exchange.unconfirmed.clear()


@GUARDS.around(RunState, "peek", rule="21")
def sent_after_death(original: Any, run: RunState, table: str) -> Any:
    """What was sent and not confirmed is not sent again by the next process."""
    return {} if table in ("sent", "away") else original(run, table)


# -- nothing leaves before its commit


@GUARDS.around(Exchange, "receive", rule="commit")
def acknowledge_after(original: Any, exchange: Exchange, message: Message, acknowledge: Any):
    """A message is acknowledged before what it changes is durable."""
    if not exchange.desk.stopping and exchange.desk.failure is None:
        acknowledge()
    original(exchange, message, acknowledge)


@GUARDS.around(Exchange, "send", rule="commit")
def publish_after(original: Any, exchange: Exchange, run: RunState, message: Message) -> None:
    """A message leaves before its record is durable."""
    exchange.publish(message)


@GUARDS.around(Attempts, "invoke", rule="commit")
def call_after(original: Any, attempts: Attempts, attempt: Attempt) -> None:
    """A task is called before what it follows from is durable."""
    original(attempts, attempt)
    attempts.desk.invocations.remove(attempt)
    attempts.desk.submit((attempt,))


@GUARDS.around(Desk, "write_held", rule="commit")
def arrival_first(original: Any, desk: Desk, run: RunState, held: Any) -> None:
    """The arrival of a token is not written with what follows from it."""
    for acknowledge in held.acknowledge:
        desk.after_commit(acknowledge)
