"""Exceptions as data, and back: rebuilt from what they hold, never by running `__init__`."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import msgspec

from duetto.authoring.symbols import Symbols
from duetto.authoring.types import name_of
from duetto.errors import DuettoError, NotFound, TaskError
from duetto.model.token import Error

CAUSES_MAX = 8
"""Errors of one chain of causes; a longer one is a loop, or says nothing more."""

FRAMES_MAX = 20
"""Frames of a trace, the innermost; what is above them is the way that led there."""

PACKAGE = str(Path(__file__).parents[2]) + os.sep
EXAMPLES = os.path.join(PACKAGE, "examples") + os.sep

ORIGINAL = "_duetto_error"
"""The attribute by which a TaskError keeps the error that it stands for, to give it back whole."""

PackPair = Callable[[Any], bytes]
UnpackPair = Callable[[bytes], Any]


def error_of(error: BaseException, pack: PackPair, causes: int = CAUSES_MAX) -> Error:
    """Return an exception as data."""
    original = vars(error).get(ORIGINAL)
    if isinstance(original, Error):
        return original
    kind = type(error)
    cause = error.__cause__ if causes > 0 else None
    return Error(
        name_of(kind),
        tuple(name_of(base) for base in kind.__mro__[1:] if issubclass(base, Exception)),
        message_of(error),
        _packed(error, pack),
        trace_of(error.__traceback__),
        None if cause is None else error_of(cause, pack, causes - 1),
    )


def message_of(error: BaseException) -> str:
    """Return what an exception says."""
    try:
        text = error.message if isinstance(error, DuettoError) else str(error)
    # An exception's `__str__` is anybody's code, and must not hide the exception itself.
    except Exception:
        return ""
    return text.encode(errors="replace").decode()


def _packed(error: BaseException, pack: PackPair) -> bytes:
    attributes = dict(vars(error))
    for name in slots_of(error):
        if (value := getattr(error, name, None)) is not None:
            attributes[name] = value
    try:
        return pack((error.args, attributes))
    except DuettoError:
        return b""


def slots_of(error: BaseException) -> frozenset[str]:
    """Return what Python's own classes keep outside of `args` and `__dict__`."""
    return frozenset(
        name for kind, names in SLOTS.items() if isinstance(error, kind) for name in names
    )


SLOTS: dict[type[Exception], tuple[str, ...]] = {
    OSError: ("filename", "filename2"),
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
}


def trace_of(trace: TracebackType | None) -> str:
    """Return the user's own frames as text, without those of Duetto and of Python's library."""
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if is_users(frame.filename)]
    return "".join(traceback.format_list(own[-FRAMES_MAX:])).rstrip()


LIBRARY = os.path.dirname(os.__file__) + os.sep
SITE = os.path.join(LIBRARY, "site-packages") + os.sep


def is_users(filename: str) -> bool:
    """Return whether a file is the user's own, or of a library that the user's code called."""
    if filename.startswith(PACKAGE):
        return filename.startswith(EXAMPLES)
    return filename.startswith(SITE) or not filename.startswith((LIBRARY, "<frozen"))


def exception_of(error: Error, symbols: Symbols, unpack: UnpackPair) -> BaseException:
    """Return the exception again where its class is known here, else a TaskError."""
    exception = _rebuilt(error, symbols, unpack)
    if exception is None:
        exception = TaskError(error.type, error.message)
        setattr(exception, ORIGINAL, error)
    if error.cause is not None:
        exception.__cause__ = exception_of(error.cause, symbols, unpack)
    return exception


def _rebuilt(error: Error, symbols: Symbols, unpack: UnpackPair) -> BaseException | None:
    kind = _class(error.type, symbols)
    if kind is None or not error.data:
        return None
    try:
        args, attributes = unpack(error.data)
        exception = kind.__new__(kind, *args)
        _set_up(exception, args)
        exception.args = args
        for name in slots_of(exception) & attributes.keys():
            setattr(exception, name, attributes.pop(name))
        vars(exception).update(attributes)
    except (DuettoError, TypeError, ValueError, AttributeError):
        return None
    return exception if type(exception) is kind else None


def _class(name: str, symbols: Symbols) -> type[Exception] | None:
    try:
        found = symbols.resolve(name)
    except NotFound:
        return None
    is_error = isinstance(found, type) and issubclass(cast("type[Any]", found), Exception)
    return cast("type[Exception]", found) if is_error else None


def _set_up(exception: BaseException, args: tuple[Any, ...]) -> None:
    """Let Python's own base class fill its slots, as UnicodeDecodeError and others have."""
    own = next(kind for kind in type(exception).__mro__ if kind.__module__ == "builtins")
    try:
        own.__init__(exception, *args)
    except TypeError:
        # A user's class that gives its base other arguments than its own: nothing to fill.
        BaseException.__init__(exception, *args)


def stored_error(wire: Any) -> Error:
    """Return an Error from what is decoded of it."""
    return msgspec.convert(wire, Error)
