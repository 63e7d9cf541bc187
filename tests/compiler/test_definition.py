"""Definitions as a whole: parameters, names, lines, digests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from duetto.model.definition import Definition, TypeRef, decode, digest, encode
from duetto.model.expression import Const
from tests.compiler.graphs import graph, parameters
from tests.compiler.sources import FIRST_LINE, HEADER, Compile, Load, body
from tests.compiler.test_graphs import Case, cases

DIGESTS = """
import flows
from duetto.model.definition import digest
print(digest(flows.flow.definition))
"""
BUSY = """\
from __future__ import annotations
items, seen = [], {"a", "b"}
for line in order.lines:
    items = [*items, (line.code, line.price)]
try:
    n = await gather(count(line.code) for line in order.lines)
    x = await race(count("a"), receive(Approved, key=order.id))
except (OutOfStock, ValueError) as error:
    log.info("no %s", error)
    raise
finally:
    await refund(order)
return {"n": n, "x": x}
""".removeprefix("from __future__ import annotations\n")


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases()])
def test_a_definition_comes_back_from_its_bytes(case: Case, compiled: Compile) -> None:
    definition = compiled(case.code)
    again = decode(encode(definition))
    assert again == definition
    assert digest(again) == digest(definition) == digest(compiled(case.code))


def test_a_digest_is_the_same_in_every_process(tmp_path: Path, load: Load) -> None:
    here = digest(load(body(BUSY)).flow.definition)
    (tmp_path / "flows.py").write_text(HEADER + body(BUSY), "utf-8")
    found = {in_a_process(tmp_path, seed) for seed in ("0", "1", "17")}
    assert found == {here}


def in_a_process(folder: Path, seed: str) -> str:
    """Return the digest that another process prints."""
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(folder), str(root), str(root / "src")])
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
    command = [sys.executable, "-c", DIGESTS]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_parameters_have_types_and_defaults(load: Load) -> None:
    text = body("pass", "a: int, /, b: list[Order], c: str = 'x', *, d: Order | None = None")
    definition = load(text).flow.definition
    shown = "a: int, b: list[Order], c: str = 'x', d: Order | None = None"
    assert parameters(definition) == shown
    region = definition.regions[0]
    assert [each.keyword_only for each in region.parameters] == [False, False, False, True]
    assert region.parameters[2].default == Const("x")


def test_the_result_has_the_declared_type(load: Load) -> None:
    definition: Definition = load("""
        @workflow
        async def flow(order: Order) -> dict[str, list[int]] | None:
            return None
        """).flow.definition
    union = (
        TypeRef("dict", (TypeRef("str"), TypeRef("list", (TypeRef("int"),)))),
        TypeRef("None"),
    )
    assert definition.types[definition.result] == TypeRef("union", union)
    assert graph(definition) == "0: return None: dict[str, list[int]] | None"


def test_annotations_may_be_in_quotes(load: Load) -> None:
    definition = load(body("x: 'list[Order]' = []", "order: 'Order'")).flow.definition
    assert parameters(definition) == "order: Order"
    assert graph(definition) == "0: x: list[Order] = list[] -> end"


def test_a_workflow_calls_others_by_their_digest(load: Load) -> None:
    module = load("""
        @workflow(name="pieces")
        async def part(order: Order, *, twice: bool = False) -> int:
            return len(order.lines)

        @workflow
        async def flow(order: Order) -> int:
            a = await part(order, twice=True)
            return await flow(order)
        """)
    part, flow = module.part.definition, module.flow.definition
    assert flow.callees == (("flow", ""), ("pieces", digest(part)))
    assert graph(flow).split("\n")[0] == "0: a: int = call pieces(order, twice=True) -> 1"


def test_every_node_has_the_line_of_the_user(compiled: Compile) -> None:
    definition = compiled(
        "x = 1\n\nif x:\n    # a comment\n    await audit()\nreturn (\n    x\n)\n"
    )
    lines = [node.line - FIRST_LINE for node in definition.regions[0].nodes]
    assert lines == [0, 2, 4, 5]


def test_the_file_is_named_from_its_package_on(compiled: Compile) -> None:
    from tests.compiler import packaged

    assert compiled("pass").file == "flows.py"
    assert packaged.flow.definition.file == "tests/compiler/packaged.py"


def test_home_and_name_are_kept(load: Load) -> None:
    definition = load("""
        @workflow(home=shop.payments, name="bill")
        async def flow(order: Order) -> None:
            await flow(order)
        """).flow.definition
    assert (definition.name, definition.home) == ("bill", "payments")
    assert graph(definition) == "0: call bill(order) -> end"


def test_what_is_named_may_be_closed_over(load: Load) -> None:
    module = load("""
        def make():
            from tests.compiler.shop import count as counted, Order as Kind
            @workflow
            async def local(order: Kind) -> int:
                x = await counted("a")
                return await local(Kind(order.id, []))
            return local
        flow = make()
        """)
    shown = graph(module.flow.definition).split("\n")
    assert shown[0] == "0: x: int = inventory.count('a') -> 1"
    assert shown[1].endswith("call local(tests.compiler.shop:Order(order.id, list[])) -> 2")
