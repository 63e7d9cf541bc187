"""The step that most are: from a task straight to what follows, as a walk gives it at half cost."""

from __future__ import annotations

from duetto.kernel.program import VALUE_BYTES_SMALL, Program
from duetto.kernel.walk import UNDO_MAX
from duetto.model.definition import Return, Task
from duetto.model.effect import CallTask, Change, Report, Transition
from duetto.model.placement import Placement
from duetto.model.token import Completed, Entry, OnTask, Token, Undo, Value, entries

ON_TASK = OnTask()
"""A task at its first attempt, its arguments a function of the variables."""


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
    kept = undo.size if undo is not None else 0
    if task.undoable:
        if kept >= UNDO_MAX:
            return None
        entry = Entry(token.path, token.step, task.task)
        undo, added = Undo(entry, undo, kept + 1), (entry,)
    variables, writes = token.vars, {}
    if task.into is not None:
        name = task.into.name
        variables, writes = {**variables, name: result}, {name: result}
    try:
        if type(node) is Return:
            value = program.pack(then.value(variables), node.type)
            return Transition(None, None, (Report(Completed(value, entries(undo), token.heard)),))
        if type(node) is not Task or then.reads is None:
            return None
        args, stored = then.reads(variables)
    except Exception:  # whatever an expression raises, the walk raises it where it belongs
        return None
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
            task.next,
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
        Change(task.next, step, ON_TASK, writes, None, kept, added, hop, at),
        (CallTask(node.task, step, args, {}, b"", 1, 0, 0, True, stored),),
    )
