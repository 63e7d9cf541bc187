"""Names resolve only to what the app's own modules reach."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from duetto.authoring.symbols import BUILTINS, Symbols
from duetto.errors import NotFound
from tests.codec import values as v


def a_module(**contents: Any) -> ModuleType:
    """Return a module with these contents."""
    module = ModuleType("made")
    vars(module).update(contents)
    return module


SYMBOLS = Symbols([sys.modules[v.__name__]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests.codec.values:Point", v.Point),
        ("tests.codec.values:Decimal", v.Decimal),
        ("decimal:Decimal", v.Decimal),
        ("tests.codec.values:Colour.RED", v.Colour.RED),
        ("tests.codec.values:OrderId", v.OrderId),
        ("tests.codec.values:a_codec", v.a_codec),
        ("duetto.codecs.msgpack.codec:MsgpackCodec", v.MsgpackCodec),
        ("functools:cached_property", v.functools.cached_property),
        ("datetime:datetime.fromisoformat", v.datetime.fromisoformat),
        ("duetto.errors:Cancelled", Any),
        ("len", len),
        ("ValueError", ValueError),
    ],
)
def test_what_is_reachable_is_found(name: str, expected: Any) -> None:
    found = SYMBOLS.resolve(name)
    assert expected is Any or found == expected
    assert SYMBOLS.has(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":",
        "Point",
        "tests.codec.values",
        "tests.codec.values:",
        "tests.codec.values:Pont",
        "tests.codec.values:Point.nothing",
        "tests.codec.values:Point.__init__",
        "tests.codec.values:Point.x.y",
        "tests.codec.values:__builtins__",
        "tests.codec.values:__builtins__.eval",
        "tests.codec.values:sys",
        "tests.codec.values:sys.exit",
        "tests.codec.values:a_codec.__globals__",
        "sys:exit",
        "os:system",
        "subprocess:run",
        "json:loads",
        "builtins:eval",
        "eval",
        "exec",
        "open",
        "getattr",
        "type",
        "__import__",
        "SystemExit",
        "KeyboardInterrupt",
    ],
)
def test_nothing_else_is(name: str) -> None:
    assert not SYMBOLS.has(name)
    with pytest.raises(NotFound):
        SYMBOLS.resolve(name)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(NotFound) as caught:
        SYMBOLS.resolve("tests.codec.values:Ordr")
    assert caught.value.do == "did you mean `tests.codec.values:Order`?"


def test_modules_are_reached_where_they_are_bound_by_name() -> None:
    import json
    import math
    import os
    import xml.etree.ElementTree as tree

    symbols = Symbols([a_module(math=math, os=os, json=json, tree=tree)])
    assert symbols.resolve("math:sqrt") is math.sqrt
    assert symbols.resolve("math:pi") == math.pi
    assert symbols.resolve("made:math.sqrt") is math.sqrt
    assert symbols.resolve("xml.etree.ElementTree:Element") is tree.Element
    assert not symbols.has("os:getcwd")
    assert not symbols.has("posix:getcwd")
    assert not symbols.has("made:os.getcwd")
    assert not symbols.has("json:codecs.open")
    assert not symbols.has("made:json.codecs.open")
    assert not symbols.has("random:random")


def test_nothing_is_imported_by_its_name() -> None:
    sys.modules.pop("antigravity", None)
    assert not SYMBOLS.has("antigravity:anything")
    assert "antigravity" not in sys.modules


def test_classes_within_annotations_are_reached() -> None:
    def task(order: v.Order) -> list[v.Point | None]:
        raise NotImplementedError

    class Holder:
        box: v.Box[v.Frozen]

    for contents in ({"task": task}, {"Holder": Holder}):
        assert Symbols([a_module(**contents)])
    task.__qualname__ = "task"
    symbols = Symbols([a_module(task=task)])
    assert symbols.resolve("tests.codec.values:Point") is v.Point
    assert symbols.resolve("tests.codec.values:Meta") is v.Meta, "a class in a field of a class"
    assert not symbols.has("tests.codec.values:Frozen")


def test_a_module_may_grow() -> None:
    module = a_module()
    symbols = Symbols([module])
    assert not symbols.has("made:late")
    assert not symbols.has("tests.codec.values:Point")
    vars(module)["late"] = 5
    vars(module)["Point"] = v.Point
    assert symbols.resolve("made:late") == 5
    assert symbols.resolve("tests.codec.values:Point") is v.Point


def test_no_builtin_reaches_further_than_its_arguments() -> None:
    dangerous = {"eval", "exec", "open", "compile", "getattr", "setattr", "vars", "globals"}
    assert not dangerous & BUILTINS.keys()
