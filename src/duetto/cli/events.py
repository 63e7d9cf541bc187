"""`duetto events …` and `duetto deadletters …`: look at events, publish them, mend what failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from duetto.cli.command import Group, screen
from duetto.cli.instants import instant, since_ms
from duetto.cli.project import about_an_app
from duetto.cli.reach import Target, ask, asked
from duetto.drawing import lineage_mermaid, lineage_svg, lineage_text
from duetto.model.view import EventView, LetterView, LineageView
from duetto.operations import Letters, Picked, Replayed
from duetto.operations.events import Redriven
from duetto.operations.requests import (
    Adopt,
    AnyRequest,
    Discard,
    DiscardAll,
    Event,
    Events,
    Letter,
    Lineage,
    ListLetters,
    Publish,
    Redrive,
    RedriveAll,
    Replay,
)

EVENT_COLUMNS = ("name", "at", "topic", "key", "data")
LETTER_COLUMNS = ("handler", "position", "since", "topic", "key", "attempts", "behind", "reason")
LATER = "no app runs here: it is handled when the app runs next"

DRAWINGS = {"text": lineage_text, "mermaid": lineage_mermaid, "svg": lineage_svg}

FOLLOW_S = 0.5
"""How often `events tail --follow` looks for new ones."""

BEHIND_MS = 5_000
"""Events of one moment may become visible one after the other: so far back it looks again."""

KNOWN_MAX = 100_000
"""Events of one look, and those that are known to have been shown: more than come in that time."""


@click.group(cls=Group)
def events() -> None:
    """Publish events, and look at them."""


@events.command()
@click.argument("topic")
@click.argument("data", metavar="[JSON|-]", required=False, default="{}")
@click.option(
    "--cloudevent",
    is_flag=True,
    help="The JSON is a CloudEvent of another program: adopt it, once.",
)
@about_an_app
def publish(
    topic: str, data: str, cloudevent: bool, app_name: str | None, store: Path | None
) -> None:
    """Publish an event, its fields as a JSON object (none by default; `-` reads the standard
    input)."""
    text = sys.stdin.read() if data == "-" else data
    if cloudevent:
        _act(Target(app_name, store), Adopt(topic, text), _adopted)
        return
    answered = asked(Target(app_name, store), Publish(topic, text))
    name = msgspec.json.decode(answered.json, type=str)
    screen().object({"event": name, "running": answered.running})
    screen().line(name + ("" if answered.running else f"; {LATER}"))


def _adopted(answer: Any) -> str:
    names = msgspec.convert(answer, list[str])
    return "\n".join(names) or "nothing new: it was adopted before, or is a dead letter now"


@events.command()
@click.option("--topic", default="", help="Only events of this type.")
@click.option("--key", default="", help="Only events of this key.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most.")
@click.option("--follow", is_flag=True, help="Go on as more are published, until interrupted.")
@about_an_app
def tail(
    topic: str, key: str, limit: int, follow: bool, app_name: str | None, store: Path | None
) -> None:
    """Show the newest events, the last one last."""
    target = Target(app_name, store)
    found = ask(target, Events(topic, key, limit=limit), list[EventView])[::-1]
    _tell(found)
    with suppress(KeyboardInterrupt):
        while follow:
            time.sleep(FOLLOW_S)
            since = max((event.at for event in found), default=BEHIND_MS) - BEHIND_MS
            more = ask(target, Events(topic, key, since, KNOWN_MAX), list[EventView])[::-1]
            shown = {event.name for event in found}
            fresh = [event for event in more if event.name not in shown]
            _tell(fresh)
            found = [*found, *fresh][-KNOWN_MAX:]


def _tell(found: list[EventView]) -> None:
    told = screen()
    rows = (
        msgspec.to_builtins(event)
        if told.as_json
        else {
            **msgspec.structs.asdict(event),
            "at": instant(event.at, to_ms=True, short=told.terminal),
            "data": msgspec.json.encode(event.data).decode(),
        }
        for event in found
    )
    told.rows(rows, EVENT_COLUMNS, whole=("name",))


@events.command("show")
@click.argument("name")
@click.option(
    "--lineage", is_flag=True, help="What it follows from, and what followed; of a run, too."
)
@click.option(
    "--format",
    "form",
    type=click.Choice([*DRAWINGS]),
    default="text",
    show_default=True,
    help="With --lineage: an indented tree, or drawn.",
)
@about_an_app
def show_event(
    name: str, lineage: bool, form: str, app_name: str | None, store: Path | None
) -> None:
    """Show an event: what it says, and what it follows from."""
    target = Target(app_name, store)
    if lineage:
        drawn = ask(target, Lineage(name), LineageView)
        screen().object(msgspec.to_builtins(drawn))
        screen().line(DRAWINGS[form](drawn).rstrip())
        return
    if form != "text":
        raise click.UsageError("--format is of a lineage: give --lineage as well.")
    found = ask(target, Event(name), EventView)
    screen().object(msgspec.to_builtins(found))
    for title, value in _said(found).items():
        screen().line(f"{title:<12} {value}")


@events.command()
@click.argument("handler")
@click.option("--topic", default="", help="Only events of this type.")
@click.option("--key", default="", help="Only events of this key.")
@click.option("--since", metavar="TIME", help="Published since: 2026-11-25T12:00, or 90m, 2d ago.")
@click.option("--until", metavar="TIME", help="Published before.")
@click.option("--publish", "publishes", is_flag=True, help="Publish again what it publishes.")
@about_an_app
def replay(
    handler: str,
    topic: str,
    key: str,
    since: str | None,
    until: str | None,
    publishes: bool,
    app_name: str | None,
    store: Path | None,
) -> None:
    """Let a handler handle events once more that it is done with; nobody else notices."""
    picked = Picked(topic, key, since_ms(since), since_ms(until))

    def told(answer: Any) -> str:
        done = msgspec.convert(answer, Replayed)
        if not done.count:
            return "nothing to replay: no retained event fits"
        events = "1 event" if done.count == 1 else f"{done.count:,} events"
        return f"replay {done.number} of {handler}: {events}"

    _act(Target(app_name, store), Replay(handler, picked, publishes), told)


def _said(event: EventView) -> dict[str, str]:
    said = {
        "name": event.name,
        "topic": f"{event.topic}   version {event.version}",
        "key": event.key,
        "published": instant(event.at, to_ms=True),
        "follows from": event.causation,
        "belongs to": event.correlation,
        "data": msgspec.json.encode(event.data).decode(),
    }
    return {title: value for title, value in said.items() if value}


# -- dead letters


@click.group(cls=Group)
def deadletters() -> None:
    """Look at events that a handler could not take, and mend them."""


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which letters a command is about."""
    options = (
        click.option("--handler", default="", help="Only letters of this handler."),
        click.option("--topic", default="", help="Only letters of this type of event."),
        click.option("--key", default="", help="Only letters of this key."),
        click.option("--reason", default="", help="Only letters with this text in their reason."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@deadletters.command("list")
@filtered
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="At most.")
@about_an_app
def list_letters(
    handler: str,
    topic: str,
    key: str,
    reason: str,
    limit: int,
    app_name: str | None,
    store: Path | None,
) -> None:
    """List dead letters, the oldest first."""
    request = ListLetters(handler, topic, key, reason, limit)
    found = ask(Target(app_name, store), request, list[LetterView])
    told = screen()
    rows = (
        msgspec.to_builtins(letter)
        if told.as_json
        else {
            **msgspec.structs.asdict(letter),
            "since": instant(letter.since, short=told.terminal),
            "topic": letter.event.topic,
            "key": letter.event.key,
        }
        for letter in found
    )
    told.rows(rows, LETTER_COLUMNS, whole=("handler", "position"))


@deadletters.command("show")
@click.argument("handler")
@click.argument("position", type=int)
@about_an_app
def show_letter(handler: str, position: int, app_name: str | None, store: Path | None) -> None:
    """Show a dead letter: the event, why it failed, and where."""
    found = ask(Target(app_name, store), Letter(handler, position), LetterView)
    screen().object(msgspec.to_builtins(found))
    said = {
        "handler": found.handler,
        "reason": found.reason,
        "attempts": str(found.attempts),
        "since": instant(found.since),
        "behind": f"{found.behind} events of its key" if found.behind else "",
        **_said(found.event),
        "mended": msgspec.json.encode(found.mended).decode() if found.mended else "",
    }
    for title, value in said.items():
        if value:
            screen().line(f"{title:<12} {value}")
    screen().line(found.trace)


def letter_or_all(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what picks one letter, or all that the options pick."""
    every = click.option("--all", "every", is_flag=True, help="All letters that the options pick.")
    name = click.argument("name", metavar="[HANDLER", required=False, default="")
    position = click.argument("position", metavar="POSITION]", type=int, default=0)
    return name(position(every(filtered(command))))


class Chosen(Struct, frozen=True):
    """What `redrive` and `discard` are about: one letter by its place, or all that fit."""

    name: str
    position: int
    every: bool
    asked: Letters

    def check(self) -> None:
        """Raise UsageError where it is neither the one nor the other."""
        is_one = bool(self.name and self.position)
        if self.every and self.name:
            raise click.UsageError("Name one letter, or give --all with --handler.")
        if not self.every and self.asked != Letters():
            raise click.UsageError("Options pick letters together with --all only.")
        if not self.every and not is_one:
            raise click.UsageError("Name the handler and the position of a letter, or give --all.")


@deadletters.command()
@letter_or_all
@click.option("--data", metavar="JSON", help="The fields as they should have been, of one letter.")
@about_an_app
def redrive(
    name: str,
    position: int,
    every: bool,
    handler: str,
    topic: str,
    key: str,
    reason: str,
    data: str | None,
    app_name: str | None,
    store: Path | None,
) -> None:
    """Let a dead letter be handled again, mended or as it is; or all that fit."""
    target, asked_for = Target(app_name, store), Letters(handler, topic, key, reason)
    Chosen(name, position, every, asked_for).check()
    if not every:
        _act(target, Redrive(name, position, data), lambda _: "1 letter is handled again")
        return
    if data is not None:
        raise click.UsageError("--data mends one letter: name its handler and position.")

    def told(answer: Any) -> str:
        done = msgspec.convert(answer, Redriven)
        refused = [f"\n{event}: {why}" for event, why in done.refused.items()]
        return f"{_letters(done.count)} handled again" + "".join(refused)

    _act(target, RedriveAll(asked_for), told)


@deadletters.command()
@letter_or_all
@about_an_app
def discard(
    name: str,
    position: int,
    every: bool,
    handler: str,
    topic: str,
    key: str,
    reason: str,
    app_name: str | None,
    store: Path | None,
) -> None:
    """Give a dead letter up, or all that fit; what waits behind it goes on."""
    target, asked_for = Target(app_name, store), Letters(handler, topic, key, reason)
    Chosen(name, position, every, asked_for).check()
    if every:
        _act(target, DiscardAll(asked_for), lambda count: f"{_letters(count)} discarded")
    else:
        _act(target, Discard(name, position), lambda _: "1 letter is discarded")


def _letters(count: int) -> str:
    return "1 letter is" if count == 1 else f"{count} letters are"


def _act(target: Target, request: AnyRequest, said: Callable[[Any], str]) -> None:
    """Ask for an operation, and say what came of it, and when it goes on."""
    answered = asked(target, request)
    answer = msgspec.json.decode(answered.json)
    screen().object({"answer": answer, "running": answered.running})
    screen().line(said(answer) + ("" if answered.running else f"; {LATER}"))
