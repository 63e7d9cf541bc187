"""F29: what a run needs and today's app lacks parks it; it goes on once that is back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from duetto import App
from duetto.errors import DefinitionError, NotAllowed, StoreNewer
from duetto.kernel import program
from duetto.model.definition import encode
from duetto.observer import TokenParked
from duetto.store import Batch, seal
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite.connection import connect, let_go
from tests.faults.apps import Signals, in_grammar

NAME = "deployed"

OLD = """
    from dataclasses import dataclass
    from typing import Any
    from duetto import Retry, Service, sleep, workflow

    till = Service("till")
    ledger = []

    @dataclass(frozen=True)
    class Price:
        pence: int

    def doubled(pence: int) -> int:
        return 2 * pence

    @till.task(retry=Retry(attempts_max=1))
    async def pay(pence: int) -> int:
        ledger.append(("pay", pence))
        return pence

    @till.task(retry=Retry(attempts_max=1))
    async def thank(pence: int) -> str:
        ledger.append(("thank", pence))
        return f"thanks for {pence}"

    @workflow
    async def total(pence: int) -> int:
        return doubled(pence)

    @workflow
    async def with_task(pence: int) -> str:
        await sleep(3600)
        return await thank(pence)

    @workflow
    async def with_helper(pence: int) -> int:
        await sleep(3600)
        return await pay(doubled(pence))

    @workflow
    async def with_class(pence: int) -> int:
        price: Any = Price(pence)
        await sleep(3600)
        paid = await pay(1)
        return paid + price.pence

    @workflow
    async def with_call(pence: int) -> int:
        await sleep(3600)
        paid = await pay(1)
        sum = await total(paid)
        return sum
"""


class Clock:
    """A clock that a test moves; ids are the test's."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def random(self) -> float:
        return 0.5

    def draw_id(self) -> str:
        raise AssertionError("ids are given")


class Deployment:
    """A module as it is deployed: written, imported, changed, imported anew."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.signals = folder, Clock(), Signals()

    def module(self, *without: str) -> ModuleType:
        """Return the module, without what mentions some texts."""
        blocks = dedent(OLD).split("\n\n")
        kept = [block for block in blocks if not any(text in block for text in without)]
        number = sum(1 for _ in self.folder.glob("v*"))
        home = self.folder / f"v{number}"
        home.mkdir()
        (home / f"{NAME}.py").write_text("\n\n".join(kept))
        sys.modules.pop(NAME, None)
        sys.path.insert(0, str(home))
        try:
            return __import__(NAME)
        finally:
            sys.path.remove(str(home))

    def app(self, module: ModuleType) -> App:
        """Return the app of what a module has."""
        found = [each for each in vars(module).values() if type(each).__name__ == "Workflow"]
        return App(
            "deployed",
            services=[module.till],
            workflows=found,
            store=self.folder / "store.sqlite",
            clock=self.clock,
            observer=self.signals,
        )


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    yield Deployment(tmp_path)
    sys.modules.pop(NAME, None)


async def asleep(deployment: Deployment, name: str) -> None:
    """Start a run that goes on in an hour."""
    module = deployment.module()
    async with deployment.app(module) as app:
        await app.start_async(getattr(module, name), 7, id="r")
    deployment.clock.ms += 3_600_000


@pytest.mark.parametrize(
    ("workflow", "lost", "result"),
    [
        ("with_task", ("thank(",), "thanks for 7"),
        ("with_helper", ("doubled(", "total("), 14),
        ("with_class", ("Price",), 8),
        ("with_call", ("doubled(", "total("), 2),
    ],
)
async def test_what_is_unknown_here_parks_and_goes_on_when_it_is_back(
    deployment: Deployment, workflow: str, lost: tuple[str, ...], result: Any
) -> None:
    await asleep(deployment, workflow)
    module = deployment.module(*lost)
    async with deployment.app(module) as app:
        await app.operations.settled()
        [waiting] = app.operations.explain("r")
        assert waiting.kind == "parked"
        assert lost[0].rstrip("(") in waiting.text
        assert "duetto runs resume r" in waiting.text
        assert app.operations.show("r").status == "running"
        assert deployment.signals.of(TokenParked)
        [parked] = [fact for fact in app.operations.history("r") if fact.what == "parked"]
        assert lost[0].rstrip("(") in parked.text
    module = deployment.module()
    async with deployment.app(module) as app:
        assert await app.operations.resume("r") == 1
        assert await app.operations.result("r") == result


async def test_what_is_still_unknown_is_not_resumed(deployment: Deployment) -> None:
    await asleep(deployment, "with_task")
    module = deployment.module("thank(")
    async with deployment.app(module) as app:
        await app.operations.settled()
        with pytest.raises(NotAllowed, match="cannot go on yet") as caught:
            await app.operations.resume("r")
        assert in_grammar(caught.value)
    assert module.ledger == []


async def test_a_definition_of_a_newer_format_parks(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asleep(deployment, "with_helper")
    module = deployment.module("doubled(", "total(")
    with monkeypatch.context() as patch:
        patch.setattr(program, "FORMAT", 0)
        app = deployment.app(module)
        async with app:
            await app.operations.settled()
            [waiting] = app.operations.explain("r")
            assert waiting.kind == "parked"
            assert "is newer than this Duetto" in waiting.text
    module = deployment.module()
    async with deployment.app(module) as app:
        assert await app.operations.resume("r") == 1
        assert await app.operations.result("r") == 14


async def test_a_definition_that_cannot_be_read_is_told_so(deployment: Deployment) -> None:
    """Of a newer version with another kind of node, say."""
    module = deployment.module()
    app = deployment.app(module)
    foreign = encode(module.with_task.definition).replace(b"wait", b"nova")
    app.programs.fetch_from({"d": foreign}.get)
    with pytest.raises(DefinitionError, match="cannot be read") as caught:
        app.programs.definition("d")
    assert in_grammar(caught.value)


async def test_a_run_finishes_on_its_own_definition(deployment: Deployment) -> None:
    """Code that changes under a run does not change what it does next."""
    await asleep(deployment, "with_helper")
    module = deployment.module("thank(")
    async with deployment.app(module) as app:
        assert await app.operations.result("r") == 14
    assert module.ledger == [("pay", 14)]


# -- the layout of the store


def a_store(path: Path) -> None:
    """Make a store with something in it."""
    store = SqliteStore.open(path)
    store.commit(Batch(journal=[(1, seal(b"kept"))]))
    store.close()


async def test_an_app_refuses_a_store_of_a_newer_version(deployment: Deployment) -> None:
    path = deployment.folder / "store.sqlite"
    a_store(path)
    db = connect(path, write=True)
    db.pragma("user_version", 99)
    let_go(db)
    before = path.read_bytes()
    with pytest.raises(StoreNewer) as caught:
        await deployment.app(deployment.module()).__aenter__()
    assert "layout 99" in caught.value.found
    assert in_grammar(caught.value)
    assert path.read_bytes() == before
