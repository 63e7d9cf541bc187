"""How a command reaches the runs of an app: by the socket of its owner, or by its store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from duetto.app import App
from duetto.cli.project import find_project, load_app
from duetto.errors import ConfigurationError, NotFound
from duetto.operations.caller import call
from duetto.operations.requests import READS, AnyRequest, answer

A = TypeVar("A")


class Target(Struct, frozen=True):
    """What `--app` and `--store` say; empty where they are not given."""

    app: str | None = None
    store: Path | None = None

    def path(self) -> Path:
        """Return where the store is. Raises ConfigurationError where nothing says so."""
        found = self.store or (None if self.app else find_project(Path.cwd()).store)
        found = found or load_app(self.app).store_path
        if found is None:
            raise ConfigurationError(
                "The app keeps its runs in memory.",
                expected="a store in a file",
                do='give it one: App(store="./name.sqlite")',
            )
        return found

    def opened(self, *, to_read: bool) -> App:
        """Return the app at its store; a store can be read without the app that made it."""
        if to_read and self.app is None and not find_project(Path.cwd()).app:
            return App("reader", store=self.path())
        return load_app(self.app, self.store)


class Answered(Struct, frozen=True):
    """An answer as JSON, and whether a running app gave it."""

    json: bytes
    running: bool


def ask(target: Target, request: AnyRequest, kind: type[A]) -> A:
    """Return the answer to a request. Raises what the operation raises."""
    return msgspec.json.decode(asked(target, request).json, type=kind)


def asked(target: Target, request: AnyRequest) -> Answered:
    """Ask the app that owns the store; where none does, read the store or own it meanwhile."""
    path = existing(target.path())
    found = call(path, request)
    if found is not None:
        return Answered(bytes(found), running=True)
    to_read = isinstance(request, READS)
    app = target.opened(to_read=to_read)
    return Answered(asyncio.run(_at_rest(app, request, to_read)), running=False)


def existing(path: Path) -> Path:
    """Return the path of a store. Raises NotFound where there is none."""
    if not path.exists():
        raise NotFound(
            f"There is no store {path}.",
            expected="a file",
            do="start the app once, or check --store and [tool.duetto]",
        )
    return path


async def _at_rest(app: App, request: AnyRequest, to_read: bool) -> bytes:
    async with app.at_rest(read_only=to_read) as operations:
        return msgspec.json.encode(await answer(operations, request))
