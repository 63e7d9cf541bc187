"""Validators of JSON Schemas, with types where their stubs have none; and references."""

from __future__ import annotations

from typing import Any, Protocol, cast

import jsonschema


class Validator(Protocol):
    """What tests ask of a validator."""

    def is_valid(self, instance: Any) -> bool: ...
    def validate(self, instance: Any) -> None: ...


def newest(schema: Any) -> Validator:
    """Return a validator by draft 2020-12, in which contracts are written."""
    return cast("Validator", jsonschema.Draft202012Validator(schema))


def draft_7(schema: Any) -> Validator:
    """Return a validator by draft 7, in which AsyncAPI is written."""
    return cast("Validator", jsonschema.Draft7Validator(schema))


def references(document: object) -> list[str]:
    """Return every `$ref`."""
    if isinstance(document, dict):
        found = cast("dict[str, object]", document)
        ref = found.get("$ref")
        own = [ref] if isinstance(ref, str) else []
        return own + [each for value in found.values() for each in references(value)]
    if isinstance(document, list):
        return [each for item in cast("list[object]", document) for each in references(item)]
    return []
