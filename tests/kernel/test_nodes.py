"""Each of the thirteen kinds of nodes, walked by one token."""

from __future__ import annotations

import pytest

from duetto.model.definition import (
    Assign,
    Bind,
    Branch,
    Call,
    Choice,
    Definition,
    Emit,
    ForEach,
    Handler,
    Parallel,
    Race,
    Raise,
    Receive,
    Scope,
    Unpack,
    Wait,
    digest,
)
from duetto.model.effect import (
    CallTask,
    CallUndo,
    CancelChildren,
    Fork,
    Joined,
    Publish,
    Received,
    Reported,
    Subscribe,
    TaskFailed,
    Undone,
    Woken,
)
from duetto.model.expression import Binary, Compare, Const, Display, Name, Symbol
from duetto.model.expression import Call as Calling
from duetto.model.token import (
    Completed,
    Entry,
    Error,
    Failed,
    OnChildren,
    OnEvent,
    OnTask,
    OnTimer,
    Stopped,
    entries,
)
from tests.kernel.walking import NOW, ONE, Walker, give, linked, program, region, task, value

BAD = Error("ValueError", ("Exception",), "bad")


def completed(walker: Walker) -> object:
    """Return the result of a token that completed."""
    assert isinstance(walker.outcome, Completed), walker.outcome
    return walker.program.load(walker.outcome.value)


def test_a_task_is_called_with_its_arguments_and_its_result_is_bound() -> None:
    walker = Walker(program(task("a.t", next=1, into="y"), give("y"))).begin()
    (call,) = walker.effects
    assert isinstance(call, CallTask)
    assert (call.task, call.step, call.args, call.attempt) == ("a.t", 1, (7,), 1)
    assert isinstance(walker.resting.rest, OnTask)
    assert completed(walker.complete(5)) == 5


def test_a_task_that_failed_raises_at_its_line() -> None:
    walker = Walker(program(task("a.t"))).begin().take(TaskFailed(BAD))
    assert isinstance(walker.outcome, Failed)
    assert walker.outcome.error.message == "bad"
    assert walker.outcome.error.trace.endswith("in flow")


def test_assign_binds_a_name_a_pattern_or_nothing() -> None:
    pattern = Unpack((Bind("a"), Unpack((Bind("b"), Bind("c")), star=1)))
    pair = Display("tuple", (ONE, Display("tuple", (Const(2), Const(3), Const(4)))))
    walker = Walker(
        program(
            Assign(pair, pattern, next=1),
            Assign(Const("dropped"), next=2),
            Assign(Binary("+", Name("a"), Name("x")), Bind("d"), next=3),
            give(Display("list", (Name("a"), Name("b"), Name("c"), Name("d")))),
        )
    )
    assert completed(walker.begin()) == [1, 2, [3, 4], 8]


@pytest.mark.parametrize(("bound", "found"), [(8, "below"), (7, "not below")])
def test_a_choice_goes_one_way(bound: int, found: str) -> None:
    test = Compare(Name("x"), (("<", Const(bound)),))
    walker = Walker(program(Choice(test, 2, 1), give(Const("below")), give(Const("not below"))))
    assert completed(walker.begin()) == found


def test_an_expression_that_fails_raises_in_the_workflow() -> None:
    outcome = Walker(program(Assign(Binary("//", Name("x"), Const(0)), Bind("y")))).begin().outcome
    assert isinstance(outcome, Failed)
    assert outcome.error.type == "ZeroDivisionError"


BRANCH = region(task("a.t", next=1, into="y"), give("y"), parameters=("x",))
FORKED = (Branch(1, (Name("x"),)), Branch(1, (ONE,)))


