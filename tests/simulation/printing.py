"""A generated workflow as source that a person can read, and its scenario in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from msgspec import structs

from duetto.model.placement import Placement
from duetto.testing.simulation import blocks as b
from duetto.testing.simulation.faults import Fault
from duetto.testing.simulation.scenario import Scenario

GIVEN = ", ".join(b.VARIABLES)
MODULUS = "2**31 - 1"
STEP = "    "


def source(block: b.Block, name: str = "generated") -> str:
    """Return a workflow, its branches and the workflows that it calls, innermost first."""
    printer = _Printer(name)
    printer.function(name, block)
    return "\n\n".join(printer.functions) + "\n"


class _Printer:
    """Writes functions as it meets them."""

    def __init__(self, name: str) -> None:
        self.name, self.functions = name, list[str]()
        self.names = 0

    def function(self, name: str, body: b.Block, mark: str = "@workflow\n") -> None:
        lines = list(self.block(body))
        if not _ends(body):
            lines.append("return x")
        written = "\n".join(f"{STEP}{line}" for line in lines)
        self.functions.append(f"{mark}async def {name}({GIVEN}):\n{written}")

    def fresh(self, kind: str) -> str:
        self.names += 1
        return f"{kind}_{self.names}"

    def block(self, block: b.Block) -> Iterator[str]:
        """Yield the lines of a block."""
        match block:
            case b.Sequence(blocks):
                for each in blocks:
                    yield from self.block(each)
            case b.Step(task, given, into):
                yield f"{into} = await {task}({given})"
            case b.Set(into, given, other, add):
                more = f" + {add}" if add else ""
                yield f"{into} = ({given} * 31 + {other}{more}) % ({MODULUS})"
            case b.Together() | b.Each() | b.First() | b.Sub():
                yield self.fork(block)
            case b.Sleep(ms):
                yield f"await sleep({seconds(ms)})"
            case b.Await(ms):
                yield f"await receive(Never, key=x, timeout={seconds(ms)})"
            case b.Tell():
                yield "await emit(x)"
            case b.Fail(message):
                yield f"raise ValueError({message!r})"
            case b.Leave():
                yield "return x"
            case _:
                yield from self.compound(block)

    def compound(
        self, block: b.Either | b.Repeat | b.Try | b.Cleanup | b.Saga | b.Limit
    ) -> Iterator[str]:
        match block:
            case b.Either(rest, then, otherwise):
                yield f"if x % 2 == {rest}:"
                yield from self.inside(then)
                yield "else:"
                yield from self.inside(otherwise)
            case b.Repeat(times, body):
                yield f"for _ in range({times}):"
                yield from self.inside(body)
            case b.Try(body, catches, handler):
                yield "try:"
                yield from self.inside(body)
                yield f"except {catches}:"
                yield from self.inside(handler)
            case b.Cleanup(body, final):
                yield "try:"
                yield from self.inside(body)
                yield "finally:"
                yield from self.inside(final)
            case b.Saga(body, keep):
                yield f"async with saga({'' if keep else 'keep=False'}):"
                yield from self.inside(body)
            case b.Limit(ms, body):
                yield f"async with timeout({seconds(ms)}):"
                yield from self.inside(body)
            case _:
                assert_never(block)

    def inside(self, block: b.Block) -> Iterator[str]:
        lines = list(self.block(block)) or ["pass"]
        return (f"{STEP}{line}" for line in lines)

    def fork(self, block: b.Together | b.Each | b.First | b.Sub) -> str:
        match block:
            case b.Together(branches, fail_fast, limit):
                calls = ", ".join(self.branch(each) for each in branches)
                options = _options(fail_fast, limit)
                return f"x = sum(await gather({calls}{options})) % ({MODULUS})"
            case b.Each(count, body, fail_fast, limit):
                call = self.branch(body).replace("(x,", "(x + i,")
                options = _options(fail_fast, limit)
                each = f"({call} for i in range({count}))" if options else call
                each = each if options else f"{call} for i in range({count})"
                return f"x = sum(await gather({each}{options})) % ({MODULUS})"
            case b.First(branches):
                return f"x = await race({', '.join(self.branch(each) for each in branches)})"
            case b.Sub(body):
                name = self.fresh("called")
                self.function(name, body)
                return f"x = await {name}({GIVEN})"
            case _:
                assert_never(block)

    def branch(self, body: b.Block) -> str:
        """Write a branch as a function, and return its call."""
        name = self.fresh("branch")
        self.function(name, body, "")
        return f"{name}({GIVEN})"


def _options(fail_fast: bool, limit: int) -> str:
    return f"{', cancel=True' if fail_fast else ''}{f', limit={limit}' if limit else ''}"


def _ends(block: b.Block) -> bool:
    """Does nothing follow a block?"""
    if isinstance(block, b.Sequence):
        return bool(block.blocks) and _ends(block.blocks[-1])
    return isinstance(block, b.Leave | b.Fail)


def seconds(ms: int) -> str:
    """Return milliseconds as Python's seconds."""
    return f"{ms / 1000:g}"


def described(scenario: Scenario) -> str:
    """Return a scenario in words: the workflow, its system, and a line for each fault."""
    lines = [source(scenario.block), *_system(scenario), ""]
    count = len(scenario.faults)
    lines.append(f"{count} fault{'' if count == 1 else 's'}{':' if count else ''}")
    lines += [f"  {fault_told(fault)}" for fault in scenario.faults]
    return "\n".join(lines)


def _system(scenario: Scenario) -> Iterator[str]:
    yield f"home        {scenario.home or 'app'}"
    for number, names in enumerate(scenario.stores):
        who = ", ".join(name or "app" for name in names)
        yield f"process {number}   {who}: {placement_told(scenario.placements[number])}"
    if scenario.failing:
        yield f"failing     {scenario.failing:.0%} of the tasks"


def placement_told(placement: Placement) -> str:
    """Return a placement as it is written, where that is short."""
    if not placement.by_task:
        return placement.name
    where = ", ".join(f"{task}={at or 'app'}" for task, at in placement.by_task.items())
    return f"{placement.name} ({where})"


def fault_told(fault: Fault) -> str:
    """Return a fault as one line: its kind, and what it says of when and where."""
    parts = [
        f"{name}={_value(value)}"
        for name, value in zip(fault.__struct_fields__, structs.astuple(fault), strict=True)
    ]
    return f"{type(fault).__name__}({', '.join(parts)})"


def in_words(fault: Fault) -> str:
    """Return a fault for a chart, where there is room between words."""
    kind = re.sub("(?<!^)(?=[A-Z])", " ", type(fault).__name__).lower()
    values = zip(fault.__struct_fields__, structs.astuple(fault), strict=True)
    return f"{kind}: {', '.join(f'{name} {_value(value)}' for name, value in values)}"


def _value(value: object) -> str:
    match value:
        case Placement():
            return placement_told(value)
        case float():
            return f"{value:g}"
        case "":
            return "app"
        case _:
            return str(value)
