"""Guards of what outlasts a process or a run: rules 1, 9, 20 to 22, versions, and bad disks."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from msgspec.structs import replace

from duetto.kernel.fold import RunState
from duetto.kernel.program import Program
from duetto.model.message import Answer
from duetto.model.token import Failed, Stopped, Token
from duetto.model.view import RunRow
from duetto.runtime import runs
from duetto.runtime.attempt import Attempt
from duetto.runtime.desk import Desk
from duetto.runtime.exchange import Exchange
from duetto.runtime.programs import Programs
from duetto.runtime.runs import identity_of
from duetto.runtime.suspects import Suspects
from duetto.runtime.sweeps import Sweeps
from duetto.runtime.undoing import Undoing
from duetto.store import Batch
from duetto.testing.simulation.codes import Codes
from tests.sabotage.switching import Guards, around

GUARDS = Guards()

LATE = ("networks", "everything")
OPERATED = ("operators", "everything")
TROUBLED = ("tasks", "operators", "everything")
BAD_DISKS = ("stores", "everything")
BAD_NODES = ("nodes", "everything")

# -- starts


@GUARDS.around(runs, "_known", rule="1", kinds=OPERATED)
def one_start(original: Any, *args: Any) -> None:
    """A start does not look whether there is a run of its id."""


@GUARDS.everywhere(identity_of, rule="1", kinds=OPERATED)
def same_input(original: Any, *args: Any) -> bytes:
    """A start with another input is answered with the run that has its id."""
    return b""


# -- compensations that fail


@GUARDS.switch(rule="9", kinds=TROUBLED)
def failed_undo_parks() -> Generator[None]:
    """A compensation that fails for good is left at that."""

    def ended(original: Any, undoing: Any, attempt: Attempt, result: Any, error: Any) -> None:
        last = error is not None and not attempt.handle.task.retry.retries(error, attempt.number)
        original(undoing, attempt, result, None if last else error)

    def undone(
        original: Any, exchange: Any, run: RunState, token: Token, task: str, answer: Answer
    ) -> None:
        if isinstance(answer.outcome, Failed):
            answer = replace(answer, outcome=Stopped())
        original(exchange, run, token, task, answer)

    with around(Undoing, "_ended", ended)(), around(Exchange, "_undone", undone)():
        yield


# -- clean-up


@GUARDS.around(Exchange, "_let_go", rule="20", kinds=LATE)
def window(original: Any, exchange: Exchange, *run: Any) -> None:
    """A guest forgets a run as soon as it hears that it is closed."""
    original(exchange, *run)

    def forget() -> None:
        exchange.desk.store.purge(1 << 50, 1000)

    exchange.desk.after_commit(forget)


@GUARDS.around(Exchange, "_is_doubtful", rule="20", kinds=LATE)
def doubt(original: Any, *args: Any) -> bool:
    """A message that is older than what is kept of runs is executed."""
    return False


@GUARDS.around(Sweeps, "_purge", rule="20", kinds=("choices", "crashes"))
def sweep(original: Any, sweeps: Sweeps, before: int) -> int:
    """What is known of a closed run stays for ever."""
    return 0


@GUARDS.around(Sweeps, "_steady_ms", rule="20", kinds=("clocks",))
def steady_clock(original: Any, sweeps: Any) -> int:
    """A clock that is set forward lets runs be swept before their time."""
    return sweeps._host.clock.now_ms()


@GUARDS.around(Exchange, "send_again", rule="21", kinds=LATE)
def sent_on_request(original: Any, exchange: Exchange, run: str) -> int:
    """An operator's retry sends nothing again."""
    return 0


# -- poison


@GUARDS.around(Suspects, "count", rule="22", kinds=TROUBLED)
def poison_counter(original: Any, suspects: Suspects) -> None:
    """A task that was in hand when its process died is begun again as if nothing had been."""


@GUARDS.around(Desk, "hold", rule="22", kinds=TROUBLED)
def arrival_counted(original: Any, desk: Desk, write: Any) -> None:
    """After a death what comes is written with its end still: what kills again is not counted."""
    died, desk.died = desk.died, False
    original(desk, write)
    desk.died = died


# -- versions


@GUARDS.switch(rule="version", kinds=BAD_NODES)
def own_definition() -> Generator[None]:
    """A run goes on by the definition that its workflow has today."""
    today: dict[int, str] = {}

    def programs(original: Any, *args: Any) -> tuple[Programs, str]:
        made, root = original(*args)
        today[id(made)] = root
        return made, root

    def program(original: Any, programs: Programs, name: str) -> Program:
        root = today.get(id(programs), "")
        same = root and programs.definition(name).name == programs.definition(root).name
        return original(programs, root if same else name)

    with around(Codes, "programs", programs)(), around(Programs, "program", program)():
        yield


@GUARDS.around(Desk, "keep_row", rule="version", kinds=BAD_NODES)
def definition_kept(original: Any, desk: Desk, row: RunRow) -> None:
    """The definition of a run is not kept in its store."""
    kept = list(desk.batch.definitions)
    original(desk, row)
    desk.batch.definitions[:] = kept


# -- a disk that fails


@GUARDS.around(Desk, "_pause", rule="commit", kinds=BAD_DISKS)
def full_disk_waits(original: Any, desk: Desk, full: Any) -> None:
    """What a full disk refused is not tried again."""
    desk.batch = Batch()
    desk.schedule()


@GUARDS.around(Desk, "_fail", rule="commit", kinds=BAD_DISKS)
def failed_disk_stops(original: Any, desk: Desk, error: Any) -> None:
    """What a commit that failed would have led to is done all the same."""
    desk.batch = Batch()
    desk.schedule()