def test_a_parallel_begins_its_branches_and_joins_a_tuple() -> None:
    walker = Walker(program(Parallel(FORKED, Bind("z"), next=1), give("z"), regions=(BRANCH,)))
    (fork,) = walker.begin().effects
    assert isinstance(fork, Fork)
    assert [child.path for child in fork.children] == ["/1[0]", "/1[1]"]
    assert [child.reply_to for child in fork.children] == ["", ""]
    assert walker.resting.rest == OnChildren(2, 2)
    walker.take(Reported(1, False)).take(Reported(0, False))
    assert walker.resting.rest == OnChildren(2, 2, 2)
    assert completed(walker.take(Joined((Completed(value(3)), Completed(value(4)))))) == (3, 4)


def test_a_for_each_begins_a_window_of_its_items_and_joins_a_list() -> None:
    items = Display("list", tuple(Display("tuple", (Const(n),)) for n in (1, 2, 3)))
    node = ForEach(1, items, Bind("z"), limit=2, next=1)
    walker = Walker(program(node, give("z"), regions=(BRANCH,))).begin()
    assert walker.resting.rest == OnChildren(3, 2)
    (fork,) = walker.take(Reported(0, False)).effects
    assert isinstance(fork, Fork)
    assert [child.path for child in fork.children] == ["/1[2]"]
    assert walker.program.load(fork.children[0].vars["x"]) == 3
    outcomes = tuple(Completed(value(n)) for n in (1, 2, 3))
    assert completed(walker.take(Joined(outcomes))) == [1, 2, 3]


def test_a_fork_of_nothing_goes_on_at_once() -> None:
    node = ForEach(1, Display("list", ()), Bind("z"), next=1)
    assert completed(Walker(program(node, give("z"), regions=(BRANCH,))).begin()) == []


def test_a_race_is_won_by_the_first_to_end_and_cancels_the_rest() -> None:
    walker = Walker(program(Race(FORKED, Bind("z"), next=1), give("z"), regions=(BRANCH,)))
    (cancel,) = walker.begin().take(Reported(1, False)).effects
    assert cancel == CancelChildren(("/1[0]",))
    assert walker.resting.rest == OnChildren(2, 2, 1, 1)
    assert completed(walker.take(Joined((Stopped(), Completed(value("won")))))) == "won"


def test_a_race_is_won_by_an_error_too() -> None:
    walker = Walker(program(Race(FORKED, Bind("z"), next=1), give("z"), regions=(BRANCH,)))
    walker.begin().take(Reported(0, True)).take(Joined((Failed(BAD), Stopped())))
    assert isinstance(walker.outcome, Failed)


def test_a_wait_sleeps_until_its_instant() -> None:
    walker = Walker(program(Wait(Const(1.5), next=1), give("x"))).begin()
    assert walker.resting.rest == OnTimer(NOW + 1500)
    assert walker.wake() == NOW + 1500
    assert walker.take(Woken(), NOW + 1499).resting.rest == OnTimer(NOW + 1500)
    assert completed(walker.take(Woken(), NOW + 1500)) == 7


def test_a_receive_waits_at_home_for_its_event() -> None:
    node = Receive("Paid", Name("x"), Const(2), Bind("e"), next=1)
    walker = Walker(program(node, give("e"), home="b")).begin()
    (subscribe,) = walker.effects
    assert isinstance(subscribe, Subscribe)
    assert isinstance(walker.resting.rest, OnEvent)
    assert (walker.resting.at, walker.wake()) == ("b", NOW + 2000)
    assert completed(walker.take(Received(value("paid")))) == "paid"


def test_a_receive_times_out() -> None:
    walker = Walker(program(Receive("Paid", Name("x"), Const(2)))).begin()
    walker.take(Woken(), NOW + 2000)
    assert isinstance(walker.outcome, Failed)
    assert walker.outcome.error.type == "TimeoutError"


def test_an_emitted_event_is_published_with_the_next_move() -> None:
    walker = Walker(program(Emit(Name("x"), next=1), task("a.t"))).begin()
    publish, call = walker.effects
    assert isinstance(publish, Publish)
    assert walker.program.load(publish.event) == 7
    assert isinstance(call, CallTask)


