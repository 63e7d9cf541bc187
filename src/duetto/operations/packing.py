"""The arguments of a run on their way to the app that owns its store: bytes, by one definition."""

from __future__ import annotations

from typing import Any

import msgspec

from duetto.errors import NotAllowed, ValueRefused
from duetto.kernel.program import Program
from duetto.runtime.runs import pack_input, unpack_input


def packed(program: Program, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Return the arguments as a store has them. Raises ValueRefused, LimitExceeded, TypeError."""
    return pack_input(program.bind(0, args, kwargs))


def unpacked(program: Program, digest: str, data: bytes) -> dict[str, Any]:
    """Return arguments by name, which were packed by the definition with this digest.

    Raises NotAllowed where that is not the program's own, as types may have changed meanwhile, and
    ValueRefused for what it cannot read.
    """
    name = program.definition.name
    if digest != program.digest:
        raise NotAllowed(
            f"The app that owns the store has another version of {name}.",
            found=f"definition {program.digest[:8]} there, {digest[:8]} here",
            expected="the same definition in both",
            do="start that app again with today's code, or stop it and run this by itself",
        )
    try:
        return unpack_input(program, data)
    except (msgspec.MsgspecError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise ValueRefused(
            f"The arguments do not fit {name}.",
            found=f"{type(error).__name__}: {error}"[:300],
            expected="arguments that were packed by the same code",
            do="start the app that owns the store again with today's code",
        ) from error
