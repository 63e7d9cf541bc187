"""`duetto check` and `duetto graph`: what a workflow may do, costs and exchanges."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Project


def test_costs_and_contracts_are_told_by_placement(project: Project) -> None:
    fulfil = project.lines("check")[0]
    assert (fulfil["workflow"], fulfil["choice_points"]) == ("fulfil", [])
    costs = {one["placement"]: one for one in fulfil["placements"]}
    assert costs["orchestration"]["one_store"] == {"messages": 0, "store_writes": 3}
    assert costs["choreography"]["store_each"] == {"messages": 3, "store_writes": 4}
    crossings = [(one["from"], one["to"], one["kind"]) for one in fulfil["contracts"]]
    assert crossings == [
        ("app", "inventory", "token"),
        ("inventory", "payments", "token"),
        ("payments", "app", "report"),
    ]
    assert fulfil["contracts"][0]["carries"] == {"order": "Order"}
    assert fulfil["contracts"][2]["carries"] == {"result": "str"}


def test_what_is_told_to_people(project: Project) -> None:
    said = project.duetto("check", "--placement", "hybrid:payments").stdout
    assert re.search(r"^fulfil   shop_\d+\.py:\d+   \d+ nodes   home app$", said, re.M)
    assert re.search(r"^  orchestration +2 +0 +3 ", said, re.M)
    assert "contracts under hybrid:payments" in said
    assert "inventory → payments   token at line" in said
    assert "3 workflows, 0 errors" in said


def test_a_choice_point_has_its_line_and_reason(project: Project) -> None:
    source = (project.folder / f"{project.module}.py").read_text()
    source = source.replace(
        "    await reserve(order)\n", "    n = random()\n    await reserve(order)\n"
    )
    project.write(f"{project.module}.py", "from random import random\n" + source)
    [point] = project.lines("check")[0]["choice_points"]
    lines = (project.folder / f"{project.module}.py").read_text().splitlines()
    assert "random()" in lines[point["line"] - 1]
    assert "random" in point["reason"]


def test_a_workflow_outside_the_subset_is_named_with_its_line(project: Project) -> None:
    file = project.folder / f"{project.module}.py"
    source = file.read_text().replace("    return await charge(order)", "    return charge(order)")
    file.write_text(source)
    said = project.duetto("check", code=1).stderr
    line = source.splitlines().index("    return charge(order)") + 1
    assert f"{file.name}:{line}:" in said
    assert "  found " in said
    assert "Traceback" not in said


def test_a_traceback_is_shown_when_asked_for(project: Project) -> None:
    project.write(f"{project.module}.py", "import nowhere_at_all\n")
    said = project.duetto("check", code=4).stderr
    assert f"{project.module}.py:1" in said
    assert "No module named 'nowhere_at_all'" in said
    assert "Traceback" not in said
    assert "Traceback" in project.duetto("check", "--traceback", code=4).stderr


def test_a_graph_is_mermaid_text(project: Project) -> None:
    said = project.duetto("graph", "fulfil", "--placement", "choreography").stdout
    assert said.startswith("flowchart TD\n")
    assert 'subgraph p1["inventory"]' in said
    assert "==>" in said
    assert "==>" not in project.duetto("graph", "fulfil").stdout


def test_a_picture_is_drawn_into_a_file(project: Project) -> None:
    result = project.duetto("graph", "fulfil", "--svg", "fulfil.svg", "--json")
    assert json.loads(result.stdout)["svg"] == "fulfil.svg"
    text = (project.folder / "fulfil.svg").read_text()
    ElementTree.fromstring(text)
    assert "choreography" in text
    assert "release" in text


@pytest.mark.parametrize(
    ("args", "code", "found"),
    [
        (("graph", "fulfill"), 3, "did you mean `fulfil`?"),
        (("graph", "fulfil", "--placement", "anarchy"), 4, "`anarchy` is not a placement."),
        (("graph", "fulfil", "--placement", "hybrid:nobody"), 4, "which is no service here"),
        (("graph", "fulfil", "--svg", "nowhere/x.svg"), 4, "cannot be written"),
        (("check", "--placement", "hybrid:nobody"), 4, "which is no service here"),
    ],
)
def test_what_does_not_fit_is_refused(
    project: Project, args: tuple[str, ...], code: int, found: str
) -> None:
    assert found in project.duetto(*args, code=code).stderr
