"""Names to objects: only what is reachable by name in the app's own modules, never an import."""

from __future__ import annotations

import builtins
import datetime
import decimal
import enum
import fractions
import inspect
import typing
import uuid
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, cast

import duetto.errors
from duetto.authoring.types import name_of
from duetto.errors import NotFound

FUNCTIONS = (
    *("abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "chr", "complex", "dict"),
    *("divmod", "enumerate", "filter", "float", "format", "frozenset", "hash", "hex", "int"),
    *("isinstance", "issubclass", "iter", "len", "list", "map", "max", "min", "next", "oct", "ord"),
    *("pow", "print", "range", "repr", "reversed", "round", "set", "slice", "sorted", "str", "sum"),
    *("tuple", "zip"),
)

BUILTINS: dict[str, Any] = {
    **{name: getattr(builtins, name) for name in FUNCTIONS},
    **{
        name: kind
        for name, kind in vars(builtins).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    },
}
"""What may be named bare: nothing that reaches files, modules, attributes by name, or source."""

STANDARD: tuple[Any, ...] = (
    *(decimal.Decimal, fractions.Fraction, uuid.UUID),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone),
)
"""The types of values that every app may name."""

DENIED = frozenset(
    (
        *("builtins", "code", "codeop", "ctypes", "gc", "importlib", "inspect", "io", "marshal"),
        *("multiprocessing", "nt", "os", "pathlib", "pickle", "pkgutil", "posix", "pty", "runpy"),
        *("shelve", "shutil", "signal", "site", "socket", "sqlite3", "subprocess", "sys"),
        *("tempfile", "threading", "types", "webbrowser"),
    )
)
"""Modules of which a stored definition gets nothing, though a workflow's module may import them:
a forged one must not reach a shell, a file or the interpreter. A helper function may."""


NAMED = (type, FunctionType, BuiltinFunctionType, ModuleType)
"""What has a name of its own, wherever it was imported to."""


class Symbols:
    """What the definitions and values of one app may name."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._modules = {module.__name__: module for module in modules}
        self._found: dict[str, Any] = dict(BUILTINS)
        self._found |= {name_of(kind): kind for kind in STANDARD}
        self._found |= {
            name_of(kind): kind
            for kind in vars(duetto.errors).values()
            if isinstance(kind, type) and issubclass(kind, Exception)
        }
        self._index: dict[str, Any] = {}
        self._indexed = -1

    def resolve(self, name: str) -> Any:
        """Return the object of `module:qualified.name`, or of a bare builtin. Raises NotFound."""
        try:
            return self._found[name]
        except KeyError:
            pass
        found = self._search(name)
        if found is _NOTHING:
            raise NotFound.named(
                "name",
                name,
                self._known(name),
                do="define it, or import it, at the top level of a module of this app",
            )
        self._found[name] = found
        return found

    def has(self, name: str) -> bool:
        """Return whether a name is known here."""
        try:
            self.resolve(name)
        except NotFound:
            return False
        return True

    def _search(self, name: str) -> Any:
        module, colon, qualified = name.partition(":")
        first, *rest = qualified.split(".")
        if not colon or not first or _is_dunder(first):
            return _NOTHING
        found = self._start(module, first)
        for part in rest:
            found = _attribute(found, part)
        return _NOTHING if isinstance(found, ModuleType) else found

    def _start(self, module: str, first: str) -> Any:
        """Return the object that a qualified name starts with."""
        if module in self._modules:
            found = vars(self._modules[module]).get(first, _NOTHING)
            if found is not _NOTHING:
                return found
        self._refresh()
        if module.partition(".")[0] in DENIED:
            return _NOTHING
        found = self._index.get(f"{module}:{first}", _NOTHING)
        if found is _NOTHING and (bound := self._bound(module)):
            found = _attribute(bound, first)
        return found

    def _bound(self, name: str) -> ModuleType | None:
        """Return a module that is bound by name in one of the app's, or one inside of such."""
        found = self._index.get(name)
        parent, _, last = name.rpartition(".")
        if found is None and parent and (package := self._bound(parent)):
            found = vars(package).get(last)
        fits = isinstance(found, ModuleType) and found.__name__ == name
        return found if fits else None

    def _refresh(self) -> None:
        """Index what is reachable, again where a module has grown since."""
        size = sum(len(vars(module)) for module in self._modules.values())
        if size == self._indexed:
            return
        self._indexed = size
        self._index = {}
        waiting = [thing for module in self._modules.values() for thing in _contents(module)]
        while waiting:
            thing = waiting.pop()
            name = thing.__name__ if isinstance(thing, ModuleType) else name_of(thing)
            if "<locals>" not in name and name not in self._index:
                self._index[name] = thing
                waiting.extend(_mentioned(thing))

    def _known(self, name: str) -> list[str]:
        """Return the names that may have been meant."""
        module, colon, _ = name.partition(":")
        if not colon:
            return list(BUILTINS)
        if module in self._modules:
            names = [each for each in vars(self._modules[module]) if not each.startswith("_")]
            return [f"{module}:{each}" for each in names]
        self._refresh()
        return [each for each in self._index if ":" in each]


class _Nothing:
    """The mark of what is not there; None may be there."""


_NOTHING: Any = _Nothing()


def _is_dunder(name: str) -> bool:
    return name.startswith("__")


def _attribute(thing: Any, name: str) -> Any:
    """Return a public attribute of a class, or of a module that is bound by name and harmless."""
    if name.startswith("_"):
        return _NOTHING
    if isinstance(thing, ModuleType):
        allowed = thing.__name__.partition(".")[0] not in DENIED
        found = vars(thing).get(name, _NOTHING) if allowed else _NOTHING
        return _NOTHING if isinstance(found, ModuleType) else found
    return getattr(thing, name, _NOTHING) if isinstance(thing, type) else _NOTHING


def _contents(module: ModuleType) -> Iterator[Any]:
    """Yield what a module binds and what can be named."""
    for name, thing in list(vars(module).items()):
        if not _is_dunder(name) and isinstance(thing, NAMED):
            yield thing
        elif not _is_dunder(name) and callable(thing):
            # A task or workflow wraps a function, whose annotations count.
            body = inspect.unwrap(thing) if hasattr(thing, "__wrapped__") else None
            if isinstance(body, FunctionType):
                yield body


def _mentioned(thing: Any) -> Iterator[Any]:
    """Yield the classes that the annotations of a class or function mention, and its bases."""
    if isinstance(thing, ModuleType | BuiltinFunctionType) or thing.__module__ == "builtins":
        return
    if isinstance(thing, type):
        thing = cast("type[Any]", thing)
        if issubclass(thing, enum.Enum):
            return
        yield from (base for base in thing.__mro__[1:] if base is not object)
    try:
        hints = typing.get_type_hints(thing, include_extras=True)
    # Annotations are anybody's code: one that cannot be evaluated mentions nothing.
    except Exception:
        return
    for hint in hints.values():
        yield from _classes(hint)


def _classes(annotation: Any) -> Iterator[Any]:
    """Yield the classes within an annotation."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        yield cast("Any", annotation)
    origin = typing.get_origin(annotation)
    if isinstance(origin, type):
        yield cast("Any", origin)
    for arg in typing.get_args(annotation):
        yield from _classes(arg)
