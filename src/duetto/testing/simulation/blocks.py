"""Structured workflows to be generated: what Duetto compiles to graphs, and a reference reads."""

from __future__ import annotations

from random import Random

from msgspec import Struct

VARIABLES = ("x", "y", "z")
"""The variables of every region: small integers, all of them parameters of each branch."""

MODULUS = 2**31 - 1
"""Keeps values small, and its arithmetic mixes well."""

SERVICES = ("a", "b", "c")
TASKS = ("plain", "keep", "flaky", "slow", "late")
UNDOABLE = frozenset(("keep", "flaky", "slow", "late"))


class Step(Struct, frozen=True, tag=True):
    """`into = await task(source)`."""

    task: str
    source: str = "x"
    into: str = "x"


class Set(Struct, frozen=True, tag=True):
    """`into = (source * 31 + other + add) % MODULUS`."""

    into: str
    source: str
    other: str
    add: int


class Either(Struct, frozen=True, tag=True):
    """`if x % 2 == rest: then else: otherwise`."""

    rest: int
    then: Block
    otherwise: Block


class Repeat(Struct, frozen=True, tag=True):
    times: int
    body: Block


class Together(Struct, frozen=True, tag=True):
    """`x = sum(await gather(…)) % MODULUS`."""

    branches: tuple[Block, ...]
    fail_fast: bool = False
    limit: int = 0


class Each(Struct, frozen=True, tag=True):
    """The same over `count` items: each branch gets another x."""

    count: int
    body: Block
    fail_fast: bool = False
    limit: int = 0


class First(Struct, frozen=True, tag=True):
    """`x = await race(…)`."""

    branches: tuple[Block, ...]


class Sub(Struct, frozen=True, tag=True):
    """`x = await another_workflow(x, y, z)`."""

    body: Block


class Sleep(Struct, frozen=True, tag=True):
    ms: int


class Await(Struct, frozen=True, tag=True):
    """A `receive` for which no event comes."""

    ms: int


class Tell(Struct, frozen=True, tag=True):
    """`emit(x)`."""


class Try(Struct, frozen=True, tag=True):
    body: Block
    catches: str
    handler: Block


class Cleanup(Struct, frozen=True, tag=True):
    """`try: body finally: final`."""

    body: Block
    final: Block


class Saga(Struct, frozen=True, tag=True):
    body: Block
    keep: bool = True


class Limit(Struct, frozen=True, tag=True):
    """`async with timeout(…)`."""

    ms: int
    body: Block


class Fail(Struct, frozen=True, tag=True):
    message: str


class Leave(Struct, frozen=True, tag=True):
    """`return x`, from within."""


class Sequence(Struct, frozen=True, tag=True):
    blocks: tuple[Block, ...] = ()


Block = (
    Step
    | Set
    | Either
    | Repeat
    | Together
    | Each
    | First
    | Sub
    | Sleep
    | Await
    | Tell
    | Try
    | Cleanup
    | Saga
    | Limit
    | Fail
    | Leave
    | Sequence
)


class Shape(Struct, frozen=True):
    """What may be drawn. Without `choices` the outcome is a function of the input alone: no race,
    no timeout, no failing fast; `late` tasks are left out where a crash would repeat them."""

    choices: bool = False
    late: bool = True
    blocks_max: int = 18
    depth_max: int = 5


DEEP = 0.35
"""The share of inner places that get a leaf although there is room for more."""

ENDLESS_MS = 100_000_000
"""Longer than any run is waited for: what should interrupt it, and does not, is noticed."""


class Dice:
    """Draws one workflow."""

    def __init__(self, random: Random, shape: Shape) -> None:
        self.random, self.shape = random, shape
        self.left = random.randint(3, shape.blocks_max)
        self.raised = 0

    def block(self, depth: int = 0, *, leave: bool = True) -> Block:
        """Draw a block; `leave` is whether it may return from the region."""
        self.left -= 1
        random = self.random
        if (
            self.left <= 0
            or depth >= self.shape.depth_max
            or (depth > 1 and random.random() < DEEP)
        ):
            return self.leaf(leave)
        kind = random.choice(INNER + CHOOSING if self.shape.choices else INNER)
        return self.inner(kind, depth + 1, leave)

    def leaf(self, leave: bool) -> Block:
        random = self.random
        roll = random.random()
        if roll < 0.6:
            names = TASKS if self.shape.late else TASKS[:-1]
            weights = (6, 8, 3, 3, 1)[: len(names)]
            task = random.choices(names, weights)[0]
            service = random.choice(SERVICES)
            return Step(f"{service}.{task}", random.choice(VARIABLES), random.choice(VARIABLES))
        if roll < 0.72:
            into, source, other = (random.choice(VARIABLES) for _ in range(3))
            return Set(into, source, other, random.randint(0, 99))
        if roll < 0.8:
            return Sleep(random.choice((0, 1, 5, 20, 60, 700)))
        if roll < 0.88:
            return Await(random.choice((1, 10, 80, 400)))
        if roll < 0.91:
            return Tell()
        if roll < 0.96 or not leave:
            self.raised += 1
            return Fail(f"raised {self.raised}")
        return Leave()

    def inner(self, kind: str, depth: int, leave: bool) -> Block:
        random = self.random

        def inside(*, leave: bool = leave) -> Block:
            return self.block(depth, leave=leave)

        match kind:
            case "sequence":
                return Sequence(tuple(inside() for _ in range(random.randint(2, 4))))
            case "either":
                return Either(random.randint(0, 1), inside(), inside())
            case "repeat":
                return Repeat(random.randint(0, 3), inside())
            case "together":
                count = random.randint(2, 3)
                branches = tuple(inside(leave=True) for _ in range(count))
                return Together(branches, self.fast(), random.choice((0, 0, 0, 1, 2)))
            case "each":
                count = random.choice((0, 1, 2, 2, 3, 4))
                return Each(count, inside(leave=True), self.fast(), random.choice((0, 0, 1, 2)))
            case "sub":
                return Sub(inside(leave=True))
            case "try":
                catches = random.choice(("ValueError", "TimeoutError", "Exception", "Exception"))
                return Try(inside(), catches, inside())
            case "cleanup":
                return Cleanup(inside(), inside(leave=False))
            case "race":
                return First((inside(leave=True), self.endless(inside(leave=True))))
            case "limit":
                return Limit(random.randint(1, 300), self.endless(inside()))
            case _:
                return Saga(inside(), random.random() < 0.75)

    def fast(self) -> bool:
        return self.shape.choices and self.random.random() < 0.4

    def endless(self, body: Block) -> Block:
        """Sometimes let a body go on until it is interrupted, or swallow what interrupts it."""
        roll = self.random.random()
        if roll < 0.6:
            return body
        if roll < 0.75:
            return Sequence((body, Sleep(ENDLESS_MS)))
        if roll < 0.85:
            stubborn = Cleanup(Sequence((body, Sleep(ENDLESS_MS))), Fail("out of a finally"))
            return Sequence((Try(stubborn, "Exception", Step("a.keep")), Sleep(700)))
        if roll < 0.9:
            return Together((Sequence((body, Sleep(ENDLESS_MS))), Step("b.keep")))
        return Sequence((body, Repeat(60, Sleep(15))))


INNER = (
    *("sequence", "sequence", "sequence", "together", "together", "each", "repeat", "either"),
    *("try", "try", "cleanup", "saga", "saga", "sub"),
)
CHOOSING = ("race", "race", "race", "limit", "limit", "limit")


def draw(random: Random, shape: Shape) -> Block:
    """Draw a workflow; equal seeds draw equal ones."""
    return Dice(random, shape).block()
