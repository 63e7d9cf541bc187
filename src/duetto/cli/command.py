"""What every command shares: `--json`, `--traceback`, and how an error ends it."""

from __future__ import annotations

import sys
import traceback
from difflib import get_close_matches
from typing import Any

import click

from duetto.cli.exits import exit_code
from duetto.cli.screen import Screen
from duetto.errors import DuettoError

JSON, TRACEBACK = "duetto.json", "duetto.traceback"


def _keep(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    ctx.meta[JSON if parameter.name == "as_json" else TRACEBACK] = value


def _shared() -> list[click.Parameter]:
    return [
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_keep,
            help="Print JSON: one object, or one a line for a list.",
        ),
        click.Option(
            ["--traceback"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_keep,
            help="Show the traceback of an error.",
        ),
    ]


class Command(click.Command):
    """A command with the options that all have."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared()

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; an error is printed in its grammar, and gives its exit code."""
        try:
            return super().invoke(ctx)
        except DuettoError as error:
            report(ctx, error)
            ctx.exit(exit_code(error))


class Group(click.Group):
    """A group whose unknown commands get a suggestion."""

    command_class = Command
    group_class = type

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else f" There are: {', '.join(known)}."
            raise click.UsageError(f"There is no command `{name}`.{hint}", ctx)
        return super().resolve_command(ctx, args)


def report(ctx: click.Context, error: DuettoError) -> None:
    """Print an error to stderr: for people, or as a JSON object."""
    if ctx.meta.get(TRACEBACK):
        traceback.print_exception(error, file=sys.stderr)
    screen_of(ctx).error(error)


def screen_of(ctx: click.Context) -> Screen:
    """Return where a command prints."""
    return Screen(as_json=bool(ctx.meta.get(JSON)))


def screen() -> Screen:
    """Return where the current command prints."""
    return screen_of(click.get_current_context())
