"""Guards of limits and of values: rules 14 and 19."""

from __future__ import annotations

from typing import Any

from duetto.kernel import advance as advancing
from duetto.kernel import fork
from duetto.kernel.program import FORKED, Program, refuse_big
from duetto.kernel.purity import is_pure
from duetto.kernel.walk import Walk
from duetto.model.token import Value, kept
from tests.sabotage.switching import Guards, instead

GUARDS = Guards()

NO_LIMIT = 10**18

# -- limits


@GUARDS.around(fork, "_call", rule="14", kinds=("limits",))
def depth_limit(original: Any, *args: Any) -> None:
    """Workflows call workflows as deep as they like."""
    with instead(fork, "DEPTH_MAX", NO_LIMIT):
        original(*args)


@GUARDS.everywhere(fork.fork, rule="14", kinds=("limits",))
def branches_limit(original: Any, *args: Any) -> None:
    """A fork has as many branches as it likes."""
    with instead(fork, "CHILDREN_MAX", NO_LIMIT):
        original(*args)


@GUARDS.around(Walk, "refuse_long_undo", rule="14", kinds=("limits",))
def undo_limit(original: Any, walk: Walk) -> None:
    """An undo list is as long as it gets."""


@GUARDS.around(advancing, "_run", rule="14", kinds=("limits",))
def nodes_limit(original: Any, *args: Any) -> None:
    """A workflow goes on without an await as long as it likes."""
    with instead(advancing, "NODES_MAX", NO_LIMIT):
        original(*args)


@GUARDS.everywhere(refuse_big, rule="14", kinds=("limits",))
def token_limit(original: Any, variables: dict[str, Value]) -> None:
    """The variables of a token are as big as they get."""


# -- values


@GUARDS.around(Program, "pack", rule="19", kinds=("values",))
def decoded_again(original: Any, program: Any, live: Any, *kind: int) -> Value:
    """A value stays the object that it was, and whoever changes it changes it for all."""
    stored: Value = original(program, live, *kind)
    # What a loop walks is another object, whatever it was made from.
    walked: bool = stored.type == FORKED or (
        stored.type >= 0 and program.definition.types[stored.type].name == "items"
    )
    return stored if walked else kept(stored.type, stored.data, live)


@GUARDS.everywhere(is_pure, rule="19", kinds=("chance",))
def drawn_once(original: Any, *expression: Any) -> bool:
    """What is not pure is evaluated again at each attempt."""
    return True