def test_a_call_begins_the_body_of_another_workflow() -> None:
    callee = Definition("other", (region(give("x"), parameters=("x",)),))
    body = region(Call("other", (Const(3),), (), Bind("y"), next=1), give("y"), parameters=("x",))
    caller = Definition("flow", (body,), callees=(("other", digest(callee)),))
    walker = Walker(linked(caller, callee)).begin()
    (fork,) = walker.effects
    assert isinstance(fork, Fork)
    (child,) = fork.children
    assert (child.path, child.definition, child.depth) == ("/1[0]", digest(callee), 1)
    assert completed(walker.take(Joined((Completed(value(9)),)))) == 9


def test_a_return_runs_the_finally_around_it_and_keeps_its_value() -> None:
    walker = Walker(
        program(
            Scope("finally", final=2, next=1),
            give("x", scope=0),
            Scope("final", next=3),
            Assign(ONE, Bind("x"), next=4, scope=2),
            task("a.clean", next=-2, scope=2, undoable=False),
        )
    ).begin()
    assert isinstance(walker.resting.rest, OnTask)
    assert completed(walker.complete()) == 7


def test_a_raise_is_caught_by_the_names_of_its_class_and_bases() -> None:
    error = Calling(Symbol("KeyError"), (Const("k"),))
    walker = Walker(
        program(
            Scope("try", (Handler(("LookupError",), 2, "e"),), next=1),
            Raise(error, scope=0),
            give(Calling(Symbol("str"), (Name("e"),))),
        )
    )
    assert completed(walker.begin()) == "'k'"


def test_a_scope_of_a_lone_break_runs_its_finally() -> None:
    walker = Walker(
        program(
            Scope("finally", final=1, next=3),
            Scope("final", next=2),
            Assign(ONE, Bind("x"), next=-2, scope=1),
            give("x"),
        )
    )
    assert completed(walker.begin()) == 1


def test_a_saga_undoes_what_completed_inside_newest_first() -> None:
    walker = Walker(
        program(
            Scope("saga", next=1),
            task("a.one", next=2, scope=0),
            task("b.two", next=3, scope=0),
            Raise(Symbol("ValueError"), scope=0),
        )
    )
    walker.begin().complete().complete()
    assert walker.effects == (CallUndo(Entry("/", 2, "b.two")),)
    assert walker.take(Undone()).effects == (CallUndo(Entry("/", 1, "a.one")),)
    assert isinstance(walker.take(Undone()).outcome, Failed)
    assert walker.outcome.undo == ()


@pytest.mark.parametrize(("keep", "left"), [(True, 1), (False, 0)])
def test_a_saga_that_ends_well_keeps_its_entries_or_drops_them(keep: bool, left: int) -> None:
    walker = Walker(
        program(Scope("saga", keep=keep, next=1), task("a.one", next=2, scope=0), task("b.two"))
    )
    walker.begin().complete()
    assert len(entries(walker.resting.undo)) == left


def test_a_timeout_interrupts_what_is_inside_and_can_be_caught_outside() -> None:
    walker = Walker(
        program(
            Scope("try", (Handler(("TimeoutError",), 3),), next=1),
            Scope("timeout", seconds=ONE, next=2, scope=0),
            Wait(Const(60), scope=1),
            give(Const("late")),
        )
    ).begin()
    assert walker.wake() == NOW + 1000
    assert completed(walker.take(Woken(), NOW + 1000)) == "late"


def test_what_happens_inside_is_caught_inside() -> None:
    walker = Walker(
        program(
            Scope("timeout", seconds=ONE, next=1),
            Scope("try", (Handler(("TimeoutError",), 3),), next=2, scope=0),
            Wait(Const(60), scope=1),
            give(Const("swallowed"), scope=0),
        )
    ).begin()
    assert isinstance(walker.take(Woken(), NOW + 1000).outcome, Failed)
    assert isinstance(walker.outcome, Failed)
    assert walker.outcome.error.type == "TimeoutError"
