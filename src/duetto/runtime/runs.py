"""Begin runs, and take up again those that a process left unfinished."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import msgspec
from msgspec.structs import replace

from duetto.errors import ArgumentsRefused, ConflictError, DuettoError, ValueRefused
from duetto.kernel import fold, journal
from duetto.kernel.advance import advance
from duetto.kernel.fold import RunState
from duetto.kernel.fork import root
from duetto.kernel.program import Program
from duetto.model.effect import Begin
from duetto.model.event import Origin
from duetto.model.message import Arrive
from duetto.model.record import Started
from duetto.model.token import ROOT, OnTask, OnUndo, Value
from duetto.model.view import RUNNING, RunRow
from duetto.observer import Recovered, RunStarted
from duetto.runtime.cascade import Cascade
from duetto.runtime.cause import Cause
from duetto.runtime.host import Host
from duetto.runtime.resting import outcome_of
from duetto.runtime.suspects import Suspects, command_key
from duetto.store import refuse_unstorable

BEGIN = Begin()

MANY_RUNS = 10_000
"""Recovering so many is worth that garbage which is young by then is found late."""


def pack_input(variables: dict[str, Value]) -> bytes:
    """Return the stored form of a run's input."""
    return msgspec.msgpack.encode({name: value.data for name, value in variables.items()})


def unpack_input(program: Program, packed: bytes) -> dict[str, Any]:
    """Return a run's input as keyword arguments, live."""
    parts = msgspec.msgpack.decode(packed, type=dict[str, bytes])
    types = {parameter.name: parameter.type for parameter, _ in program.parameters[0]}
    return {name: program.load(Value(types[name], data)) for name, data in parts.items()}


def identity_of(workflow: str, input: bytes) -> bytes:
    """Return what two starts under one id must share."""
    return sha256(workflow.encode() + b"\0" + input).digest()[:16]


def start(
    host: Host,
    program: Program,
    id: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    tags: tuple[str, ...] = (),
    *,
    drawn: bool = False,
    origin: Origin | None = None,
    heard: dict[str, int] | None = None,
) -> RunRow | None:
    """Begin a run at its home; return the row of the run that has this id already, if one has.

    No other run has an id that was `drawn`: asking the store would cost as much as a step. What it
    emits follows from its `origin`, where it has one; it does not receive what it has `heard`.
    Raises ConflictError where that run has another workflow or input, ValueRefused where the
    input or a name cannot be stored, ArgumentsRefused for arguments that do not fit.
    """
    variables = _bound(program, args, kwargs)
    packed = pack_input(variables)
    name = program.definition.name
    identity = b"" if drawn else identity_of(name, packed)
    known = None if drawn else _known(host, id)
    if known is not None:
        if (known.identity or identity_of(known.workflow, known.input)) != identity:
            raise _conflict(known, name)
        return known
    now = host.clock.now_ms()
    home = program.definition.home
    row = RunRow(
        host.next_rid,
        id,
        name,
        program.digest,
        home,
        RUNNING,
        now,
        now,
        identity,
        packed,
        b"",
        tags,
    )
    refuse_unstorable(row)
    run = host.open_run(id, program.digest, home)
    host.new_rows[id] = row
    _begin(host, run, program, variables, now, origin, heard or {})
    host.after_commit(lambda: host.observer.note(RunStarted(id, name)))
    return None


def _bound(program: Program, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Value]:
    name = program.definition.name
    try:
        return program.bind(0, args, kwargs)
    except ValueRefused as refused:
        raise ValueRefused(
            f"The input of {name} cannot be stored; nothing was started.",
            found=refused.found,
            expected=refused.expected,
            do=refused.do,
        ) from refused
    except TypeError as unfit:
        taken = ", ".join(parameter.name for parameter, _ in program.parameters[0])
        raise ArgumentsRefused(
            f"The arguments do not fit {name}; nothing was started.",
            found=str(unfit),
            expected=f"{name}({taken})",
            do="give it the arguments that it takes",
        ) from unfit


