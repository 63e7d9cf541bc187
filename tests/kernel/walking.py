"""Small definitions and tokens, and one step of the kernel at a time."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from duetto.authoring.symbols import Symbols
from duetto.codecs import MsgpackCodec
from duetto.kernel.advance import advance
from duetto.kernel.fork import root
from duetto.kernel.program import Program
from duetto.model.definition import (
    Bind,
    Definition,
    Node,
    Parameter,
    Region,
    Return,
    Task,
    digest,
)
from duetto.model.effect import Begin, Effect, Input, Report, TaskCompleted, Transition
from duetto.model.expression import Const, Expr, Name
from duetto.model.placement import Placement, orchestration
from duetto.model.token import Outcome, Token, Value, kept

NOW = 1_000_000

SYMBOLS = Symbols(())
CODEC = MsgpackCodec(SYMBOLS)


def region(*nodes: Node, parameters: tuple[str, ...] = ()) -> Region:
    return Region(nodes, tuple(Parameter(name) for name in parameters))


def program(*nodes: Node, regions: tuple[Region, ...] = (), home: str = "") -> Program:
    """Return a linked definition whose body is these nodes; it takes `x`."""
    body = region(*nodes, parameters=("x",))
    return linked(Definition("flow", (body, *regions), home=home))


def linked(definition: Definition, *callees: Definition) -> Program:
    by_digest = {digest(each): each for each in callees}
    return Program(
        definition,
        digest(definition),
        codec=CODEC,
        symbol=SYMBOLS.resolve,
        callee=lambda name: linked(by_digest[name]),
    )


def value(live: Any) -> Value:
    """Return a value by its own type."""
    return kept(-1, CODEC.dynamic.encode(live), live)


def task(
    name: str, *, next: int = -1, scope: int = -1, into: str = "", undoable: bool = True
) -> Task:
    bind = Bind(into) if into else None
    return Task(name, (Name("x"),), (), bind, undoable, next=next, scope=scope)


def give(expr: Expr | str, *, scope: int = -1) -> Return:
    return Return(Name(expr) if isinstance(expr, str) else expr, scope=scope)


ONE = Const(1)


class Walker:
    """A token and what becomes of it, one input after the other."""

    def __init__(
        self, of: Program, *, placement: Placement | None = None, token: Token | None = None
    ) -> None:
        self.program = of
        self.placement = placement or orchestration()
        variables = of.bind(0, (7,), {})
        self.token: Token | None = token or root(of, "/", of.definition.home, variables)
        self.effects: tuple[Effect, ...] = ()
        self.last: Transition | None = None

    def take(self, input: Input, now: int = NOW) -> Walker:
        assert self.token is not None, "the token has ended"
        before = self.token
        copy = replace(before)
        self.last = advance(self.program, self.placement, before, input, now)
        assert before == copy, "a token is never changed"
        self.token, self.effects = self.last.token, self.last.effects
        return self

    def begin(self, now: int = NOW) -> Walker:
        return self.take(Begin(), now)

    def complete(self, live: Any = 1, now: int = NOW) -> Walker:
        return self.take(TaskCompleted(value(live)), now)

    @property
    def resting(self) -> Token:
        assert self.token is not None, f"the token has ended: {self.effects}"
        return self.token

    @property
    def outcome(self) -> Outcome:
        """How the token ended."""
        (report,) = [each for each in self.effects if isinstance(each, Report)]
        return report.outcome

    def wake(self) -> int:
        assert self.last is not None, "nothing was taken yet"
        return self.last.wake

    def live(self, name: str) -> Any:
        return self.program.load(self.resting.vars[name])
