"""The eleven promises (DESIGN.md, section 9), and what is asked of a world from the outside."""

from __future__ import annotations

import re
from collections import Counter

from duetto.errors import ConflictError, StoreError
from duetto.kernel import journal
from duetto.model.record import CommandEnded, ReportCame, Started
from duetto.model.token import ROOT, Completed
from duetto.model.view import Fact
from duetto.testing.simulation import World
from duetto.testing.simulation.codes import newer
from duetto.testing.simulation.faults import (
    ClockJumps,
    CodeChangesTask,
    CodeIsNewer,
    CodeIsOlder,
    CodeLacksTask,
    Fault,
    OperatorErrs,
    OperatorStartsAgain,
    RecordDamaged,
    TaskKills,
    TaskRaises,
)
from duetto.testing.simulation.graphs import compiled
from duetto.testing.simulation.machines import Machine
from tests.simulation.reference import Wrong

PROMISES = {
    1: "a run started twice under one id runs once; another input is refused",
    2: "a stored result is never recomputed; one key over all attempts",
    3: "whatever dies, every run continues and ends as it would have",
    4: "the outcome does not depend on the placement",
    5: "what was done is undone exactly when its saga fails, newest first",
    6: "a message that comes twice, late or out of order has the effect of one in order",
    7: "an event is published if and only if its state change was committed",
    8: "nothing is dropped: what cannot be handled is parked, with its reason",
    9: "two owners of one partition never both commit",
    10: "a run keeps the definition with which it began",
    11: "bad input is answered with an error that says what to do, and loses nothing",
}

NOT_YET = {
    7: "events are not delivered yet: an emit is walked past",
    9: "a store has one owner; partitions come with leases",
}

REASONS: tuple[tuple[str, tuple[type[Fault], ...]], ...] = (
    ("took effect is unknown", ()),
    (r"^the compensation .* failed \d+ times: trouble", (TaskRaises,)),
    ("^the compensation of .* failed: trouble", (TaskRaises,)),
    ("times while this task was in hand", ()),
    ("^There is no task", (CodeLacksTask,)),
    ("has no compensation here", (CodeLacksTask,)),
    ("of this version does not take the call", (CodeChangesTask,)),
    ("There is no definition", (CodeIsOlder, CodeIsNewer)),
    ("does not fit its checksum", (RecordDamaged,)),
)
"""Why a token may park, and which fault must have struck; none where time alone may do it."""

BLAMED_DEATHS = 6
"""A token is blamed when its process has died so often while it was in hand."""


def started_once(world: World) -> None:
    """Promise 1: one root, however often the start was asked for; another input conflicts."""
    roots = [
        each
        for each in world.history
        if isinstance(each.record, Started) and each.record.path == ROOT and not each.record.source
    ]
    if len(roots) != 1:
        raise Wrong(1, f"the run began {len(roots)} times")
    asked = Counter(
        strike.fault.same
        for strike in world.strikes
        if isinstance(strike.fault, OperatorStartsAgain)
    )
    refused = Counter(
        type(each.error)
        for each in world.operator.refusals
        if isinstance(each.fault, OperatorStartsAgain)
    )
    if refused[ConflictError] != asked[False] or refused.total() != asked[False]:
        raise Wrong(1, f"starts with another input: {asked[False]}, refused: {dict(refused)}")


def taken_once(world: World) -> None:
    """Promise 6: a token arrives once per hop, and each report and key is taken once."""
    seen: set[tuple[object, ...]] = set()
    for each in world.history:
        match each.record:
            case Started(path=path, source=source, token=token) if source:
                what: tuple[object, ...] = (each.store, "arrival", path, token.hop)
            case ReportCame(path=path):
                what = (each.store, "report", path)
            case CommandEnded(path=path, step=step, outcome=Completed(), undo=undo):
                what = (each.store, "undo" if undo else "command", path, step)
            case _:
                continue
        if what in seen:
            raise Wrong(6, f"host {what[0]} took twice: {what[1:]}")
        seen.add(what)


def parked_for_a_reason(world: World) -> None:
    """Promise 8: each token that was parked says why, and that did happen."""
    struck = {type(strike.fault) for strike in world.strikes}
    deaths = sum(machine.boots - 1 for machine in world.machines)
    for parking in world.operator.parkings:
        found = [causes for pattern, causes in REASONS if re.search(pattern, parking.reason)]
        if not found:
            raise Wrong(8, f"{parking.path} is parked: {parking.reason!r}, which is no reason")
        if all(causes and not struck & set(causes) for causes in found):
            raise Wrong(8, f"{parking.path} is parked: {parking.reason!r}, which did not happen")
        blamed = "while this task was in hand" in parking.reason
        if blamed and deaths < BLAMED_DEATHS and TaskKills not in struck:
            raise Wrong(8, f"{parking.path} is blamed for {deaths} deaths: {parking.reason!r}")


def definition_kept(world: World) -> None:
    """Promise 10: every token of the run walks the definition with which it began."""
    scenario = world.scenario
    known = dict(world.compiled.definitions)
    roots = {world.compiled.root: frozenset(known)}
    if any(isinstance(fault, CodeIsNewer) for fault in scenario.faults):
        other = compiled(newer(scenario.block), home=scenario.home, typed=scenario.typed)
        roots[other.root] = frozenset(other.definitions)
    began = ""
    for each in world.history:
        tokens = getattr(each.record, "forked", ())
        if isinstance(each.record, Started):
            tokens = (each.record.token, *tokens)
        for token in tokens:
            began = began or token.definition
            if token.definition not in roots.get(began, ()):
                raise Wrong(10, f"{token.path} walks {token.definition}, the run began on {began}")


