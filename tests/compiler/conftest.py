"""Fixtures that compile workflows from text."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto.model.definition import Definition
from tests.compiler.sources import Compile, Load, body, load_from


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    return load_from(tmp_path, monkeypatch)


@pytest.fixture
def compiled(load: Load) -> Compile:
    def compile_body(text: str) -> Definition:
        return load(body(text)).flow.definition

    return compile_body
