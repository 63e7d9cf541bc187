"""One seed: a module is drawn, run as plain Python and by Duetto, and the two are compared."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from duetto.app import App
from duetto.authoring.workflow import Workflow
from duetto.errors import RunFailed
from duetto.model.placement import choreography, hybrid, orchestration
from duetto.testing.simulation.loop import VirtualLoop
from tests.simulation import workshop
from tests.simulation.reference import Wrong
from tests.simulation.sources import Source

PLACEMENTS = (orchestration(), choreography(), hybrid("middle"))

Ending = tuple[str, Any, list[tuple[str, object]]]
"""What came out: a result, or the class and text of an error; and the effects in their order."""


class Sources:
    """What a series of seeds has covered."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()

    def text(self) -> str:
        """Return the counts, a line for each kind of them."""
        return f"  statements {dict(self.kinds.most_common())}\n  endings {dict(self.endings)}"


def compare(seed: int, counts: Sources) -> None:
    """Compare one generated workflow under every placement. Raises Wrong."""
    source = Source(Random(f"source {seed}"))
    text = source.module()
    name = f"generated_{seed}"
    with TemporaryDirectory() as folder:
        module = imported(name, text, Path(folder))
        try:
            compare_module(module, seed, counts)
        finally:
            del sys.modules[name]
            linecache.clearcache()
    counts.kinds.update(source.kinds)


def imported(name: str, text: str, folder: Path) -> ModuleType:
    """Write a module and import it."""
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a file has a spec"
    assert spec.loader is not None, "a file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:  # as the import system does: a module that failed is not there
        del sys.modules[name]
        raise
    return module


def compare_module(module: ModuleType, seed: int, counts: Sources) -> None:
    random = Random(seed)
    arguments = (random.randint(-2, 9), random.randint(-2, 9))
    expected = ended(plain(module.flow, arguments))
    counts.endings[expected[0]] += 1
    for placement in PLACEMENTS:
        app = App(
            "generated",
            services=workshop.SERVICES,
            workflows=[module.flow],
            store="memory:",
            placement=placement,
        )
        found = ended(by_duetto(app, module.flow, arguments))
        if found != expected:
            raise Wrong(4, f"{placement.name}: {found} instead of {expected}")


async def plain(flow: Workflow[..., Any], arguments: tuple[int, int]) -> Any:
    """Run it as Python does."""
    return await flow(*arguments)


async def by_duetto(app: App, flow: Workflow[..., Any], arguments: tuple[int, int]) -> Any:
    """Run it by Duetto; an error is the workflow's own."""
    async with app:
        try:
            return await app.run_async(flow, *arguments)
        except RunFailed as failed:
            raise (failed.__cause__ or failed) from None


def ended(work: Any) -> Ending:
    """Run to the end in virtual time."""
    workshop.EFFECTS.clear()
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(work)
        return "result", repr(result), list(workshop.EFFECTS)
    except Exception as error:  # whatever it is, it is what is compared
        return type(error).__name__, str(error), list(workshop.EFFECTS)
    finally:
        loop.shut()


__all__ = ["Sources", "compare"]