def refusals_say_what_to_do(world: World) -> None:
    """Promise 11: each mistake was refused with what was found, expected and to do, and changed
    nothing."""
    for each in world.operator.refusals:
        error = each.error
        if not error.message or not (error.do or error.expected):
            raise Wrong(11, f"{type(error).__name__} does not say what to do: {error}")
        if each.wrote and not isinstance(error, StoreError):
            raise Wrong(11, f"it was refused, and wrote all the same: {error.message}")
    asked = sum(isinstance(strike.fault, OperatorErrs) for strike in world.strikes)
    refused = sum(isinstance(each.fault, OperatorErrs) for each in world.operator.refusals)
    if asked != refused:
        raise Wrong(11, f"{asked} mistakes, of which {refused} were refused")


# -- what is seen


def history_tells_all(world: World) -> None:
    """Promise 8: the history has every effect, attempt and undo of the ledger outside, and every
    parking of which an operator was told."""
    if world.row() is None and any(isinstance(each.fault, ClockJumps) for each in world.strikes):
        return  # by a clock that was set ahead its time is over
    facts = world.operator.operations().history(world.run_id)
    ledger = world.effects
    done = Counter(
        (key.rpartition("#")[0], ledger.tasks[key]) for key in ledger.done if key in ledger.tasks
    )
    for (path, task), count in done.items():
        told = sum(fact.path == path and task in fact.text for fact in facts)
        if told < count:
            raise Wrong(8, f"the history has {told} facts of {task} at {path}, which did {count}")
    undone = Counter(ledger.tasks[key] for key in ledger.undone if key in ledger.tasks)
    for task, count in undone.items():
        by = task.replace(".", ".undo_") + " completed"
        ends = [
            fact.path
            for fact in facts
            if by in fact.text or (fact.what == "undone" and task in fact.text)
        ]
        # Its process may have died before its end was durable, and it was given up then.
        died = {fact.path for fact in facts if f"died while it undid {task}" in fact.text}
        told = len(ends) + len(died.difference(ends))
        if told < count:
            raise Wrong(8, f"the history undoes {task} {told} times, the ledger {count} times")
    parked = Counter(each.path for each in world.operator.parkings)
    told_of = Counter(fact.path for fact in facts if fact.what == "parked")
    if parked - told_of:
        raise Wrong(8, f"the history tells of parkings {dict(told_of)}, not {dict(parked)}")
    if all(machine.boots == 1 for machine in world.machines):
        attempts_told(world, facts)


def attempts_told(world: World, facts: list[Fact]) -> None:
    """Where no process died, each body that raised is told of."""
    ledger = world.effects
    raised = Counter(
        ledger.tasks[key.removesuffix("!undo")]
        for key, faults in ledger.troubled.items()
        for fault in faults
        if isinstance(fault, TaskRaises)
    )
    for task, count in raised.items():
        name = task.partition(".")[2]
        told = sum("trouble" in fact.text and name in fact.text for fact in facts)
        # A body that is interrupted may end when nobody, or no run, is left to be told.
        told += sum(fact.what == "interrupted" and task in fact.text for fact in facts)
        told += sum(f"timed out while it ran {task}" in fact.text for fact in facts)
        if told < count:
            raise Wrong(8, f"the history tells of {told} of {count} attempts at {task} that raised")


def explained(world: World) -> None:
    """Promise 8: at this instant there is a sentence for each token that rests somewhere."""
    home = world.machines[world.home()]
    if home.host is None or home.clock is None or home.process is None:
        return
    if world.run_id not in home.host.runs:
        return
    operations = world.operator.operations()
    said = operations.explain(world.run_id)
    operations.show(world.run_id)
    told = Counter(each.path for each in said)
    for each in said:
        if not each.text.endswith(".") or len(each.text.split()) < 3:
            raise Wrong(8, f"explain says of {each.path}: {each.text!r}")
    damaged = any(each.kind == "damaged" for each in said)
    for machine in world.machines:
        for path in resting(world, machine):
            if not told[path] and not damaged:
                raise Wrong(8, f"explain has no sentence for {path} at host {machine.number}")


def resting(world: World, machine: Machine) -> list[str]:
    run = machine.host.runs.get(world.run_id) if machine.host is not None else None
    return list(run.tokens) if run is not None else []


def swept(world: World) -> None:
    """Promise 8: what should have been swept is gone, in memory and in the stores."""
    for machine in world.machines:
        number, host = machine.number, machine.host
        if host is None:
            raise Wrong(8, f"host {number} is down when all is swept")
        rows = list(machine.disk.unfinished())
        if rows or machine.disk.counts():
            raise Wrong(8, f"host {number} still has rows: {machine.disk.counts()}")
        if machine.disk.leftovers():
            raise Wrong(8, f"host {number} still has records: {machine.disk.leftovers()}")
        left = (host.runs, host.exchange.doubted, host.exchange.unconfirmed, host.waiters)
        if any(left):
            raise Wrong(8, f"host {number} still has in memory: {[list(each) for each in left]}")


def outcome_stored(world: World) -> None:
    """Promise 3: what the home tells of the run is how it ended, and does not change."""
    row = world.row()
    if row is not None and journal.outcome(row.result) != world.outcome:
        raise Wrong(3, f"the run ended with {world.outcome}, then with {row.result!r}")


__all__ = ["NOT_YET", "PROMISES"]
