"""A project in a folder of its own, and the command line within it."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from duetto.cli import door

APP = """
from dataclasses import dataclass

from duetto import App, Retry, Service, sleep, workflow

once = Retry(attempts_max=1)
inventory, payments = Service("inventory"), Service("payments")


@dataclass(frozen=True)
class Order:
    id: str
    n: int = 1


@inventory.task(retry=once)
async def reserve(order: Order) -> int:
    return order.n


@reserve.compensate(retry=once)
async def release(n: int) -> None:
    if n == 13:
        raise OSError("nobody answers")


@payments.task(retry=once)
async def charge(order: Order) -> str:
    if order.n > 5:
        raise ValueError("too big")
    return f"paid {order.n}"


@workflow
async def fulfil(order: Order) -> str:
    await reserve(order)
    return await charge(order)


@workflow
async def wait(order: Order) -> int:
    n = await reserve(order)
    await sleep(3600)
    return n


@workflow
async def add(a: int, b: int = 1) -> int:
    return a + b


app = App("shop", services=[inventory, payments], workflows=[fulfil, wait, add])
"""

numbers = itertools.count(1)


class Project:
    """A folder with an app; `module` is its name, which no other test has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = f"shop_{next(numbers)}"
        self.write(f"{self.module}.py", APP)
        self.write(
            "pyproject.toml",
            f'[tool.duetto]\napp = "{self.module}:app"\nstore = "./shop.sqlite"\n',
        )

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file

    def orders(self, *quantities: int, name: str = "orders.jsonl") -> Path:
        """Write a line per order; its id is its place, from 1."""
        lines = (json.dumps({"id": f"o{at}", "n": n}) for at, n in enumerate(quantities, 1))
        return self.write(name, "\n".join(lines) + "\n")

    def duetto(self, *args: str, code: int = 0, input: str | None = None) -> Result:
        """Run a command, and hold it to its exit code."""
        result = CliRunner().invoke(door, args, input=input, prog_name="duetto")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"exit code {result.exit_code}:\n{result.output}"
        return result

    def json(self, *args: str, code: int = 0) -> Any:
        """Run a command and return its one object."""
        return json.loads(self.duetto(*args, "--json", code=code).stdout)

    def lines(self, *args: str) -> list[Any]:
        """Run a command and return its objects, one a line."""
        return [json.loads(line) for line in self.duetto(*args, "--json").stdout.splitlines()]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project, in the current folder."""
    made = Project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield made
    sys.modules.pop(made.module, None)
