"""The promises that a trial is held to, from outside: by its outcome, its effects and its calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from duetto.app import App
from duetto.authoring.workflow import Workflow
from duetto.errors import DuettoError
from duetto.kernel.estimate import choice_points
from duetto.kernel.purity import PURE
from duetto.model.definition import Scope
from duetto.runtime.attempt import UNDO_SUFFIX
from duetto.testing.simulation.faults import OperatorCancels
from duetto.testing.tasks import Call
from duetto.testing.trials import Ran, Trial


class Broken(Struct, frozen=True):
    """A promise that was not kept: its number, and what was seen of it."""

    promise: int
    what: str
    found: str = ""
    expected: str = ""


def broken(app: App, ran: Ran, *, drops: bool) -> Iterator[Broken]:
    """Yield the promises that a trial did not keep, looked at by itself.

    `drops` says that a saga of the workflow drops what is to be undone.
    """
    yield from never_again(ran)
    yield from newest_first(app, ran)
    if ran.outcome.status in ("failed", "cancelled") and not drops:
        yield from all_undone(app, ran)


def compared(trial: Trial, ran: Ran, reference: Ran, *, has_choices: bool) -> Iterator[Broken]:
    """Yield the promises that a trial did not keep, held against another with the same failures."""
    if has_choices or any(isinstance(one, OperatorCancels) for one in trial.faults):
        return
    if ran.outcome != reference.outcome:
        yield Broken(
            4, "The outcome is another.", str(ran.outcome), f"{reference.outcome}, as elsewhere"
        )
    done, expected = effects(ran), effects(reference)
    for name, some, others in (("took effect", done, expected), ("no effect", expected, done)):
        more = [f"{call.task}{call.args}" for key, call in some.items() if key not in others]
        if more:
            yield Broken(4, f"What has {name} is another.", ", ".join(more), "as elsewhere")


def never_again(ran: Ran) -> Iterator[Broken]:
    """A task with a stored result never runs again."""
    for number, call in enumerate(ran.made):
        if ran.stored.get(call.key, number + 1) <= number:
            yield Broken(2, "A task ran again though its result was stored.", f"{call.task}")


def all_undone(app: App, ran: Ran) -> Iterator[Broken]:
    """Where a run fails, all that can be undone is."""
    found = effects(ran)
    left = [
        call.task
        for key, call in found.items()
        if not key.endswith(UNDO_SUFFIX)
        and key + UNDO_SUFFIX not in found
        and app.tasks[call.task].undo is not None
    ]
    if left:
        yield Broken(5, f"The run {ran.outcome.status}, and not all is undone.", ", ".join(left))


def newest_first(app: App, ran: Ran) -> Iterator[Broken]:
    """What is undone had its effect before, and of two the later one is undone first."""
    done, undone = positions(ran)
    for key, at in undone.items():
        name = task_of(ran, key)
        if key not in done:
            # Where a service is asked by key how a call ended, its body need not have told.
            if name not in app.tasks or app.tasks[name].look_up is None:
                yield Broken(5, "What had no effect was undone.", name)
        elif done[key][-1] > at[0]:
            yield Broken(5, "A task took effect after it was undone.", name)
    for first, at in undone.items():
        for second, later in undone.items():
            if at[0] < later[0] and causal(first, second) and done.get(second, at)[0] < at[0]:
                names = f"{task_of(ran, first)}, then {task_of(ran, second)}"
                yield Broken(5, "Compensations came oldest first.", names)


def effects(ran: Ran) -> dict[str, Call]:
    """Return the first effect under each key, compensations too."""
    found: dict[str, Call] = {}
    for call in ran.entries:
        found.setdefault(call.key, call)
    return found


def positions(ran: Ran) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return when each key took effect, and when it was undone."""
    done: dict[str, list[int]] = defaultdict(list)
    undone: dict[str, list[int]] = defaultdict(list)
    for number, call in enumerate(ran.entries):
        if call.key.endswith(UNDO_SUFFIX):
            undone[call.key.removesuffix(UNDO_SUFFIX)].append(number)
        else:
            done[call.key].append(number)
    return dict(done), dict(undone)


def task_of(ran: Ran, key: str) -> str:
    """Return the task that is called under a key."""
    names = (call.task for call in ran.made if call.key.removesuffix(UNDO_SUFFIX) == key)
    return next(names, key)


def causal(first: str, second: str) -> bool:
    """Did one task come before another? The names say so: a later step of the same token."""
    for (step, branch), (other_step, other_branch) in zip(
        places(first), places(second), strict=False
    ):
        if step != other_step:
            return step < other_step
        if branch != other_branch:
            return False
    return False


def places(key: str) -> list[tuple[int, int]]:
    """Return the step and branch of each token on the way to a key; the last has no branch."""
    _, _, path = key.partition("/")
    path, _, last = path.rpartition("#")
    found: list[tuple[int, int]] = []
    for part in filter(None, path.split("/")):
        step, _, branch = part.partition("[")
        found.append((int(step), int(branch.rstrip("]") or 0)))
    return [*found, (int(last), 0)]


def has_choices(app: App, workflow: Workflow[..., object]) -> bool:
    """Return whether the outcome of a workflow may depend on who is faster, or on chance."""

    def is_pure(name: str) -> bool:
        try:
            return name in PURE or isinstance(app.symbols.resolve(name), type)
        except DuettoError:
            return False

    return any(choice_points(each.definition, is_pure) for each in called(workflow))


def drops(workflow: Workflow[..., object]) -> bool:
    """Return whether some saga of a workflow drops what is to be undone."""
    return any(
        isinstance(node, Scope) and not node.keep
        for each in called(workflow)
        for region in each.definition.regions
        for node in region.nodes
    )


def called(workflow: Workflow[..., object]) -> list[Workflow[..., object]]:
    """Return a workflow, and all that it calls."""
    found: dict[str, Workflow[..., object]] = {}
    wanted = [workflow]
    while wanted:
        one = wanted.pop()
        if found.setdefault(one.name, one) is one:
            wanted += [each for each in one.callees.values() if each.name not in found]
    return list(found.values())