def _known(host: Host, id: str) -> RunRow | None:
    """Return the row of a run, be it written already or not."""
    known = host.new_rows.get(id) or host.store.run(id)
    if known is None and id in host.runs:
        known = next((row for row in host.batch.runs if row.id == id), None)
    return known


def _conflict(known: RunRow, workflow: str) -> ConflictError:
    return ConflictError(
        f"The run id `{known.id}` is taken.",
        found=f"{workflow} with another input"
        if known.workflow == workflow
        else f"a run of {known.workflow}",
        expected="the same workflow and input, which would run once",
        do="choose another id",
    )


def _begin(
    host: Host,
    run: RunState,
    program: Program,
    variables: dict[str, Value],
    now: int,
    origin: Origin | None,
    heard: dict[str, int],
) -> None:
    token = root(program, ROOT, program.definition.home, variables)
    if origin is not None:
        token = replace(token, origin=origin, heard=heard)
    transition = advance(program, host.placement, token, BEGIN, now)
    cascade = Cascade()
    if transition.token is None:
        host.events.publish(run, token, transition.effects)
        host.write(run, Started(ROOT, now, token))
        host.ended(run, token, outcome_of(transition), Cause("began"))
        return
    host.begin(run, transition, cascade)
    begun = run.tokens.get(ROOT, transition.token)
    host.write(run, Started(ROOT, now, begun, "", host.begun(run, cascade), cascade.sent))
    host.follow(run, cascade)


def recover(host: Host) -> list[str]:
    """Take up the unfinished runs of a store; return the ids of those that are at home here.

    What was in hand when the process died is counted, and committed, before anything is advanced.
    """
    with collector_paused():
        load(host)
        suspects = Suspects(host)
        if host.died:
            suspects.count()
        host.events.count_deaths()
        host.flush()
        for run in list(host.runs.values()):
            _continue(host, run, suspects)
        suspects.begin()
        host.events.recover()
        if len(host.runs) >= MANY_RUNS:
            _make_old()
    found = [run.id for run in host.runs.values() if run.home in host.participants]
    if found:
        host.observer.note(Recovered(tuple(found)))
    return found


@contextmanager
def collector_paused() -> Generator[None]:
    """Recover without the garbage collector: what is made here stays, and looking through it again
    and again takes as long as making it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _make_old() -> None:
    """Let all that was made become old at once: the collector would look through it first, which
    takes as long again as making it. What somebody else has frozen stays so."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


def load(host: Host) -> None:
    """Fold the unfinished runs of a store, and start nothing."""
    for row, records in host.store.unfinished():
        run = RunState(row.rid, row.id, row.digest, row.home)
        for data in records:
            fold.apply(run, journal.record(data))
        host.runs[row.id] = run


def _continue(host: Host, run: RunState, suspects: Suspects) -> None:
    for token in list(run.tokens.values()):
        try:
            _rearm(host, run, token.path, alone=suspects.holds(run, token.path))
        except DuettoError as error:
            host.park(run, token, str(error))
    # Tasks first: what undoes one waits for its end, and does not run it beside itself.
    for _, message in sorted(run.peek("commands").items(), key=lambda command: command[0][2]):
        if not suspects.holds(run, command_key(message)):
            host.exchange.commands.execute_again(run, message)
    for message in list(run.peek("sent").values()):
        host.exchange.publish(message)
    for trail in list(run.peek("away").values()):
        if trail.message is not None and isinstance(trail.message.body, Arrive):
            host.exchange.publish(trail.message)


def _rearm(host: Host, run: RunState, path: str, *, alone: bool) -> None:
    token = run.tokens[path]
    rest = token.rest
    if not alone:
        due = isinstance(rest, OnTask | OnUndo) and 0 < rest.due <= host.clock.now_ms()
        (host.begin_due if due else host.renew)(run, token)
    wake = host.wake_of(token)
    if wake:
        host.timers.arm(wake, run.id, path, token.step)
    host.join_if_complete(run, path)
