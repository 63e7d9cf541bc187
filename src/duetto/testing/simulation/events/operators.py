"""The operator of dead letters: redrives and discards them, as a command line would."""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec import Struct

from duetto.errors import DuettoError, StoreError
from duetto.model.view import LetterView
from duetto.operations.operations import Operations
from duetto.testing.simulation.asking import Then, ask
from duetto.testing.simulation.events.services import MARK
from duetto.testing.simulation.faults import Fault, LetterFault, OperatorDiscards, OperatorRedrives
from duetto.testing.simulation.machines import Machine
from duetto.testing.simulation.timeline import Timeline

ROUND_S = 0.25
"""How often an operator who waits for a dead letter looks whether there is one."""


class Letter(Struct, frozen=True):
    """A dead letter, as operators name it."""

    handler: str
    position: int


class Lettered(Protocol):
    """What the operator needs of a world."""

    timeline: Timeline

    def operations(self) -> Operations | None: ...
    def strike(self, fault: Fault, machine: Machine | None = None) -> None: ...
    def order(self) -> int: ...


class LetterOperator:
    """Acts on the dead letters of one world."""

    def __init__(self, world: Lettered) -> None:
        self._world = world
        self.discarded: dict[Letter, str] = {}
        """The events that it gave up, by their letters, whether that became durable or not."""
        self.redriven: dict[Letter, list[bytes]] = {}
        """The data with which each was redriven, none where it was as it is."""
        self.refusals: list[tuple[Letter, DuettoError]] = []
        self._pending: list[LetterFault] = []

    def act(self, fault: LetterFault) -> None:
        """Do what a fault says, at once or when there is a dead letter."""
        self._pending.append(fault)
        self.look()

    def look(self) -> None:
        """See to the letters that there are."""
        operations = self._world.operations()
        letters = operations.events.letters() if operations is not None else []
        if operations is not None and letters and self._pending:
            fault = self._pending.pop(0)
            self._world.strike(fault)
            self._see_to(operations, letters, fault)

    def patience_ends(self) -> None:
        """Wait for no more letters."""
        self._pending.clear()

    def _see_to(
        self, operations: Operations, letters: list[LetterView], fault: LetterFault
    ) -> None:
        match fault:
            case OperatorDiscards():
                self._discard(operations, letters[0])
            case OperatorRedrives(mends=mends, twice=twice):
                for letter in letters:
                    self.redrive(operations, letter, mends=mends)
                    if twice and mends:
                        self.redrive(operations, letter, mends=mends)
                    elif twice:
                        self._discard(operations, letter)
            case _:
                pass

    def redrive(self, operations: Operations, view: LetterView, *, mends: bool) -> None:
        """Redrive a letter, as it is or mended."""
        letter = Letter(view.handler, view.position)
        data = mended(view) if mends else b""
        self.discarded.pop(letter, None)  # it is there: whoever gave it up was not heard
        self.redriven.setdefault(letter, []).append(data)
        ask(
            operations.events.redrive(view.handler, view.position, data or None),
            self._then(letter),
        )

    def _discard(self, operations: Operations, view: LetterView) -> None:
        letter = Letter(view.handler, view.position)
        self.discarded[letter] = view.event.name
        ask(
            operations.events.discard(view.handler, view.position),
            self._then(letter, gives_up=True),
        )

    def _then(self, letter: Letter, *, gives_up: bool = False) -> Then:
        def then(error: DuettoError | None) -> None:
            if error is not None and not isinstance(error, StoreError):
                self.refusals.append((letter, error))
                if gives_up:
                    self.discarded.pop(letter, None)

        return then


def mended(view: LetterView) -> bytes:
    """Return the fields of a letter's event without poison, marked as mended."""
    found = dict(view.mended or view.event.data)
    return msgspec.json.encode({**found, "poison": "", "word": found["word"] + MARK})


__all__ = ["ROUND_S", "Letter", "LetterOperator"]
