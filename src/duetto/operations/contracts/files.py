"""The folder in which users keep their contracts: written, and read again with distrust."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

from duetto.errors import ConfigurationError, NotFound
from duetto.operations.contracts.documents import ABOUT, Document

ASYNCAPI = "asyncapi.json"


class Written(Struct, frozen=True):
    """What an export did: the files that are new, changed, or gone, by name."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0


def export(folder: Path, documents: Iterable[Document], asyncapi: dict[str, Any]) -> Written:
    """Write the contracts. Earlier versions of events stay; boundaries that are gone do not.

    Raises ConfigurationError where the folder has foreign files, or cannot be written.
    """
    texts = {f"{document.name}.json": spelled(document.schema) for document in documents}
    texts[ASYNCAPI] = spelled(asyncapi)
    before = {each.name for each in read(folder)} if folder.is_dir() else set[str]()
    gone = sorted(
        f"{name}.json"
        for name in before
        if name.startswith("boundary.") and f"{name}.json" not in texts
    )
    new, changed = list[str](), list[str]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            file = folder / name
            old = file.read_text("utf-8") if file.exists() else None
            if old != text:
                file.write_text(text, encoding="utf-8")
                (new if old is None else changed).append(name)
        for name in gone:
            (folder / name).unlink()
    except OSError as error:
        raise ConfigurationError(
            f"The contracts cannot be written to {folder}.",
            found=str(error),
            expected="a folder in which this user may write",
            do="give another one",
        ) from error
    unchanged = len(texts) - len(new) - len(changed)
    return Written(tuple(new), tuple(changed), tuple(gone), unchanged)


def spelled(value: object) -> str:
    """Return JSON as it is committed: indented, so that a change is a change of few lines."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def read(folder: Path) -> list[Document]:
    """Return the contracts of a folder, by name.

    Raises NotFound where it is missing, ConfigurationError for a file that is no contract.
    """
    if not folder.is_dir():
        raise NotFound(
            f"There is no folder `{folder}` of contracts.",
            found="a file" if folder.exists() else "nothing",
            expected="a folder that `duetto contracts export` wrote",
            do=f"duetto contracts export {folder}",
        )
    files = sorted(file for file in folder.glob("*.json") if file.name != ASYNCAPI)
    return [_document(file) for file in files]


def _document(file: Path) -> Document:
    try:
        found: object = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _foreign(file, str(error) or type(error).__name__) from error
    schema = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    kind = _kind(schema.get(ABOUT))
    try:
        msgspec.convert(schema, _Shape)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _foreign(file, str(error)) from error
    if kind is None:
        raise _foreign(file, f"JSON without a fitting `{ABOUT}`")
    return Document(file.stem, kind, schema)


def _kind(about: object) -> Literal["event", "boundary"] | None:
    """Return of what kind a contract is, None where it says not what it must."""
    try:
        return msgspec.convert(about, _AnyAbout).kind
    except msgspec.ValidationError:
        return None


class _About(Struct, tag_field="contract"):
    publishers: list[str]
    listeners: list[str]


class _AboutEvent(_About, tag="event"):
    topic: str
    version: int
    key: str
    lanes: int

    @property
    def kind(self) -> Literal["event"]:
        return "event"


class _AboutBoundary(_About, tag="boundary"):
    workflow: str

    @property
    def kind(self) -> Literal["boundary"]:
        return "boundary"


_AnyAbout = _AboutEvent | _AboutBoundary


class _Shape(Struct, rename={"definitions": "$defs", "reference": "$ref"}):
    """What the check relies on in a schema that somebody may have edited."""

    reference: str = ""
    type: str | list[str] = ""
    enum: list[Any] = []
    properties: dict[str, _Shape | bool] = {}
    required: list[str] = []
    additionalProperties: _Shape | bool = True
    propertyNames: _Shape | bool = True
    items: _Shape | bool = True
    prefixItems: list[_Shape | bool] = []
    anyOf: list[_Shape | bool] = []
    oneOf: list[_Shape | bool] = []
    allOf: list[_Shape | bool] = []
    definitions: dict[str, _Shape | bool] = {}
    minimum: float | None = None
    maximum: float | None = None
    exclusiveMinimum: float | None = None
    exclusiveMaximum: float | None = None
    minLength: int | None = None
    maxLength: int | None = None
    minItems: int | None = None
    maxItems: int | None = None
    minProperties: int | None = None
    maxProperties: int | None = None


def _foreign(file: Path, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file} is no contract.",
        found=found,
        expected="a file that `duetto contracts export` wrote",
        do="move other files elsewhere, or restore this one",
    )
