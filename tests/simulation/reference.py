"""A plain interpreter of generated workflows: direct style, nothing of the kernel.

Where the outcome is a choice (who won, who was interrupted where), it follows the facts that a
run's journals recorded, and refuses a choice that has no cause.
"""

from __future__ import annotations

from typing import assert_never

from msgspec import Struct

from duetto.testing.simulation import blocks as b
from duetto.testing.simulation.operators import SKIPPED
from duetto.testing.simulation.services import Effects
from tests.simulation.facts import Facts, StepEnd


class Wrong(AssertionError):
    """A run that did what it must not: which promise it breaks (DESIGN.md, section 9), and how."""

    def __init__(self, promise: int, text: str) -> None:
        super().__init__(f"promise {promise}: {text}")
        self.promise, self.text = promise, text


class Entry(Struct, frozen=True):
    key: str
    unknown: bool = False


class Raised(Exception):
    """An error in the workflow; `scope` is the timeout that interrupted, or `cancel`."""

    def __init__(self, kind: str, message: str, scope: object = None) -> None:
        super().__init__(kind, message)
        self.kind, self.message, self.scope = kind, message, scope


class Returned(Exception):
    """`return`, with what it returns: a `finally` on the way changes it no more."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value


class Ending(Struct, frozen=True):
    """How a token ended, and what its parent may have to undo, oldest first."""

    value: int | None
    error: tuple[str, str] | None
    stopped: bool
    undo: list[Entry]


class Deadline:
    """An open timeout."""

    def __init__(self, at: int) -> None:
        self.at = at


MISFIT = ("TypeError", "missing a required argument: 'more'")
"""What is raised where a call does not fit the task any more."""

SHIELD = object()
CANCEL = object()
NEVER = StepEnd(0, 0, False)


class Thread:
    """One token."""

    def __init__(self, path: str, variables: dict[str, int], at: int, order: int) -> None:
        self.path, self.vars, self.at, self.order = path, variables, at, order
        self.step = 0
        self.undo: list[Entry] = []
        self.scopes: list[object] = []
        self.undone = 0

    @property
    def key(self) -> str:
        return f"{self.path}#{self.step}"


class Reference:
    """Interprets one run. Without facts there are no choices, and all follows from the input."""

    def __init__(
        self,
        effects: Effects,
        facts: Facts | None = None,
        stores: tuple[frozenset[str], ...] = (),
    ) -> None:
        self.effects, self.facts, self.stores = effects, facts, stores
        self.done: set[str] = set()
        self.cut: set[str] = set()
        """Tasks that were interrupted, or ran out of time: they may have had their effect."""
        self.undone: dict[str, list[str]] = {}
        self.seen: set[tuple[str, int]] = set()
        self.threads: set[str] = set()

    # -- tokens

    def token(self, path: str, body: b.Block, variables: dict[str, int], *, saga: bool) -> Ending:
        """Run a token from its start."""
        self.threads.add(path)
        at, order = self.facts.started.get(path, (0, 0)) if self.facts else (0, 0)
        thread = Thread(path, dict(variables), at, order)
        error: Raised | None = None
        value = 0
        try:
            if saga:
                self.saga(thread, body, keep=True)
            else:
                self.run(thread, body)
            value = thread.vars["x"]
        except Returned as returned:
            value = returned.value
        except Raised as raised:
            error = raised
        if error is None:
            return Ending(value, None, False, thread.undo)
        stopped = error.scope is CANCEL
        return Ending(None, (error.kind, error.message), stopped, thread.undo)

    def saga(self, thread: Thread, body: b.Block, *, keep: bool) -> None:
        mark = len(thread.undo)
        try:
            self.run(thread, body)
        except Raised:
            self.unwind(thread, mark)
            raise
        except Returned:
            if not keep:
                del thread.undo[mark:]
            raise
        if not keep:
            del thread.undo[mark:]

    def unwind(self, thread: Thread, mark: int) -> None:
        """Undo what is above the mark, newest first."""
        while len(thread.undo) > mark:
            entry = thread.undo.pop()
            self.undone.setdefault(thread.path, []).append(entry.key)
            if self.facts is not None:
                done = self.facts.undone.get(thread.path, [])
                if thread.undone >= len(done):
                    raise Wrong(5, f"{thread.path}: {entry.key} is not undone")
                one = done[thread.undone]
                if f"{one.path}#{one.step}" != entry.key:
                    raise Wrong(
                        5, f"{thread.path}: {one.path}#{one.step} undone before {entry.key}"
                    )
                thread.at, thread.order = one.at, one.order
            thread.undone += 1

    # -- interruption

    def interruption(self, thread: Thread) -> Raised | None:
        """Return what interrupts a token now: a state of its scopes (PROTOCOL, rule 15)."""
        if self.facts is None:
            return None
        scopes = thread.scopes
        shield = max((i for i, scope in enumerate(scopes) if scope is SHIELD), default=-1)
        if shield < 0 and self.facts.is_cancelled(thread.path, thread.order):
            return Raised("duetto.errors:Cancelled", "cancelled", CANCEL)
        for scope in scopes[shield + 1 :]:
            if isinstance(scope, Deadline) and scope.at <= thread.at:
                return Raised("TimeoutError", "timed out", scope)
        return None

    def begin(self, thread: Thread) -> None:
        """Come to an await: what interrupts does so before it begins."""
        raised = self.interruption(thread)
        if raised is not None:
            raise raised
        thread.step += 1
        self.seen.add((thread.path, thread.step))

    def end(self, thread: Thread) -> bool:
        """Wait for the end of a step; return whether it was interrupted."""
        if self.facts is None:
            return False
        end = self.facts.steps.get((thread.path, thread.step))
        if end is None:
            raise Wrong(4, f"{thread.key} was not waited for")
        thread.at, thread.order = end.at, end.order
        return end.interrupted

    def interrupt(self, thread: Thread) -> Raised:
        """Return what interrupted the step that just ended."""
        raised = self.interruption(thread)
        if raised is None:
            raise Wrong(4, f"{thread.key} was interrupted without a cause")
        return raised

    # -- blocks

    def run(self, thread: Thread, block: b.Block) -> None:
        variables = thread.vars
        match block:
            case b.Sequence(blocks):
                for each in blocks:
                    self.run(thread, each)
            case b.Step():
                self.task(thread, block)
            case b.Set(into, source, other, add):
                value = variables[source] * 31 + variables[other] + add
                variables[into] = value % b.MODULUS
            case b.Either(rest, then, otherwise):
                self.run(thread, then if variables["x"] % 2 == rest else otherwise)
            case b.Repeat(times, body):
                for _ in range(times):
                    self.run(thread, body)
            case b.Together() | b.Each():
                self.gather(thread, block)
            case b.First(branches):
                self.race(thread, branches)
            case b.Sub(body):
                self.call(thread, body)
            case b.Sleep():
                self.begin(thread)
                if self.end(thread):
                    raise self.interrupt(thread)
            case b.Await():
                self.begin(thread)
                if self.end(thread):
                    raise self.interrupt(thread)
                raise Raised("TimeoutError", "no event came in time")
            case b.Tell():
                pass
            case b.Fail(message):
                raise Raised("ValueError", message)
            case b.Leave():
                raise Returned(variables["x"])
            case b.Try() | b.Cleanup() | b.Saga() | b.Limit():
                self.scope(thread, block)
            case _:
                assert_never(block)

    def scope(self, thread: Thread, block: b.Try | b.Cleanup | b.Saga | b.Limit) -> None:
        scopes = list(thread.scopes)
        match block:
            case b.Try(body, catches, handler):
                try:
                    self.run(thread, body)
                except Raised as raised:
                    if raised.scope is not None or catches not in (raised.kind, "Exception"):
                        raise
                    thread.scopes = scopes
                    self.run(thread, handler)
            case b.Cleanup(body, final):
                try:
                    self.run(thread, body)
                finally:
                    thread.scopes = [*scopes, SHIELD]
                    self.run(thread, final)
                    thread.scopes = scopes
            case b.Saga(body, keep):
                self.saga(thread, body, keep=keep)
            case b.Limit(ms, body):
                limit = Deadline(thread.at + ms)
                thread.scopes = [*scopes, limit]
                try:
                    self.run(thread, body)
                except Raised as raised:
                    if raised.scope is limit:
                        raise Raised("TimeoutError", "timed out") from None
                    raise
                finally:
                    thread.scopes = scopes

    def task(self, thread: Thread, block: b.Step) -> None:
        self.begin(thread)
        key, kind = thread.key, block.task.partition(".")[2]
        undoable = kind in b.UNDOABLE
        if self.end(thread):
            begun = self.may_have_begun(thread, block.task.partition(".")[0])
            if begun:
                self.cut.add(key)
            if undoable and begun:
                thread.undo.append(Entry(key, True))
            raise self.interrupt(thread)
        place = (thread.path, thread.step)
        if self.facts is not None and place in self.facts.skipped:
            self.cut.add(key)
            self.result(thread, block, SKIPPED)
            return
        error = self.ending(thread, block.task)
        if error is not None:
            cut_off = self.facts is not None and place in self.facts.cut_off
            if error[0] == "TimeoutError" or cut_off:
                self.cut.add(key)
                thread.undo.append(Entry(key, True))
            raise Raised(*error)
        self.done.add(key)
        self.result(thread, block, self.effects.result(key, thread.vars[block.source]))

    def result(self, thread: Thread, block: b.Step, value: int) -> None:
        if block.task.partition(".")[2] in b.UNDOABLE:
            thread.undo.append(Entry(thread.key))
        thread.vars[block.into] = value

    def ending(self, thread: Thread, task: str) -> tuple[str, str] | None:
        """Return what a task raised, None where it completed: it must have a cause outside."""
        possible = self.effects.endings(thread.key, task)
        if self.facts is None:
            # What may run out of time does, as nothing but its body has a say in that.
            return next(
                (each for each in possible if each and each[0] == "TimeoutError"), None
            ) or (next(iter(possible)))
        place = (thread.path, thread.step)
        if place in self.facts.misfits:
            return MISFIT
        if place not in self.facts.ends:
            raise Wrong(4, f"{thread.key} went on, and its task has not ended")
        ended = self.facts.ends[place]
        if ended not in possible:
            raise Wrong(4, f"{thread.key} ended with {ended}, which nothing outside caused")
        return ended

    def may_have_begun(self, thread: Thread, service: str) -> bool:
        """A token that is interrupted on arrival begins only what is addressed to its service, and
        one elsewhere only what was sent to it: where code lacks the task, nothing is."""
        assert self.facts is not None, "without facts nothing is interrupted"
        place = thread.path, thread.step
        end = self.facts.steps[place]
        if end.arrived_at >= 0:
            return service in self.stores[end.arrived_at]
        return service in self.stores[end.ended_at] or place in self.facts.commanded

    def gather(self, thread: Thread, block: b.Together | b.Each) -> None:
        self.begin(thread)
        if isinstance(block, b.Together):
            bodies = list(block.branches)
            variables = [thread.vars] * len(bodies)
        else:
            bodies = [block.body] * block.count
            x = thread.vars["x"]
            variables = [
                {**thread.vars, "x": (x + index) % b.MODULUS} for index in range(block.count)
            ]
        if not bodies:
            thread.vars["x"] = 0
            return
        endings, decided, interrupt = self.join(thread, bodies, variables, saga=False)
        for ending in endings:
            thread.undo += ending.undo
        if interrupt is not None:
            raise interrupt
        failed = [ending for ending in endings if ending.error and not ending.stopped]
        if decided >= 0:
            if not block.fail_fast:
                raise Wrong(4, f"{thread.key} decided by {decided}, but it waits for all")
            failed = [endings[decided]]
        if failed:
            raise Raised(*(failed[0].error or ("", "")))
        if any(ending.stopped for ending in endings):
            raise Wrong(4, f"{thread.key}: a branch was stopped for nobody")
        thread.vars["x"] = sum(ending.value or 0 for ending in endings) % b.MODULUS

    def join(
        self,
        thread: Thread,
        bodies: list[b.Block],
        variables: list[dict[str, int]],
        *,
        saga: bool,
    ) -> tuple[list[Ending], int, Raised | None]:
        """Run the children that began; return their ends, who decided, what interrupted."""
        count, decided, interrupt = len(bodies), -1, None
        if self.facts is not None:
            fork = self.facts.forks.get((thread.path, thread.step))
            if fork is None:
                raise Wrong(4, f"{thread.key} never forked")
            decided = fork.decided
            if fork.interrupted is not None:
                thread.at, thread.order = fork.interrupted.at, fork.interrupted.order
                interrupt = self.interrupt(thread)
            if fork.started < count and decided < 0 and interrupt is None:
                raise Wrong(4, f"{thread.key} joined with {fork.started} of {count} children")
            count = fork.started
        paths = [child(thread.path, thread.step, index) for index in range(count)]
        endings = [
            self.token(path, body, given, saga=saga)
            for path, body, given in zip(paths, bodies, variables, strict=False)
        ]
        if decided >= 0:
            self.check_decided(thread, paths, decided, endings)
        self.end(thread)
        return endings, decided, interrupt

    def check_decided(
        self, thread: Thread, paths: list[str], decided: int, endings: list[Ending]
    ) -> None:
        """A choice needs a cause: the child that decides has ended before."""
        assert self.facts is not None, "without facts nothing is decided"
        fork = self.facts.forks[thread.path, thread.step]
        ended = self.facts.ended.get(paths[decided])
        if ended is None or ended[1] > fork.decided_order + 1:
            raise Wrong(4, f"{thread.key} decided by {paths[decided]}, which had not ended")
        if endings[decided].stopped:
            raise Wrong(4, f"{thread.key} decided by {paths[decided]}, which was cancelled")

    def race(self, thread: Thread, branches: tuple[b.Block, ...]) -> None:
        self.begin(thread)
        variables = [thread.vars] * len(branches)
        endings, decided, interrupt = self.join(thread, list(branches), variables, saga=True)
        if decided < 0 and interrupt is None:
            raise Wrong(4, f"{thread.key}: a race without a winner")
        won = endings[decided] if interrupt is None else None
        if won is not None:
            thread.undo += won.undo
        mark = len(thread.undo)
        for ending in endings:
            if ending is not won:
                thread.undo += ending.undo
        self.unwind(thread, mark)
        if interrupt is not None:
            raise interrupt
        assert won is not None, "a race that was not interrupted has a winner"
        if won.error is not None:
            raise Raised(*won.error)
        thread.vars["x"] = won.value or 0

    def call(self, thread: Thread, body: b.Block) -> None:
        self.begin(thread)
        endings, _, interrupt = self.join(thread, [body], [thread.vars], saga=True)
        ending = endings[0]
        thread.undo += ending.undo
        if interrupt is not None:
            raise interrupt
        if ending.error is not None:
            raise Raised(*ending.error)
        thread.vars["x"] = ending.value or 0


def child(path: str, step: int, index: int) -> str:
    return f"{'' if path == '/' else path}/{step}[{index}]"
