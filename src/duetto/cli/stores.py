"""`duetto store …`: copy a store, and bring it to the newest layout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from duetto.cli.command import Group, screen
from duetto.cli.project import about_an_app
from duetto.cli.reach import Target, existing
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite.schema import Migration

COLUMNS = ("version", "title")


@click.group(cls=Group)
def store() -> None:
    """Copy a store, and bring it to the newest layout."""


@store.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@about_an_app
def backup(target: Path, app_name: str | None, store: Path | None) -> None:
    """Write a consistent copy to TARGET, while the store is in use."""
    path = existing(Target(app_name, store).path())
    source = SqliteStore.open(path, read_only=True)
    try:
        source.backup(target)
    finally:
        source.close()
    size = target.stat().st_size
    screen().object({"store": str(path), "backup": str(target), "bytes": size})
    screen().line(f"{path} is copied to {target} ({size:,} bytes)")


@store.command()
@about_an_app
def plan(app_name: str | None, store: Path | None) -> None:
    """Say what an upgrade would do."""
    path = existing(Target(app_name, store).path())
    listed(SqliteStore.plan(path), "the store has the newest layout")


@store.command()
@about_an_app
def upgrade(app_name: str | None, store: Path | None) -> None:
    """Bring the store to the newest layout, whole or not at all; nobody may own it."""
    path = existing(Target(app_name, store).path())
    listed(SqliteStore.upgrade(path), "the store had the newest layout")


@store.command("open")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Take the store as it is, though commits that were acknowledged are missing.",
)
@about_an_app
def open_once(accept_loss: bool, app_name: str | None, store: Path | None) -> None:
    """Open the store once as its owner, which checks it, and close it again."""
    path = existing(Target(app_name, store).path())
    SqliteStore.open(path, accept_loss=accept_loss).close()
    screen().object({"store": str(path), "accepted_loss": accept_loss})
    screen().line(f"{path} opens")


def listed(steps: Iterable[Migration], otherwise: str) -> None:
    """Print the steps of an upgrade."""
    rows = [{"version": step.version, "title": step.title} for step in steps]
    screen().rows(rows, COLUMNS)
    if not rows:
        screen().line(otherwise)
