"""The step that most are: straight to a task or to the return, as a walk gives it at half cost."""

from __future__ import annotations

from duetto.kernel.program import VALUE_BYTES_SMALL, Linked, Program
from duetto.kernel.walk import UNDO_MAX
from duetto.model.definition import Return, Task
from duetto.model.effect import CallTask, Change, Report, Transition
from duetto.model.placement import Placement
from duetto.model.token import Completed, Entry, OnTask, Ready, Token, Undo, Value, entries

ON_TASK = OnTask()
"""A task at its first attempt, its arguments a function of the variables."""


def begin(program: Program, placement: Placement, token: Token) -> Transition | None:
    """Return what becomes of a token that begins at a task with plain variables for its arguments
    and without a deadline; None for others, which only a walk can tell."""
    first = program.regions[token.region][token.node]
    if token.cancelled or type(token.rest) is not Ready:
        return None
    for frame in token.frames:
        if frame.deadline:
            return None
    return onto(first, token.node, placement, token, token.vars, {}, token.undo, ())


def straight(
    program: Program, placement: Placement, token: Token, result: Value
) -> Transition | None:
    """Return what becomes of a token whose task has completed, where nothing can come between that
    task and the next, or the return; None where only a walk can tell.

    Whether that may be so is known when a program is linked (`Linked.then`).
    """
    linked = program.regions[token.region][token.node]
    then = linked.then
    if then is None or token.cancelled or len(result.data) > VALUE_BYTES_SMALL:
        return None
    task, node = linked.node, then.node
    if type(task) is not Task:
        return None
    undo, added = token.undo, ()
    if task.undoable:
        kept = undo.size if undo is not None else 0
        if kept >= UNDO_MAX:
            return None
        entry = Entry(token.path, token.step, task.task)
        undo, added = Undo(entry, undo, kept + 1), (entry,)
    variables, writes = token.vars, {}
    if task.into is not None:
        name = task.into.name
        variables, writes = {**variables, name: result}, {name: result}
    if type(node) is not Return:
        return onto(then, task.next, placement, token, variables, writes, undo, added)
    try:
        value = program.pack(then.value(variables), node.type)
    except Exception:  # whatever an expression raises, the walk raises it where it belongs
        return None
    return Transition(None, None, (Report(Completed(value, entries(undo), token.heard)),))


def onto(
    then: Linked,
    index: int,
    placement: Placement,
    token: Token,
    variables: dict[str, Value],
    writes: dict[str, Value],
    undo: Undo | None,
    added: tuple[Entry, ...],
) -> Transition | None:
    """Return the transition onto a task, the node of that index, with these variables; None where
    its arguments are more than variables, or one of them has no value."""
    node = then.node
    if type(node) is not Task or then.reads is None:
        return None
    try:
        args, stored = then.reads(variables)
    except Exception:  # the walk raises it where it belongs
        return None
    below = token.undo
    step, hop, at = token.step + 1, token.hop, then.place(placement, node.task)
    if at != token.at:
        hop += 1
    return Transition(
        Token(
            token.path,
            token.definition,
            token.region,
            at,
            token.reply_to,
            index,
            step,
            hop,
            variables,
            token.frames,
            undo,
            ON_TASK,
            False,
            token.depth,
            token.origin,
            token.heard,
        ),
        Change(index, step, ON_TASK, writes, None, below.size if below else 0, added, hop, at),
        (CallTask(node.task, step, args, {}, b"", 1, 0, 0, True, stored),),
    )
