"""Switch a guard off: put something else in its place, for the time of a block."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any

from msgspec import Struct

Wrapper = Callable[..., Any]
"""Called with the original and its arguments, instead of the original."""

Off = Callable[[], AbstractContextManager[None]]

FAULTY = ("choices", "crashes", "storms", "networks")
"""The classes with everything that a network, a host and a choice can do."""


class Guard(Struct, frozen=True):
    """Something of the product that keeps a promise.

    `rule` is that of the protocol, or a word for what has none. `without` says what happens when
    it is off. `kinds` are the classes of trials that are searched for a seed that notices; where
    none can, `because` says why it is no guard.
    """

    name: str
    rule: str
    without: str
    off: Off
    kinds: tuple[str, ...] = FAULTY
    because: str = ""


class Guards(list[Guard]):
    """The guards of one part, in the order in which they are written."""

    def around(
        self,
        owner: Any,
        name: str,
        *,
        rule: str,
        kinds: tuple[str, ...] = FAULTY,
        because: str = "",
    ) -> Callable[[Wrapper], Wrapper]:
        """Register a wrapper of a function of a class or module."""

        def register(wrapper: Wrapper) -> Wrapper:
            self._add(wrapper, around(owner, name, wrapper), rule, kinds, because)
            return wrapper

        return register

    def everywhere(
        self,
        function: Callable[..., Any],
        *,
        rule: str,
        kinds: tuple[str, ...] = FAULTY,
        because: str = "",
    ) -> Callable[[Wrapper], Wrapper]:
        """Register a wrapper of a function, by whatever import it is called."""

        def register(wrapper: Wrapper) -> Wrapper:
            self._add(wrapper, everywhere(function, wrapper), rule, kinds, because)
            return wrapper

        return register

    def switch(
        self, *, rule: str, kinds: tuple[str, ...] = FAULTY
    ) -> Callable[[Callable[[], Generator[None]]], Off]:
        """Register what switches off by itself, until it is resumed."""

        def register(generator: Callable[[], Generator[None]]) -> Off:
            off = contextmanager(generator)
            self._add(generator, off, rule, kinds)
            return off

        return register

    def _add(
        self,
        named: Callable[..., Any],
        off: Off,
        rule: str,
        kinds: tuple[str, ...],
        because: str = "",
    ) -> None:
        name = named.__name__.replace("_", "-")
        without = (inspect.getdoc(named) or "").partition("\n")[0]
        assert without, f"{name} does not say what happens without it"
        self.append(Guard(name, rule, without, off, kinds, because))


@contextmanager
def instead(owner: Any, name: str, new: object) -> Generator[None]:
    """Have another attribute of a class or module for a time."""
    old = owner.__dict__[name]
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)


def around(owner: Any, name: str, wrapper: Wrapper) -> Off:
    """Return the switch that calls `wrapper(original, *args)`, or reads a property through it."""

    def off() -> AbstractContextManager[None]:
        original = owner.__dict__[name]
        if isinstance(original, property):
            return instead(owner, name, property(lambda self: wrapper(original.fget, self)))
        if isinstance(original, staticmethod | classmethod):
            raise TypeError(f"{name} is no plain function")
        return instead(owner, name, wrapped(original, wrapper))

    return off


def everywhere(function: Callable[..., Any], wrapper: Wrapper) -> Off:
    """Return the switch that wraps a function in every module that has it."""

    @contextmanager
    def off() -> Generator[None]:
        places = [
            (module, name)
            for module in list(sys.modules.values())
            if getattr(module, "__name__", "").startswith("duetto.")
            for name, value in list(vars(module).items())
            if value is function
        ]
        new = wrapped(function, wrapper)
        for module, name in places:
            setattr(module, name, new)
        try:
            yield
        finally:
            for module, name in places:
                setattr(module, name, function)

    return off


def wrapped(original: Callable[..., Any], wrapper: Wrapper) -> Callable[..., Any]:
    """Return the function that hands the original to the wrapper."""

    @wraps(original)
    def call(*args: Any, **named: Any) -> Any:
        return wrapper(original, *args, **named)

    return call
