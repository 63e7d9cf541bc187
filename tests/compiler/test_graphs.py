"""What each construct of the language compiles to, as a graph."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from duetto.model.definition import Definition
from tests.compiler.graphs import graph, parameters
from tests.compiler.sources import Compile

CASES_MIN = 50
"""The file of graphs is not cut by accident."""


class Case(NamedTuple):
    """A body and the graph of its regions."""

    name: str
    code: str
    graph: str


def cases() -> list[Case]:
    """Return the cases of `graphs.txt`: `== name`, the code, `--`, the graph."""
    text = (Path(__file__).parent / "graphs.txt").read_text("utf-8")
    blocks = [block.partition("\n") for block in f"\n{text}".split("\n== ")[1:]]
    parted = [(name, rest.partition("\n--\n")) for name, _, rest in blocks]
    return [Case(name, code, graph.strip()) for name, (code, _, graph) in parted]


def regions(definition: Definition) -> str:
    """Return the graph of the body, then those of the branches with their parameters."""
    branches = range(1, len(definition.regions))
    shown = [f"-- {i}({parameters(definition, i)})\n{graph(definition, i)}" for i in branches]
    return "\n".join([graph(definition), *shown])


def test_there_are_many_cases() -> None:
    names = [case.name for case in cases()]
    assert len(names) >= CASES_MIN
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases()])
def test_a_construct_has_its_graph(case: Case, compiled: Compile) -> None:
    assert regions(compiled(case.code)) == case.graph
