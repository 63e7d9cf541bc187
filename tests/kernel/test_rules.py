"""The rules of PROTOCOL.md that the kernel keeps, one or two tests for each."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from duetto.kernel import fold
from duetto.kernel.fork import CHILDREN_MAX, DEPTH_MAX
from duetto.model.definition import (
    Assign,
    Bind,
    Branch,
    Call,
    Definition,
    ForEach,
    Handler,
    Parallel,
    Race,
    Raise,
    Scope,
    Wait,
    digest,
)
from duetto.model.effect import (
    Begin,
    CallTask,
    CallUndo,
    Cancel,
    CancelChildren,
    Change,
    Fork,
    Joined,
    Report,
    Reported,
    Resume,
    TaskFailed,
    Undone,
    Woken,
)
from duetto.model.expression import Binary, Const, Display, Name, Symbol
from duetto.model.message import Arrive, CancelPath, Command, Message, Reporting, name
from duetto.model.placement import choreography, orchestration
from duetto.model.record import CancelCame, CommandEnded, Ended, InHand, Moved, Started
from duetto.model.token import (
    Completed,
    Entry,
    Error,
    Failed,
    Frame,
    OnChildren,
    OnTask,
    OnUndo,
    Parked,
    Stopped,
    Token,
    Value,
    entries,
    task_key,
)
from tests.kernel.walking import NOW, ONE, Walker, give, linked, program, region, task, value

BAD = Error("ValueError", ("Exception",), "bad")
LATER = NOW + 5000
FORKED = (Branch(1, (Name("x"),)), Branch(1, (ONE,)))
BRANCH = region(task("a.t", next=1, into="y"), give("y"), parameters=("x",))
WAITING = (Scope("timeout", seconds=ONE, next=1), task("a.slow", scope=0))


def undone(walker: Walker) -> str:
    """Return the task whose compensation is asked for."""
    (call,) = walker.effects
    assert isinstance(call, CallUndo)
    return call.entry.task


def test_2_the_sender_decides_at_departure() -> None:
    walker = Walker(program(task("a.t", next=1), task("b.t")), placement=choreography())
    assert walker.begin().resting.at == "a"
    walker.placement = orchestration()
    assert walker.complete().resting.at == ""


def test_2_the_receiver_executes_the_node_and_never_reroutes_it() -> None:
    walker = Walker(program(task("a.t")), placement=choreography()).begin()
    walker.placement = orchestration()
    arrived = walker.take(Begin())
    assert arrived.resting.at == "a"
    assert isinstance(arrived.effects[0], CallTask)


def test_2_where_the_parent_rests_travels_in_the_child() -> None:
    walker = Walker(program(Parallel(FORKED), regions=(BRANCH,)), placement=choreography())
    (fork,) = walker.begin().effects
    assert isinstance(fork, Fork)
    child = Walker(walker.program, placement=choreography(), token=fork.children[0]).begin()
    assert (child.resting.at, child.resting.reply_to) == ("a", "")


def test_3_hops_count_moves_and_only_moves() -> None:
    steps = [task(f"{where}.t", next=number + 1) for number, where in enumerate("aab")]
    walker = Walker(program(*steps, give("x")), placement=choreography()).begin()
    hops = [walker.resting.hop, walker.complete().resting.hop, walker.complete().resting.hop]
    assert hops == [1, 1, 2]


def test_3_a_message_of_a_token_is_named_by_its_hop() -> None:
    walker = Walker(program(task("a.t")), placement=choreography()).begin()
    message = Message("r", "", "", "a", NOW, Arrive(walker.resting))
    assert name(message) == "r/:1"
    assert name(replace(message, sent=LATER)) == name(message)


def test_4_a_key_has_no_attempt_and_the_same_step_in_every_message() -> None:
    assert task_key("r", "/2[0]", 3) == "r/2[0]#3"
    command = Command("/2[0]", 3, "a.t", "", "/2[0]")
    assert name(Message("r", "", "", "a", NOW, command)) == "r/2[0]#3"
    undo = replace(command, undo=True)
    assert name(Message("r", "", "", "a", NOW, undo)) == "r/2[0]#3!undo"


def test_4_a_call_carries_the_deadline_of_its_scopes() -> None:
    (call,) = Walker(program(*WAITING)).begin().effects
    assert isinstance(call, CallTask)
    assert call.deadline == NOW + 1000


def test_5_an_entry_holds_a_key_and_a_service_and_nothing_else() -> None:
    assert Entry.__struct_fields__ == ("path", "step", "task", "unknown")


def test_6_a_task_that_is_interrupted_is_unknown_and_undone_first() -> None:
    walker = Walker(program(task("a.one", next=1), task("b.two"))).begin().complete()
    (call,) = walker.take(Cancel()).effects
    assert call == CallUndo(Entry("/", 2, "b.two", True))


def test_6_attempts_that_ran_out_of_time_are_unknown_too() -> None:
    walker = Walker(program(task("a.one"))).begin().take(TaskFailed(BAD, unknown=True))
    assert walker.effects == (CallUndo(Entry("/", 1, "a.one", True)),)


@pytest.mark.parametrize(("begun", "entry"), [(True, 1), (False, 0)])
def test_7_what_a_cancelled_token_is_addressed_to_counts_as_begun(begun: bool, entry: int) -> None:
    walker = Walker(program(task("a.one")), placement=choreography()).begin()
    walker.token = replace(walker.resting, cancelled=True)
    walker.take(Begin(begun))
    ended = any(isinstance(each, Report) for each in walker.effects)
    found = () if ended else entries(walker.resting.undo)
    assert len(found) == entry


def test_8_branches_are_undone_from_the_end_whichever_ended_first() -> None:
    walker = Walker(program(Parallel(FORKED), regions=(BRANCH,))).begin()
    first, second = Entry("/1[0]", 1, "a.first"), Entry("/1[1]", 1, "a.second")
    walker.take(Reported(1, False)).take(Reported(0, True))
    walker.take(Joined((Failed(BAD, (first,)), Completed(value(1), (second,)))))
    assert undone(walker) == "a.second"
    assert undone(walker.take(Undone())) == "a.first"


def test_9_a_cancel_does_not_unpark_a_compensation() -> None:
    walker = Walker(program(task("a.one", next=1), Raise(Symbol("ValueError")))).begin().complete()
    rest = walker.resting.rest
    walker.token = fold.resting(walker.resting, Parked("it failed", rest))
    assert isinstance(walker.take(Cancel()).resting.rest, Parked)
    assert walker.take(Resume()).effects == (CallUndo(Entry("/", 1, "a.one")),)


def test_10_a_gather_raises_the_error_of_the_lowest_index_after_all_ended() -> None:
    walker = Walker(program(Parallel(FORKED), regions=(BRANCH,))).begin()
    assert walker.take(Reported(1, True)).effects == ()
    second = replace(BAD, message="second")
    walker.take(Reported(0, True)).take(Joined((Failed(BAD), Failed(second))))
    assert isinstance(walker.outcome, Failed)
    assert walker.outcome.error.message == "bad"


def test_10_a_gather_that_fails_fast_raises_the_error_that_came_first() -> None:
    walker = Walker(program(Parallel(FORKED, fail_fast=True), regions=(BRANCH,))).begin()
    assert walker.take(Reported(1, True)).effects == (CancelChildren(("/1[0]",)),)
    second = replace(BAD, message="second")
    walker.take(Reported(0, True)).take(Joined((Failed(BAD), Failed(second))))
    assert isinstance(walker.outcome, Failed)
    assert walker.outcome.error.message == "second"


def test_12_the_first_decision_stands_and_every_report_is_waited_for() -> None:
    walker = Walker(program(Race(FORKED), regions=(BRANCH,))).begin().take(Reported(0, False))
    assert walker.take(Reported(1, True)).effects == ()
    assert walker.resting.rest == OnChildren(2, 2, 2, 0)


def test_12_a_parent_that_is_interrupted_still_waits_for_its_children() -> None:
    walker = Walker(program(Parallel(FORKED), regions=(BRANCH,))).begin().take(Cancel())
    assert walker.effects == (CancelChildren(("/1[0]", "/1[1]")),)
    assert isinstance(walker.resting.rest, OnChildren)
    assert isinstance(walker.take(Joined((Stopped(), Stopped()))).outcome, Stopped)


def test_13_a_loser_that_completed_is_undone_before_the_parent_goes_on() -> None:
    kept, lost = Entry("/1[0]", 1, "a.won"), Entry("/1[1]", 1, "a.lost")
    race = Race(FORKED, Bind("z"), next=1)
    walker = Walker(program(race, task("b.next"), regions=(BRANCH,))).begin()
    walker.take(Reported(0, False))
    walker.take(Joined((Completed(value(1), (kept,)), Completed(value(2), (lost,)))))
    assert undone(walker) == "a.lost"
    assert isinstance(walker.take(Undone()).effects[0], CallTask)
    assert entries(walker.resting.undo) == (kept,)


def test_13_the_value_of_a_race_travels_while_losers_are_undone() -> None:
    lost = Entry("/1[1]", 1, "b.lost")
    race = Race(FORKED, Bind("z"), next=1)
    walker = Walker(program(race, give("z"), regions=(BRANCH,)), placement=choreography())
    walker.begin().take(Reported(0, False))
    walker.take(Joined((Completed(value("won")), Completed(value(2), (lost,)))))
    walker.token = walker.program.travelling(walker.resting)
    assert walker.resting.at == "b"
    outcome = walker.take(Undone()).outcome
    assert isinstance(outcome, Completed)
    assert walker.program.load(outcome.value) == "won"


def test_13_a_race_without_a_winner_undoes_all() -> None:
    mine, yours = Entry("/1[0]", 1, "a.mine"), Entry("/1[1]", 1, "a.yours")
    walker = Walker(program(Race(FORKED), regions=(BRANCH,))).begin().take(Cancel())
    walker.take(Joined((Stopped((mine,)), Completed(value(1), (yours,)))))
    assert undone(walker) == "a.yours"
    assert undone(walker.take(Undone())) == "a.mine"


def test_13_each_branch_of_a_race_and_each_called_workflow_is_a_saga() -> None:
    (fork,) = Walker(program(Race(FORKED), regions=(BRANCH,))).begin().effects
    assert isinstance(fork, Fork)
    assert all(child.frames == (Frame(-1),) for child in fork.children)
    (fork,) = Walker(program(Parallel(FORKED), regions=(BRANCH,))).begin().effects
    assert isinstance(fork, Fork)
    assert all(child.frames == () for child in fork.children)


def test_14_too_many_branches_raise_in_the_workflow() -> None:
    items = Binary("*", Display("list", (Display("tuple", (ONE,)),)), Const(CHILDREN_MAX + 1))
    walker = Walker(program(ForEach(1, items), regions=(BRANCH,))).begin()
    assert isinstance(walker.outcome, Failed)
    assert walker.outcome.error.type == "duetto.errors:LimitExceeded"


def test_14_a_call_too_deep_raises_in_the_workflow() -> None:
    callee = Definition("other", (region(give("x"), parameters=("x",)),))
    body = region(Call("other", (ONE,)), parameters=("x",))
    walker = Walker(
        linked(Definition("flow", (body,), callees=(("other", digest(callee)),)), callee)
    )
    walker.token = replace(walker.resting, depth=DEPTH_MAX)
    assert isinstance(walker.begin().outcome, Failed)


CLEANING = (
    Scope("finally", final=2, next=1),
    task("a.work", scope=0, undoable=False),
    Scope("final", next=3),
    task("a.clean", next=4, scope=2, undoable=False),
    task("b.clean", next=-2, scope=2, undoable=False),
)


def test_15_a_finally_body_is_shielded_and_the_cancel_acts_afterwards() -> None:
    walker = Walker(program(*CLEANING)).begin().take(Cancel())
    assert isinstance(walker.effects[0], CallTask)
    assert walker.effects[0].task == "a.clean"
    assert walker.complete().resting.rest == OnTask()
    assert isinstance(walker.complete().outcome, Stopped)


def test_15_a_second_cancel_changes_nothing() -> None:
    walker = Walker(program(*CLEANING)).begin().take(Cancel())
    again = Walker(walker.program, token=walker.resting).take(Cancel())
    assert again.resting == walker.resting
    assert again.effects == ()


def test_15_a_cancel_cannot_be_caught() -> None:
    handlers = (Handler(("Exception", "duetto.errors:DuettoError", "duetto.errors:Cancelled"), 2),)
    nodes = (Scope("try", handlers, next=1), task("a.t", scope=0, undoable=False), give("x"))
    assert isinstance(Walker(program(*nodes)).begin().take(Cancel()).outcome, Stopped)


def test_15_a_cancelled_token_begins_nothing_more() -> None:
    walker = Walker(program(Scope("saga", next=1), task("a.t", scope=0)))
    walker.token = replace(walker.resting, cancelled=True)
    assert isinstance(walker.begin().outcome, Stopped)
    assert not any(isinstance(each, CallTask) for each in walker.effects)


def test_15_a_shielded_part_obeys_a_timeout_of_its_own() -> None:
    nodes = (
        Scope("finally", final=2, next=1),
        Wait(Const(60), scope=0),
        Scope("final", next=3),
        Scope("timeout", seconds=ONE, next=4, scope=2),
        Wait(Const(60), next=-2, scope=3),
    )
    walker = Walker(program(*nodes)).begin().take(Cancel())
    assert walker.wake() == NOW + 1000
    walker.take(Woken(), NOW + 1000)
    assert isinstance(walker.outcome, Failed)
    assert walker.outcome.error.type == "TimeoutError"


def test_15_a_cancel_during_unwinding_acts_afterwards() -> None:
    walker = Walker(program(task("a.one", next=1), Raise(Symbol("ValueError")))).begin().complete()
    assert walker.take(Cancel()).effects == ()
    assert isinstance(walker.resting.rest, OnUndo)
    assert isinstance(walker.take(Undone()).outcome, Failed)


def state() -> fold.RunState:
    return fold.RunState(1, "r", "d", "")


def a_token(path: str = "/", hop: int = 0) -> Token:
    return Token(path, "d", 0, "a", "", hop=hop, rest=OnTask())


def test_16_a_token_that_comes_after_its_cancel_is_cancelled() -> None:
    run = state()
    fold.apply(run, CancelCame("/1[0]", NOW))
    fold.apply(run, Started("/1[0]", NOW, a_token("/1[0]", 1), "b"))
    assert run.tokens["/1[0]"].cancelled


def test_16_a_token_that_left_leaves_a_trail() -> None:
    run, token = state(), a_token()
    fold.apply(run, Started("/", NOW, token))
    arrive = Message("r", "", "a", "b", NOW, Arrive(replace(token, at="b", hop=1)))
    change = Change(0, 1, OnTask(), hop=1, at="b")
    fold.apply(run, Moved("/", NOW, "woken", change, sent=(arrive,)))
    assert run.tokens == {}
    assert (run.away["/"].to, run.away["/"].hop) == ("b", 1)


def test_16_a_cancel_is_named_by_whom_it_is_for() -> None:
    message = Message("r", "", "a", "b", NOW, CancelPath("/1[0]"))
    assert name(message) != name(replace(message, to="c"))


def test_17_a_deadline_is_an_instant_that_travels_with_the_token() -> None:
    walker = Walker(program(*WAITING), placement=choreography()).begin()
    assert walker.resting.at == "a"
    assert walker.resting.frames[-1].deadline == NOW + 1000
    assert walker.wake() == NOW + 1000


def test_17_a_token_in_flight_is_checked_on_arrival() -> None:
    walker = Walker(program(*WAITING), placement=choreography()).begin()
    walker.take(Begin(begun=False), LATER)
    assert isinstance(walker.outcome, Failed)
    assert walker.outcome.error.type == "TimeoutError"


def test_17_what_completes_before_the_timer_is_no_timeout() -> None:
    assert isinstance(Walker(program(*WAITING)).begin().complete(now=LATER).outcome, Completed)


def test_19_a_variable_is_a_copy_at_each_read() -> None:
    walker = Walker(
        program(
            Assign(Display("list", (ONE,)), Bind("l"), next=1),
            task("a.t", next=2),
            give("l"),
        )
    ).begin()
    first, second = walker.live("l"), walker.live("l")
    assert first == second == [1]
    assert first is not second


def test_20_a_report_that_comes_twice_is_one_row() -> None:
    run = state()
    parent = replace(a_token(), step=1, rest=OnChildren(2, 2))
    fold.apply(run, Started("/", NOW, parent))
    for _ in range(2):
        fold.apply(run, Ended("/1[0]", NOW, Completed(value(1))))
    assert run.reports["/"].keys() == {0}
    assert run.tokens["/"].rest == OnChildren(2, 2, 1)


def test_21_what_was_sent_stays_until_the_run_is_closed() -> None:
    run = state()
    fold.apply(run, Started("/", NOW, a_token()))
    report = Message("r", "", "a", "", NOW, Reporting("/", Stopped()))
    fold.apply(run, Ended("/", NOW, Stopped(), sent=(report,)))
    assert list(run.sent) == [name(report)]


def test_22_the_deaths_of_a_process_are_counted_until_its_token_moves() -> None:
    run = state()
    fold.apply(run, Started("/", NOW, a_token()))
    fold.apply(run, InHand("/", NOW, 0, 3))
    assert run.deaths == {"/": 3}
    fold.apply(run, Moved("/", NOW, "woken", Change(0, 1, OnTask(), at="a")))
    assert run.deaths == {}


def test_22_and_of_a_command_until_it_ends() -> None:
    run = state()
    fold.apply(run, InHand("/", NOW, 1, 2, "a.charge"))
    fold.apply(run, InHand("/", NOW, 1, 4, "a.charge", undo=True))
    assert run.deaths == {("/", 1, False): 2, ("/", 1, True): 4}
    fold.apply(run, CommandEnded("/", NOW, "a.charge", 1, 1, 0, Completed(Value(0, b""))))
    assert run.deaths == {("/", 1, True): 4}
