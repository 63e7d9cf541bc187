"""The signature by which `App.run` lets pyright see a wrong input."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar, TypeVarTuple

from duetto.authoring import Service, Workflow

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Door(Protocol):
    """An app, as far as types are concerned."""

    def run(
        self,
        workflow: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        id: str | None = None,
    ) -> R: ...


class MakesDoor(Protocol):
    """The class of an app."""

    def __call__(
        self,
        name: str,
        *,
        services: Iterable[Service] = (),
        workflows: Iterable[Workflow[..., Any]] = (),
    ) -> Door: ...
