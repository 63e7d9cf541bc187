"""A workflow: its body, plain Python when it is called, and its definition, compiled from it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import cached_property
from inspect import getclosurevars
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from duetto.authoring.direct import DirectRun
from duetto.authoring.event import declared_event
from duetto.authoring.names import checked_name
from duetto.authoring.service import Service
from duetto.errors import ConfigurationError, DefinitionError
from duetto.model.definition import Definition

P = ParamSpec("P")
R = TypeVar("R")


class Workflow(Generic[P, R]):
    """A workflow; called outside Duetto it runs in memory, sagas, gathers and races included."""

    def __init__(
        self,
        body: Callable[P, Coroutine[Any, Any, R]],
        definition: Definition,
        *,
        name: str = "",
        home: Service | None = None,
        start_on: type | None = None,
    ) -> None:
        self.name = checked_name("workflow", name or body.__name__)
        self.body = body
        self.home = home
        self.start_on = start_on
        self.definition = definition
        code = body.__code__ if isinstance(body, FunctionType) else None
        self.file = code.co_filename if code else ""
        self.line = code.co_firstlineno if code else 0
        # What `inspect`, documentation and tracebacks read of a decorated function.
        self.__name__, self.__qualname__ = body.__name__, body.__qualname__
        self.__doc__, self.__module__ = body.__doc__, body.__module__
        self.__wrapped__ = body

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return self._called(*args, **kwargs)

    async def _called(self, *args: P.args, **kwargs: P.kwargs) -> R:
        async with DirectRun():
            return await self.body(*args, **kwargs)

    @cached_property
    def callees(self) -> dict[str, Workflow[..., Any]]:
        """The workflows that the body names, itself excepted, by their names."""
        found: dict[str, Workflow[..., Any]] = {}
        for one in named_by(self.body):
            if isinstance(one, Workflow) and one is not self:
                callee = cast("Workflow[..., Any]", one)
                found[callee.name] = callee
        return found


def named_by(body: Callable[..., Any]) -> Iterator[object]:
    """Yield what the names in a function stand for, in its module and the modules it names."""
    if not isinstance(body, FunctionType):
        return
    variables = {**body.__globals__, **getclosurevars(body).nonlocals}
    names = {name for code in codes(body.__code__) for name in (*code.co_names, *code.co_freevars)}
    for name in names & variables.keys():
        value: object = variables[name]
        yield value
        if isinstance(value, ModuleType):
            yield from (vars(value)[each] for each in names & vars(value).keys())


def codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of the comprehensions and lambdas in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


@overload
def workflow(body: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...
@overload
def workflow(
    *, home: Service | None = None, name: str = "", start_on: type | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Workflow[P, R]]: ...
def workflow(
    body: Any = None,
    /,
    *,
    home: Service | None = None,
    name: str = "",
    start_on: type | None = None,
) -> Any:
    """Make a function a workflow; raises DefinitionError for what is outside the subset.

    `home` is the service that keeps the records of its runs; the app itself unless given. Each
    event of the class `start_on` starts one run, with the event as its input.
    """

    def declare(body: Callable[..., Coroutine[Any, Any, Any]]) -> Workflow[..., Any]:
        # Here, as the compiler imports more than those need who write tasks only.
        from duetto.authoring.compiler import compile_workflow

        named = name or body.__name__
        try:
            definition = compile_workflow(body, name=named, home=home.name if home else "")
        except DefinitionError as error:
            # The traceback ends at the user's line; where the compiler noticed helps nobody.
            raise error.with_traceback(None) from None
        if start_on is not None:
            _check_start(named, definition, start_on)
        return Workflow(body, definition, name=named, home=home, start_on=start_on)

    return declare if body is None else declare(body)


def _check_start(name: str, definition: Definition, start_on: type) -> None:
    """Raise ConfigurationError where an event cannot be the input of a workflow."""
    declared = declared_event(start_on, where=f"start_on of {name}")
    parameters = definition.regions[0].parameters
    if len(parameters) != 1:
        raise ConfigurationError(
            f"The workflow {name} cannot be started by an event.",
            found=", ".join(each.name for each in parameters) or "no parameter",
            expected=f"one parameter, which takes the event: `{declared.name}`",
        )
