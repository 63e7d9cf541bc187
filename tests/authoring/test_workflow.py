"""The decorator: compiled at import, plain Python when called."""

from __future__ import annotations

import traceback

import pytest

from duetto.authoring import Service, gather, workflow
from duetto.errors import ConfigurationError, DefinitionError
from duetto.model.definition import Definition
from tests.authoring.ledger import Declined, Ledger

ledger = Ledger()
do, fail = ledger.do, ledger.fail
payments = Service("payments")


@workflow
async def prepare(name: str) -> str:
    """Do one thing."""
    return await do(name)


@workflow(home=payments, name="fulfil_order")
async def fulfil(name: str, fails: bool = False) -> str:
    first = await prepare(name)
    second, third = await gather(do("b"), do("c"))
    if fails:
        await fail("x")
    return first + second + third


def refused_body(name: str) -> None:
    """Is not asynchronous."""


def test_a_workflow_is_compiled_where_it_is_declared() -> None:
    assert isinstance(fulfil.definition, Definition)
    assert (fulfil.name, fulfil.definition.name) == ("fulfil_order", "fulfil_order")
    assert (fulfil.home, fulfil.definition.home) == (payments, "payments")
    assert (prepare.home, prepare.definition.home) == (None, "")
    assert fulfil.callees == {"prepare": prepare}
    assert [name for name, _ in fulfil.definition.callees] == ["prepare"]


def test_a_workflow_reads_like_its_function() -> None:
    assert (prepare.__name__, prepare.__doc__) == ("prepare", "Do one thing.")
    assert prepare.file == __file__
    assert repr(fulfil) == "<workflow fulfil_order>"


async def test_a_compiled_workflow_is_plain_python_when_called() -> None:
    ledger.lines.clear()
    assert await fulfil("a") == "ABC"
    with pytest.raises(Declined):
        await fulfil("a", fails=True)
    assert ledger.lines[3:] == ["a", "b", "c", "undo c C", "undo b B", "undo a A"]


def test_a_refused_function_shows_the_users_frames_only() -> None:
    with pytest.raises(DefinitionError) as refused:
        workflow(refused_body)  # pyright: ignore[reportArgumentType]  # the point of the test
    files = [frame.filename for frame in traceback.extract_tb(refused.value.__traceback__)]
    assert not [file for file in files if "compiler" in file]


def test_a_name_with_a_dot_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a workflow"):
        workflow(name="a.b")(prepare.body)
