"""Everything outside of the workflow language is refused, with its place and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from duetto.errors import DefinitionError
from tests.compiler.sources import FIRST_LINE, Compile, Load, body

CASES_MIN = 120
"""The file of refused constructs is not cut by accident."""


class Case(NamedTuple):
    """A body and the error that it gives; lines count from the first of the body."""

    name: str
    code: str
    error: str


def cases() -> list[Case]:
    """Return the cases of `refused.txt`: `== name`, the code, `--`, the error."""
    text = (Path(__file__).parent / "refused.txt").read_text("utf-8")
    blocks = [block.partition("\n") for block in f"\n{text}".split("\n== ")[1:]]
    parted = [(name, rest.partition("\n--\n")) for name, _, rest in blocks]
    return [Case(name, code, error.strip()) for name, (code, _, error) in parted]


def relative(error: DefinitionError) -> str:
    """Return the text of an error with lines that count from the first of the body."""
    return re.sub(
        r"^flows\.py:(\d+):",
        lambda found: f"{int(found[1]) - FIRST_LINE + 1}:",
        str(error),
        flags=re.MULTILINE,
    )


def test_there_are_many_cases() -> None:
    names = [case.name for case in cases()]
    assert len(names) >= CASES_MIN
    assert len(set(names)) == len(names)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases()])
def test_a_construct_is_refused(case: Case, compiled: Compile) -> None:
    with pytest.raises(DefinitionError) as caught:
        compiled(case.code)
    assert relative(caught.value) == case.error


def test_several_errors_are_shown_together(compiled: Compile) -> None:
    with pytest.raises(DefinitionError) as caught:
        compiled("reserve(order)\nif order.lines:\n    x = totl(order)\n    del x\n")
    first = caught.value
    places = [(each.line - FIRST_LINE, each.column) for each in (first, *first.others)]
    assert places == [(0, 5), (2, 13), (3, 9)]
    assert str(first).count("\n\n") == 2


def test_a_column_counts_characters(compiled: Compile) -> None:
    with pytest.raises(DefinitionError) as caught:
        compiled('x = ["größer", totl]\n')
    assert caught.value.column == 20


SIGNATURES = {
    "order": ("order", "no annotation", 16, "write `order: SomeType`"),
    "args": ("*args: int", "no `*args`", 17, "write `args: list[…]` or `args: dict[str, …]`"),
    "kwargs": ("**more: int", "no `*args`", 18, "write `more: list[…]` or `more: dict[str, …]`"),
    "unknown": ("order: Oder", "`Oder` is not defined", 23, "did you mean `Order`?"),
    "value": ("order: total", "cannot be the type", 23, "name a class"),
    "default": ("order: int = gather", "not a value", 29, "write it where it is needed"),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_parameter_is_refused(name: str, load: Load) -> None:
    signature, message, column, do = SIGNATURES[name]
    with pytest.raises(DefinitionError) as caught:
        load(body("pass", signature))
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (FIRST_LINE - 1, column)
    assert caught.value.do.startswith(do)


def test_a_plain_function_is_no_workflow(load: Load) -> None:
    with pytest.raises(DefinitionError, match="is not an `async def`") as caught:
        load("@workflow\ndef flow(order: Order) -> None: ...\n")
    assert caught.value.do == "write `async` before `def`"


def test_a_local_variable_is_out_of_reach(load: Load) -> None:
    with pytest.raises(DefinitionError, match="a local variable of the function around") as caught:
        load("""
            def make():
                secret = 1
                @workflow
                async def flow(order: Order) -> int:
                    return secret
                return flow
            make()
            """)
    assert "pass `secret` as a parameter" in caught.value.do


def test_what_stands_below_is_not_there_yet(load: Load) -> None:
    with pytest.raises(DefinitionError, match="`later` is defined below") as caught:
        load(body("return later(order)") + "\n\ndef later(order: Order) -> int: return 1\n")
    assert caught.value.do == "move `later` above the workflow"


def test_two_workflows_of_one_name_cannot_be_called(load: Load) -> None:
    with pytest.raises(DefinitionError, match="Two workflows are named `part`"):
        load("""
            @workflow(name="part")
            async def one(a: int) -> int:
                return a

            @workflow(name="part")
            async def two(a: int) -> int:
                return a + 1

            @workflow
            async def flow(a: int) -> int:
                b = await one(a)
                return await two(b)
            """)
