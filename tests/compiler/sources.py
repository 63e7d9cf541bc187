"""Workflows from text: written to a module of their own, so that they have lines and columns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType

import pytest

from duetto.model.definition import Definition

HEADER = """\
from __future__ import annotations

import asyncio
import dataclasses
import math
import os
from datetime import datetime, timedelta
from typing import Any

import duetto.errors
from duetto.authoring import (
    emit, gather, race, receive, saga, sleep, timeout, workflow,
)
from tests.compiler import shop
from tests.compiler.shop import (
    RATE, RETRIES, RETRYABLE, Approved, Basket, Colour, Line, Order, OutOfStock,
    audit, charge, count, fetch, log, refund, release, reserve, total,
)

"""
FIRST_LINE = HEADER.count("\n") + 3
"""The line of the first statement of a body that is put into `order`'s workflow."""

Load = Callable[[str], ModuleType]
Compile = Callable[[str], Definition]


def load_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that imports a module of this text, below the usual imports."""

    def load(text: str) -> ModuleType:
        path = folder / "flows.py"
        path.write_text(HEADER + dedent(text), "utf-8")
        spec = spec_from_file_location("flows", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "flows", module)
        spec.loader.exec_module(module)
        return module

    return load


def body(text: str, signature: str = "order: Order") -> str:
    """Return a workflow `flow` with this body."""
    return f"@workflow\nasync def flow({signature}) -> Any:\n{indent(dedent(text), '    ')}"
