"""What must hold of every run, whatever its placement and faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct, structs

from duetto.kernel import fold, journal
from duetto.model.token import Completed, Failed, OnTask, OnUndo, Outcome, Stopped, Token
from duetto.runtime.host import Host
from duetto.testing.simulation import blocks as b
from duetto.testing.simulation.codes import newer
from duetto.testing.simulation.faults import CodeIsNewer, OperatorCancels
from duetto.testing.simulation.graphs import compiled
from duetto.testing.simulation.scenario import Scenario
from duetto.testing.simulation.services import Effects
from duetto.testing.simulation.world import CODEC, Committed, World
from tests.simulation.facts import Facts
from tests.simulation.reference import Reference, Wrong

K = TypeVar("K")
V = TypeVar("V")


class Result(Struct, frozen=True):
    """What may not depend on the placement."""

    outcome: tuple[str, object]
    done: frozenset[str]
    undone: tuple[tuple[str, tuple[str, ...]], ...]


def told(outcome: Outcome) -> tuple[str, object]:
    """Return an outcome as plain data."""
    match outcome:
        case Completed(value):
            return (
                "completed",
                CODEC.dynamic.decode(value.data) if value.type < 0 else small(value.data),
            )
        case Failed(error):
            return ("failed", (error.type, error.message))
        case Stopped():
            return ("cancelled", None)


def small(data: bytes) -> int:
    return msgspec.msgpack.decode(data, type=int)


def check(world: World, outcome: Outcome | None) -> Result:
    """Hold a run against the reference, and its effects against its journal. Raises Wrong."""
    if outcome is None:
        raise Wrong(3, "the run has not ended")
    quiet(world)
    return told_alike(world.scenario, outcome, world.history, world.effects)


def told_alike(
    scenario: Scenario, outcome: Outcome, history: Iterable[Committed], ledger: Effects
) -> Result:
    """Hold what a run's stores and the ledger outside tell of it against the reference.

    Raises Wrong. Real processes are held to the same: all it takes can be read when they are dead.
    """
    facts = Facts(history)
    stores = tuple(map(frozenset, scenario.stores))
    reference = Reference(ledger, facts if scenario.choices else None, stores)
    variables: dict[str, int] = dict(zip(b.VARIABLES, scenario.arguments, strict=True))
    ending = reference.token("/", begun_with(scenario, facts), variables, saga=True)
    wanted = ("completed", ending.value) if ending.error is None else ("failed", ending.error)
    if ending.stopped:
        wanted = ("cancelled", None)
    if told(outcome) != wanted:
        raise Wrong(4, f"outcome {told(outcome)} instead of {wanted}")
    if wrong := facts.causes():
        raise Wrong(4, "; ".join(wrong))
    cancels = any(isinstance(fault, OperatorCancels) for fault in scenario.faults)
    if "/" in facts.cancelled and not cancels:
        raise Wrong(4, "the run was cancelled by nobody")
    if scenario.choices and (more := set(facts.steps) - reference.seen):
        raise Wrong(4, f"steps that the workflow does not have: {sorted(more)[:3]}")
    undone = {
        path: tuple(f"{one.path}#{one.step}" for one in entries)
        for path, entries in facts.undone.items()
    }
    expected = {path: tuple(keys) for path, keys in reference.undone.items()}
    if undone != expected:
        raise Wrong(5, f"undone {undone} instead of {expected}")
    effects(ledger, reference, facts)
    return Result(told(outcome), frozenset(ledger.done), tuple(sorted(undone.items())))


def begun_with(scenario: Scenario, facts: Facts) -> b.Block:
    """Return the workflow with which a run began; where its code was newer, that is another."""
    if any(isinstance(fault, CodeIsNewer) for fault in scenario.faults):
        block = newer(scenario.block)
        if facts.digest == compiled(block, home=scenario.home, typed=scenario.typed).root:
            return block
    return scenario.block


def effects(ledger: Effects, reference: Reference, facts: Facts) -> None:
    """Each completed task had its effect; each that its saga gave up was undone, after it."""
    done, undone = set(ledger.done), set(ledger.undone)
    if missing := reference.done - done:
        raise Wrong(2, f"completed without an effect: {sorted(missing)}")
    if more := done - reference.done - reference.cut:
        raise Wrong(2, f"effects of tasks that the run never made: {sorted(more)}")
    given_up = {key for keys in reference.undone.values() for key in keys}
    skipped = {f"{path}#{step}" for path, step in facts.skipped}
    for key in given_up - facts.skipped_undos - skipped:
        if (key in done) != (key in undone):
            raise Wrong(
                5, f"{key}: done {key in done}, undone {key in undone}, and its saga failed"
            )
    if more := undone - given_up:
        raise Wrong(5, f"undone although their saga did not fail: {sorted(more)}")
    for key in undone & done:
        if ledger.done[key][-1] > ledger.undone[key][0]:
            raise Wrong(5, f"{key}: an effect after its undo")
    counts = [key for keys in reference.undone.values() for key in keys]
    if len(counts) != len(set(counts)):
        raise Wrong(5, "undone by two")
    never_again(ledger, facts)
    newest_first(ledger, (undone & done) - facts.skipped_undos)


def never_again(ledger: Effects, facts: Facts) -> None:
    """A task with a stored result never runs again."""
    for order, key in ledger.begun:
        if facts.stored.get(key, order) < order:
            raise Wrong(
                2, f"{key} ran again at {order}, after its result was stored at {facts.stored[key]}"
            )


def newest_first(ledger: Effects, undone: set[str]) -> None:
    """Of two tasks of which one came after the other, the later one is undone first."""
    for first in undone:
        for second in undone:
            wrong = ledger.undone[first][0] < ledger.undone[second][0] and causal(first, second)
            # A task that was undone before the other began is a matter of two sagas.
            if wrong and ledger.done[second][0] < ledger.undone[first][0]:
                raise Wrong(5, f"undone oldest first: {first} before {second}")


def causal(first: str, second: str) -> bool:
    """Did one task come before another? The names say so: a later step of the same token."""
    for one, other in zip(parts(first), parts(second), strict=False):
        if one[0] != other[0]:
            return one[0] < other[0]
        if one[1] != other[1]:
            return False
    return False


def parts(key: str) -> list[tuple[int, int]]:
    """Return (step, branch) pairs; the last has no branch."""
    path, _, step = key.partition("#")
    found: list[tuple[int, int]] = []
    for part in path.strip("/").split("/"):
        if part:
            number, _, branch = part.partition("[")
            found.append((int(number), int(branch[:-1])))
    return [*found, (int(step), 0)]


def quiet(world: World) -> None:
    """Nothing is alive, parked, under way or kept waiting when a run has ended."""
    for number, host in enumerate(world.hosts):
        if host is None:
            raise Wrong(3, f"host {number} is still down")
        emptied(number, host)


def emptied(number: int, host: Host) -> None:
    """Nothing is left in a host whose runs have ended."""
    if host.runs:
        run = next(iter(host.runs.values()))
        raise Wrong(8, f"host {number} still has the run: {left(run)}")
    for name, some in (
        ("attempts", host.attempts.running),
        ("held arrivals", host.held),
        ("held commands", host.exchange.commands.held),
        ("messages", host.exchange.unconfirmed),
        ("settling", host.attempts.settling),
    ):
        if some:
            raise Wrong(8, f"host {number} still has {name}: {list(some)[:3]}")


def left(run: fold.RunState) -> str:
    tokens = {path: type(token.rest).__name__ for path, token in run.tokens.items()}
    return f"tokens {tokens}, commands {list(run.commands)}"


def folded(world: World, number: int, host: Host) -> None:
    """Hold the live state of a host against its journal, folded anew."""
    store = world.machines[number].disk
    for run in host.runs.values():
        fresh = fold.RunState(run.rid, run.id, run.digest, run.home)
        for data in store.journal(run.rid):
            fold.apply(fresh, journal.record(data))
        held = {path for id, path in host.held if id == run.id}
        same(number, "tokens", begun(run.tokens, held), begun(fresh.tokens, held))
        same(number, "reports", full(run.reports), full(fresh.reports))
        same(number, "keys", run.keys, fresh.keys)
        same(number, "tombs", run.tombs, fresh.tombs)
        same(number, "resumed", run.peek("resumed"), fresh.peek("resumed"))
        held_commands = {key[1:] for key in host.exchange.commands.held if key[0] == run.id}
        same(number, "commands", without(run.commands, held_commands), fresh.commands)


def begun(tokens: dict[str, Token], held: set[str]) -> dict[str, Token]:
    """Return tokens as they rest: whether a next attempt has begun is known in memory only."""
    found: dict[str, Token] = {}
    for path, token in without(tokens, held).items():
        if isinstance(token.rest, OnTask | OnUndo):
            token = structs.replace(token, rest=structs.replace(token.rest, due=0))
        found[path] = token
    return found


def without(rows: Mapping[K, V], held: Set[K]) -> dict[K, V]:
    return {path: row for path, row in rows.items() if path not in held}


def full(reports: Mapping[str, Mapping[int, V]]) -> dict[str, Mapping[int, V]]:
    return {path: rows for path, rows in reports.items() if rows}


def same(number: int, what: str, live: Any, fresh: Any) -> None:
    if live != fresh:
        raise Wrong(3, f"host {number}: {what} {differences(live, fresh)}")


def differences(live: Any, fresh: Any) -> str:
    """Return the first row that differs, or all where these are no tables."""
    if not isinstance(live, Mapping):
        return f"live {live}, folded {fresh}"
    tables = cast("tuple[Mapping[object, object], Mapping[object, object]]", (live, fresh))
    for key in tables[0].keys() | tables[1].keys():
        one, other = (table.get(key) for table in tables)
        if one != other:
            return f"{key}: live {plain(one)}, folded {plain(other)}"
    return "differ in nothing that can be shown"


def plain(value: object) -> str:
    if isinstance(value, Token):
        names = value.__struct_fields__
        return ", ".join(f"{name}={getattr(value, name)}" for name in names)
    return str(value)
