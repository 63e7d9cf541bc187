"""The input of `run`: one run per JSON line, decoded by the types of the workflow's parameters.

A line is the argument of a workflow of one parameter; for several, an object of arguments by name.
`{"id": …, "input": …}` or `{"id": …, "args": […]}`, with `tags` or without, also names the run.
Otherwise its id is the `id` of the object, where it has one, or `FILE-LINE`.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from duetto.authoring.workflow import Workflow
from duetto.errors import ConfigurationError, LimitExceeded, ValueRefused

ENVELOPE = frozenset({"id", "args", "input", "tags"})


LINE_BYTES_MAX = 16 * 1024 * 1024
"""Some times what the variables of a run may take, so that no line fills the memory first."""


class Line(Struct, frozen=True):
    """A run to be started."""

    number: int
    id: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tags: tuple[str, ...] = ()


ABSENT = msgspec.Raw()
"""A field that is not there; `null` is."""


class Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    """A line that names its run."""

    id: str | int | None = None
    args: list[msgspec.Raw] | None = None
    input: msgspec.Raw = ABSENT
    tags: tuple[str, ...] = ()


Storable = Callable[[tuple[Any, ...], dict[str, Any]], object]
"""Raises ValueRefused or LimitExceeded for arguments that cannot be stored."""


def _keep_nothing(_: tuple[Any, ...], __: dict[str, Any]) -> None:
    """Leave it to the start of a run to refuse what cannot be stored."""


class Reader:
    """Reads lines for one workflow; `store` tries whether they can be stored."""

    def __init__(self, workflow: Workflow[..., Any], store: Storable | None = None) -> None:
        self.name, self._store = workflow.name, store or _keep_nothing
        hints = typing.get_type_hints(workflow.body)
        parameters = inspect.signature(workflow.body).parameters
        self._types: dict[str, Any] = {name: hints.get(name, Any) for name in parameters}
        self._needed = {n for n, p in parameters.items() if p.default is p.empty}
        self._decoders = {name: self._decoder(name, kind) for name, kind in self._types.items()}

    def _decoder(self, name: str, kind: Any) -> msgspec.json.Decoder[Any]:
        try:
            return msgspec.json.Decoder(kind, dec_hook=validated)
        except TypeError as error:
            raise ConfigurationError(
                f"The argument `{name}` of {self.name} cannot be read from JSON.",
                found=str(error),
                expected="a type of which JSON says which it is",
                do="start it by the app, or let the workflow take one type",
            ) from error

    def read(self, file: Path, name: str) -> Iterator[Line]:
        """Yield the lines of a file that are not empty. Raises ValueRefused, naming the line."""
        with file.open("rb") as lines:
            for number in count(1):
                text = lines.readline(LINE_BYTES_MAX + 1)
                if len(text) > LINE_BYTES_MAX:
                    raise too_long(number, name)
                if not text:
                    return
                if text.strip():
                    yield self.line(text, number, name)

    def line(self, text: bytes, number: int, name: str) -> Line:
        """Return one line; `name` is of the file, without its ending."""
        try:
            line = self._line(text, number, name)
            self._store(line.args, line.kwargs)
            return line
        except (ValueRefused, LimitExceeded) as refused:
            raise type(refused)(
                f"Line {number} of {name} cannot be stored.",
                found=refused.found,
                expected=refused.expected,
                do="mend the line; nothing was started",
            ) from refused
        except (msgspec.MsgspecError, Unfit, UnicodeDecodeError, RecursionError) as error:
            raise ValueRefused(
                f"Line {number} of {name} does not fit {self.name}.",
                found=str(error),
                expected=self._signature(),
                do="mend the line; nothing was started",
            ) from error

    def _signature(self) -> str:
        shown = (f"{name}: {spelled(kind)}" for name, kind in self._types.items())
        return f"{self.name}({', '.join(shown)}) as JSON"

    def _line(self, text: bytes, number: int, name: str) -> Line:
        value = msgspec.json.decode(text)
        if is_envelope(value):
            envelope = msgspec.json.decode(text, type=Envelope)
            args, kwargs = self._of_envelope(envelope)
            id = f"{name}-{number}" if envelope.id is None else str(envelope.id)
            return Line(number, id, args, kwargs, envelope.tags)
        args, kwargs = self._of_input(text)
        return Line(number, own_id(value) or f"{name}-{number}", args, kwargs)

    def _of_envelope(self, envelope: Envelope) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if envelope.args is None:
            return self._of_input(bytes(envelope.input))
        if bytes(envelope.input):
            raise Unfit("both `args` and `input`")
        if len(envelope.args) > len(self._types):
            raise Unfit(f"{len(envelope.args)} arguments")
        pairs = zip(self._types, envelope.args, strict=False)
        return self._complete({name: self._value(name, bytes(raw)) for name, raw in pairs})

    def _of_input(self, text: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if len(self._types) == 1:
            [name] = self._types
            return (self._value(name, text, at="$"),), {}
        given = NAMED.decode(text) or {}
        unknown = sorted(given.keys() - self._types.keys())
        if unknown:
            raise Unfit(f"an argument `{unknown[0]}`, which there is not")
        return self._complete({name: self._value(name, bytes(raw)) for name, raw in given.items()})

    def _complete(self, found: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        missing = sorted(self._needed - found.keys())
        if missing:
            raise Unfit(f"no argument `{missing[0]}`")
        return (), found

    def _value(self, name: str, text: bytes, at: str = "") -> Any:
        at = at or f"$.{name}"
        try:
            value = self._decoders[name].decode(text)
        except msgspec.ValidationError as error:
            raise Unfit(str(error).replace("`$", f"`{at}")) from error
        check_declared(msgspec.json.decode(text), value, at)
        return value


def too_long(number: int, name: str) -> LimitExceeded:
    """Return the error for a line that is not read to its end."""
    return LimitExceeded(
        f"Line {number} of {name} is too long.",
        found=f"more than {LINE_BYTES_MAX:,} bytes",
        expected=f"at most {LINE_BYTES_MAX:,} bytes (LINE_BYTES_MAX)",
        do="keep large values in files of yours, and pass their names; nothing was started",
    )


NAMED: msgspec.json.Decoder[dict[str, msgspec.Raw] | None] = msgspec.json.Decoder(
    dict[str, msgspec.Raw] | None
)
"""Arguments by name."""


class Unfit(Exception):
    """What a line has that does not fit."""


def is_envelope(value: object) -> bool:
    """Does a line name its run?"""
    if not isinstance(value, dict):
        return False
    keys = set(cast("dict[str, object]", value))
    return keys <= ENVELOPE and bool(keys & {"args", "input"})


def own_id(value: object) -> str:
    """Return the `id` of an object, or nothing."""
    found = cast("dict[str, object]", value).get("id") if isinstance(value, dict) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def validated(kind: Any, value: Any) -> Any:
    """Return a value of a class that msgspec does not know: of pydantic, where it is one."""
    validate = getattr(kind, "model_validate", None)
    if callable(validate):
        return validate(value)
    raise NotImplementedError(f"`{spelled(kind)}` has no form in JSON")


def check_declared(raw: Any, value: Any, at: str) -> None:
    """Raise Unfit for a key that its class does not declare: dropping it would lose it."""
    if isinstance(raw, list):
        items = cast("list[Any]", raw)
        if isinstance(value, list | tuple):
            for index, (one, item) in enumerate(zip(items, cast("list[Any]", value), strict=False)):
                check_declared(one, item, f"{at}[{index}]")
        return
    if not isinstance(raw, dict):
        return
    fields = fields_of(value)
    for key, one in cast("dict[str, Any]", raw).items():
        if isinstance(value, dict):
            found = cast("dict[Any, Any]", value).get(key)
        elif fields is None:
            continue
        elif key not in fields:
            raise Unfit(f"a key `{key}` that {type(value).__name__} does not have - at `{at}`")
        else:
            found = getattr(value, fields[key])
        check_declared(one, found, f"{at}.{key}")


def fields_of(value: Any) -> Mapping[str, str] | None:
    """Return the fields of a value by their names in JSON; None where they are not known."""
    if isinstance(value, Struct):
        return {each.encode_name: each.name for each in msgspec.structs.fields(value)}
    if dataclasses.is_dataclass(value):
        return {each.name: each.name for each in dataclasses.fields(value)}
    attributes: Any = getattr(cast("type[Any]", type(value)), "__attrs_attrs__", None)
    return None if attributes is None else {each.name: each.name for each in attributes}


def spelled(kind: Any) -> str:
    """Return a type as users write it."""
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
