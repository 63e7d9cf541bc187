"""One store and the participants that live in it: take an input, advance, commit, then act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from msgspec.structs import replace

from duetto.clock import Clock
from duetto.codec import Codec
from duetto.errors import DuettoError, NotFound, StoreDamaged
from duetto.invoker import Invoker
from duetto.kernel import fold, journal
from duetto.kernel.advance import advance, renewed
from duetto.kernel.fold import RunState
from duetto.kernel.fork import only_counts
from duetto.kernel.program import Program
from duetto.kernel.walk import wake_at
from duetto.model.definition import Task
from duetto.model.effect import (
    Begin,
    CallTask,
    CallUndo,
    Cancel,
    CancelChildren,
    Change,
    Effect,
    Fork,
    Input,
    Joined,
    Publish,
    Report,
    Reported,
    Resume,
    Subscribe,
    Transition,
    Woken,
)
from duetto.model.message import Arrive, CancelPath, Message, Reporting
from duetto.model.placement import Placement
from duetto.model.record import CancelCame, Ended, Moved, Record, TaskEnded
from duetto.model.token import (
    ROOT,
    Completed,
    Error,
    Failed,
    OnChildren,
    OnEvent,
    OnTask,
    OnUndo,
    Outcome,
    Parked,
    Stopped,
    Token,
    parent_of,
)
from duetto.model.view import CANCELLED, COMPLETED, FAILED, STATUSES
from duetto.observer import Observer, RunEnded, TokenParked
from duetto.runtime.attempt import Attempt
from duetto.runtime.attempts import Attempts
from duetto.runtime.cascade import NO_CASCADE, Cascade
from duetto.runtime.cause import Cause
from duetto.runtime.desk import Desk
from duetto.runtime.exchange import Exchange
from duetto.runtime.programs import Programs
from duetto.runtime.reaction import Reaction
from duetto.runtime.resting import (
    as_it_is,
    awaited,
    may_have_begun,
    outcome_of,
    sent_for,
    without_due,
)
from duetto.runtime.tasks import TaskHandle
from duetto.runtime.timers import Timers
from duetto.runtime.tokens import NO_EVENTS
from duetto.runtime.undoing import Undoing
from duetto.store import Store

INTERRUPTS = frozenset[type[Input]]({Cancel, Resume, Woken})
STATUS_OF: dict[type[Outcome], int] = {Completed: COMPLETED, Failed: FAILED, Stopped: CANCELLED}


class Host(Desk):
    """The runtime of one store: what a token does, it does here."""

    def __init__(
        self,
        store: Store,
        participants: frozenset[str],
        *,
        programs: Programs,
        tasks: Mapping[str, TaskHandle],
        placement: Placement,
        clock: Clock,
        codec: Codec,
        observer: Observer,
        alone: bool = True,
    ) -> None:
        super().__init__(
            store,
            participants,
            programs=programs,
            tasks=tasks,
            placement=placement,
            clock=clock,
            codec=codec,
            observer=observer,
            alone=alone,
        )
        self.timers = Timers(self.loop, clock, self.wake)
        self.attempts = Attempts(self, self, self.timers)
        self.undoing = Undoing(self, self, self.attempts, self.timers)
        self.exchange = Exchange(self, self, self.attempts, self.undoing)
        self.invoker: Invoker[Attempt | Reaction] | None = None
        self.events = NO_EVENTS

    def submit(self, attempts: Iterable[Attempt | Reaction]) -> None:
        assert self.invoker is not None, "the host was not started"
        self.attempts.submit(attempts, self.invoker)

    # -- advancing

    def advance(self, run: RunState, path: str, input: Input, cause: Cause) -> None:
        """Give a token an input, write what follows, and let it be acted on after the commit."""
        token = run.tokens[path]
        try:
            program = self.programs.program(token.definition)
        except DuettoError as unknown:
            if isinstance(input, Cancel):
                self._note_cancelled(run, token)
            else:
                reason = f"its definition {token.definition[:8]} is unknown: {unknown}"
                self.park(run, token, reason)
            return
        self.give(run, token, program, input, cause)

    def give(
        self, run: RunState, token: Token, program: Program, input: Input, cause: Cause
    ) -> None:
        """Do the same for a token and its program, which are at hand."""
        interrupts = type(input) in INTERRUPTS
        if (interrupts or token.cancelled) and isinstance(awaited(token), OnTask):
            unfit = self._keep_arguments(run, token, cause)
            if unfit is not None and interrupts:
                self._wait_for_code(run, token, input, unfit)
                return
            if isinstance(input, Cancel | Resume):
                input = replace(input, begun=may_have_begun(run, token, program, self.participants))
        now = cause.at = self.clock.now_ms()
        self.take(run, token, advance(program, self.placement, token, input, now), cause)

    def _note_cancelled(self, run: RunState, token: Token) -> None:
        """A token that cannot be advanced here acts on its cancel once its definition is back."""
        change = replace(as_it_is(token, token.rest), cancelled=True)
        run.tokens[token.path] = fold.changed(token, change)
        self.write(run, Moved(token.path, self.clock.now_ms(), "cancelled", change))

    def _wait_for_code(self, run: RunState, token: Token, input: Input, unfit: DuettoError) -> None:
        """A token turns round once its call can be kept: without it nothing could be settled."""
        if isinstance(input, Cancel):
            self._note_cancelled(run, token)
        self.park(run, run.tokens[token.path], str(unfit))

    def _keep_arguments(self, run: RunState, token: Token, cause: Cause) -> DuettoError | None:
        """A task that is interrupted may have to be settled: with the arguments that it had.

        Return why they cannot be kept, if so: this version has not the task, or another one.
        """
        cause.step = token.step
        running = self.attempts.running.get((run.id, token.path, token.step))
        sent = sent_for(run, token)
        if running is not None:
            found: bytes | DuettoError = running.packed
        elif sent is not None:
            found = sent.args
        else:
            found = self.attempts.packed(fold.resting(token, awaited(token)))
        if isinstance(found, DuettoError):
            return found
        cause.args = found
        return None

    def take(self, run: RunState, token: Token, transition: Transition, cause: Cause) -> None:
        """Write the transition of a token, and follow what it leads to within the same commit."""
        path, after, change = token.path, transition.token, transition.change
        if after is None or change is None:
            self.events.publish(run, token, transition.effects)
            self.ended(run, token, outcome_of(transition), cause)
            return
        run.tokens[path] = after
        if transition.wake:
            self.timers.arm(transition.wake, run.id, path, change.step)
        if type(token.rest) is OnChildren and token.step != change.step:
            run.forget(path, "reports")
        effects = transition.effects
        if len(effects) == 1 and self.attempts.begin_stored(run, after, effects[0]):
            self.write(run, self._record(run, path, change, cause, NO_CASCADE))
            return
        if type(after.rest) is Parked and after.rest is not token.rest:
            self._note_parked(run, path, after.rest)
        cascade = Cascade(cause)
        change = self._effects(run, after, change, transition.effects, cascade)
        self.write(run, self._record(run, path, change, cause, cascade))
        self.follow(run, cascade)

    def begin(self, run: RunState, transition: Transition, cascade: Cascade) -> Change:
        """Take the first transition of a token: its effects, without a record of its own; return
        its change as it would be written."""
        token = transition.token
        assert token is not None, "a token that ended begins nothing"
        assert transition.change is not None, "a token comes with its change"
        run.tokens[token.path] = token
        if isinstance(token.rest, Parked):
            self._note_parked(run, token.path, token.rest)
        if transition.wake:
            self.timers.arm(transition.wake, run.id, token.path, token.step)
        effects = transition.effects
        if len(effects) == 1 and self.attempts.begin_stored(run, token, effects[0]):
            return transition.change
        return self._effects(run, token, transition.change, effects, cascade)

    def begin_held(self, run: RunState, token: Token, transition: Transition) -> None:
        """Begin what an arrived token came for, its arrival not yet written."""
        cascade = Cascade()
        change = self.begin(run, transition, cascade)
        if cascade.sent or isinstance(change.rest, Parked):
            self.write(run, self._record(run, token.path, change, Cause("arrived"), cascade))
        self.follow(run, cascade)

    def _record(
        self, run: RunState, path: str, change: Change, cause: Cause, cascade: Cascade
    ) -> Record:
        forked, sent = self.begun(run, cascade), cascade.sent
        at = cause.at or self.clock.now_ms()
        if cause.task:
            into = cause.into if change.writes.get(cause.into) is cause.value else ""
            return TaskEnded(
                path,
                at,
                cause.task,
                cause.step,
                cause.attempt,
                cause.took,
                change,
                into,
                b"" if into else cause.result,
                cause.args,
                cause.error,
                forked,
                sent,
            )
        step = cause.step if cause.args else 0  # of what was interrupted
        return Moved(path, at, cause.name, change, cause.note, step, cause.args, forked, sent)

    def begun(self, run: RunState, cascade: Cascade) -> tuple[Token, ...]:
        """Return the children that began and are still here, as they rest."""
        if not cascade.forked:
            return ()
        return tuple(run.tokens[child] for child in cascade.forked if child in run.tokens)

    def follow(self, run: RunState, cascade: Cascade) -> None:
        """Send, end and cancel what a written record led to."""
        for message in cascade.sent:
            self.exchange.send(run, message)
        for child, outcome in cascade.ended:
            self.ended(run, child, outcome, Cause("began"))
        for path in cascade.cancels:
            self.cancel(run, path)
        for token, effect in cascade.undos:
            self.undoing.begin(run, token, effect)
        for path in cascade.listens:
            token = run.tokens.get(path)
            if token is not None and isinstance(token.rest, OnEvent):
                self.events.listen(run, token)

    def _effects(
        self,
        run: RunState,
        token: Token,
        change: Change,
        effects: tuple[Effect, ...],
        cascade: Cascade,
    ) -> Change:
        """Sort the effects of a transition; return the change as it is to be written."""
        for effect in effects:
            match effect:
                case CallTask():
                    change = self._call_task(run, token, change, effect, cascade)
                case CallUndo():
                    change = self._call_undo(run, token, change, effect, cascade)
                case Fork(children):
                    for child in children:
                        self._fork(run, child, cascade)
                case CancelChildren(paths):
                    cascade.cancels += paths
                case Subscribe():
                    if token.at not in self.participants:
                        self._depart(run, token, cascade)
                    else:
                        cascade.listens += (token.path,)
                case Publish():
                    self.events.publish(run, token, (effect,))
                case Report():
                    pass
                case _:
                    assert_never(effect)
        return change

    def _call_task(
        self, run: RunState, token: Token, change: Change, effect: CallTask, cascade: Cascade
    ) -> Change:
        if self.attempts.begin_stored(run, token, effect):
            return change
        packed = self.attempts.pack(effect)
        if not isinstance(packed, bytes):
            if token.at not in self.participants:
                # It stays: were it said to be elsewhere, its children would report there.
                change = replace(change, at=min(self.participants))
                run.tokens[token.path] = replace(token, at=change.at)
            self.loop.call_soon(self.attempts.refuse, run, token.path, token.step, packed)
            return change
        if token.at not in self.participants:
            token = fold.resting(token, OnTask(packed))
            run.tokens[token.path] = token
            self._depart(run, token, cascade)
            return change
        if not effect.pure:
            rest = OnTask(packed, effect.attempt, effect.due)
            run.tokens[token.path] = fold.resting(token, rest)
            change = replace(change, rest=rest)
        message = self.attempts.begin(run, token, effect, packed)
        if message is not None:
            cascade.sent += (message,)
        return change

    def _call_undo(
        self, run: RunState, token: Token, change: Change, effect: CallUndo, cascade: Cascade
    ) -> Change:
        entry, cause = effect.entry, cascade.cause
        if token.at not in self.participants:
            self._depart(run, token, cascade)
        elif self.undoing.is_remote(entry):
            own = cause is not None and (entry.path, entry.step) == (token.path, cause.step)
            args = cause.args if cause is not None and own else b""
            try:
                cascade.sent += (self.undoing.command(run, token, entry, args),)
            except StoreDamaged as damage:
                rest = Parked(str(damage), token.rest)
                run.tokens[token.path] = fold.resting(token, rest)
                self._note_parked(run, token.path, rest)
                return replace(change, rest=rest)
        else:
            # Only after the record: the entry may be of the very task that it tells of.
            cascade.undos += ((token, effect),)
        return change

    def _depart(self, run: RunState, token: Token, cascade: Cascade) -> None:
        """Let a token travel with what is still read: it leaves in this commit, its trail stays."""
        program = self.programs.program(token.definition)
        message = self.message(run, token.at, Arrive(program.travelling(token)))
        cascade.sent += (message,)
        fold.note_sent(run, message)

    def _fork(self, run: RunState, child: Token, cascade: Cascade) -> None:
        run.tokens[child.path] = child
        program = self.programs.program(child.definition)
        transition = advance(program, self.placement, child, Begin(), self.clock.now_ms())
        if transition.token is None:
            self.events.publish(run, child, transition.effects)
            # It has ended, though its record is still to come: nothing may reach it any more.
            del run.tokens[child.path]
            cascade.ended += ((child, outcome_of(transition)),)
            return
        cascade.forked += (child.path,)
        self.begin(run, transition, cascade)

    # -- ending

    def ended(self, run: RunState, token: Token, outcome: Outcome, cause: Cause) -> None:
        """A token ended: its record is its report, to a parent here or by message."""
        path = token.path
        run.tokens.pop(path, None)
        run.forget(path, "deaths", "resumed")
        if not self.alone:
            run.away[path] = fold.Trail(None, 0)
        local = token.reply_to in self.participants
        sent: tuple[Message, ...] = ()
        if not local:
            sent = (self.message(run, token.reply_to, Reporting(path, outcome)),)
        self.write(
            run,
            Ended(
                path,
                cause.at or self.clock.now_ms(),
                outcome,
                cause.task,
                cause.step,
                cause.attempt,
                cause.took,
                cause.result,
                cause.args,
                cause.error,
                sent,
                token.at != token.reply_to,
                cause.name,
                cause.note,
            ),
        )
        for message in sent:
            fold.note_sent(run, message)
            self.exchange.send(run, message)
        if local:
            self.reported(run, path, outcome)

    def reported(self, run: RunState, path: str, outcome: Outcome) -> None:
        """Take a report, once: it may decide or join its parent, or end the run."""
        if path == ROOT:
            self.finish(run, outcome)
            return
        parent, step, index = parent_of(path)
        token = run.tokens.get(parent)
        if token is None or token.step != step or not isinstance(token.rest, OnChildren):
            return
        rows = run.reports.setdefault(parent, {})
        if index in rows:
            return
        rows[index] = outcome
        program = self.programs.program(token.definition)
        failed = isinstance(outcome, Failed)
        if only_counts(program.regions[token.region][token.node].node, token.rest, failed):
            run.tokens[parent] = fold.counted(token, token.rest)
        else:
            input, now = Reported(index, failed), self.clock.now_ms()
            transition = advance(program, self.placement, token, input, now)
            self.take(run, token, transition, Cause("decided", note=str(index)))
        self.join_if_complete(run, parent)

    def join_if_complete(self, run: RunState, parent: str) -> None:
        """Let a parent go on once all its children have reported."""
        token = run.tokens.get(parent)
        if token is None or not isinstance(token.rest, OnChildren):
            return
        if token.rest.ended < token.rest.total:
            return
        rows = run.reports.pop(parent, {})
        outcomes = tuple(rows[index] for index in range(token.rest.total))
        self.advance(run, parent, Joined(outcomes), Cause("joined"))

    def finish(self, run: RunState, outcome: Outcome) -> None:
        """End a run that is at home here."""
        status = STATUS_OF[type(outcome)]
        now, workflow = self.clock.now_ms(), self._workflow_of(run)
        self.batch.ended.append((run.rid, status, now, journal.encode(outcome)))
        self.runs.pop(run.id, None)
        waiters = self.waiters.pop(run.id, ())
        error = (
            f"{outcome.error.type}: {outcome.error.message}" if isinstance(outcome, Failed) else ""
        )

        def tell() -> None:
            for future in waiters:
                if not future.done():
                    future.set_result(outcome)
            self.observer.note(RunEnded(run.id, workflow, STATUSES[status], error))

        self.after_commit(tell)

    def _workflow_of(self, run: RunState) -> str:
        """Return the name of a run's workflow, as far as it is known here."""
        try:
            return self.programs.program(run.digest).definition.name
        except DuettoError:
            return ""

    # -- interrupting, waking, parking

    def cancel(self, run: RunState, path: str) -> None:
        """Cancel a path: a tombstone here, then along its trail (PROTOCOL, rule 16)."""
        if not self.alone:
            if path in run.tombs:
                return
            run.tombs.add(path)
            trail = run.away.get(path)
            sent: tuple[Message, ...] = ()
            if path not in run.tokens and trail is not None and trail.to is not None:
                sent = (self.message(run, trail.to, CancelPath(path)),)
            self.write(run, CancelCame(path, self.clock.now_ms(), sent))
            for message in sent:
                fold.note_sent(run, message)
                self.exchange.send(run, message)
        token = run.tokens.get(path)
        if token is not None and not token.cancelled:
            self.advance(run, path, Cancel(), Cause("cancelled"))
            self._notice(run, token)

    def _notice(self, run: RunState, token: Token) -> None:
        """Tell a body that its token waits no more; a shielded one goes on waiting."""
        current = run.tokens.get(token.path)
        if current is None or current.step != token.step or type(current.rest) is not OnTask:
            self.attempts.notice(run, token)

    def wake(self, run_id: str, path: str, step: int) -> None:
        """An instant was reached: of a sleep, a deadline, or a next attempt."""
        run = self.runs.get(run_id)
        token = run.tokens.get(path) if run is not None else None
        if run is None or token is None or token.step != step or isinstance(token.rest, Parked):
            return
        rest = token.rest
        now = self.clock.now_ms()
        if isinstance(rest, OnTask | OnUndo) and 0 < rest.due <= now:
            self.begin_due(run, token)
            return
        program = self.programs.program(token.definition)
        transition = advance(program, self.placement, token, Woken(), now)
        if (
            transition.token is not None
            and transition.token.rest is rest
            and not transition.effects
        ):
            if transition.wake > now:
                self.timers.arm(transition.wake, run_id, path, step)
            return
        self.advance(run, path, Woken(), Cause("woken"))
        self._notice(run, token)

    def begin_due(self, run: RunState, token: Token) -> None:
        """Begin the next attempt of a token, which then has no instant to wait for any more: the
        timer of a deadline must not begin it once more."""
        rest = without_due(token.rest)
        run.tokens[token.path] = token = fold.resting(token, rest)
        self.renew(run, token)

    def retry(self, run: RunState, token: Token) -> None:
        """Begin the next attempt of a token at once, as an operator wants it."""
        change = as_it_is(token, without_due(token.rest))
        self.write(run, Moved(token.path, self.clock.now_ms(), "retried", change))
        self.begin_due(run, token)

    def wake_of(self, token: Token) -> int:
        """Return the next instant at which a resting token must look again, 0 for none."""
        return wake_at(token.rest, token.frames)

    def renew(self, run: RunState, token: Token) -> None:
        """Start again what a resting token waits for: at recovery, or when an attempt is due."""
        try:
            effects = renewed(self.programs.program(token.definition), token)
        except NotFound as unknown:
            self.park(run, token, f"its definition needs what is unknown here: {unknown}")
            return
        for effect in effects:
            if isinstance(effect, CallTask):
                if self.attempts.begin_stored(run, token, effect):
                    continue
                packed = self.attempts.pack(effect)
                if isinstance(packed, bytes):
                    self.attempts.begin(run, token, effect, packed)
                else:
                    self.attempts.refuse(run, token.path, token.step, packed)
            elif isinstance(effect, CallUndo) and not self.undoing.is_remote(effect.entry):
                self.undoing.begin(run, token, effect)
            elif isinstance(effect, Subscribe):
                self.events.listen(run, token)

    def park(self, run: RunState, token: Token, reason: str, error: Error | None = None) -> None:
        """Let a token wait for an operator, with a reason; needs no program."""
        if isinstance(token.rest, Parked):
            return
        rest = Parked(reason, token.rest, error)
        change = as_it_is(token, rest)
        run.tokens[token.path] = fold.changed(token, change)
        self.write(run, Moved(token.path, self.clock.now_ms(), "parked", change, reason))
        self._note_parked(run, token.path, rest)

    def _note_parked(self, run: RunState, path: str, rest: Parked) -> None:
        signal = TokenParked(run.id, path, rest.reason, self._task_of(run.tokens[path], rest))
        self.after_commit(lambda: self._tell_parked(signal))

    def _task_of(self, token: Token, rest: Parked) -> str:
        """Return the task that a parked token waits for, or undoes, as far as it is known here."""
        if isinstance(rest.over, OnUndo):
            return rest.over.entry.task
        try:
            definition = self.programs.definition(token.definition)
        except DuettoError:
            return ""
        node = definition.regions[token.region].nodes[token.node]
        return node.task if isinstance(node, Task) and isinstance(rest.over, OnTask) else ""

    def _tell_parked(self, signal: TokenParked) -> None:
        self.observer.note(signal)
        for future in self.at_parking:
            if not future.done():
                future.set_result(None)
        self.at_parking.clear()


__all__ = ["Host"]
