"""What happened: exact sentences, in causal order, whoever decided where."""

from __future__ import annotations

from duetto.model.effect import Change
from duetto.model.message import Arrive, Message
from duetto.model.record import Ended, Moved, Started
from duetto.model.token import NONE, ROOT, Completed, OnTimer, Ready, Token
from duetto.operations.merging import merged
from tests.operations.scene import (
    Soldout,
    Stage,
    StillClock,
    approve,
    both,
    caught,
    contest,
    each,
    hurried,
    nap,
    outer,
    rung,
    sell,
    shop,
    stores_apart,
    tidy_up,
    told,
)

DIGEST_DIGITS = 8


async def test_a_run_is_told_from_its_start_to_its_end(clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.run_async(sell, "tea", id="order-1")
        digest = app.operations.show("order-1").digest[:DIGEST_DIGITS]
        assert told(app.operations, "order-1") == [
            f"run of sell begins on definition {digest}, with item",
            "depot.pick completed: attempt 1",
            "till.pay completed: attempt 1",
            "depot.pack completed: attempt 1",
            "the run completed",
        ]


async def test_each_fact_has_the_line_of_the_user(clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.run_async(sell, "tea", id="order-1")
        lines = [node.line for node in app.workflows["sell"].definition.regions[0].nodes]
        facts = app.operations.history("order-1")
        assert [fact.line for fact in facts] == [*lines[:1], *lines[:3], lines[2]]
        assert {fact.at for fact in facts} == {clock.now}


async def test_a_choreographed_run_is_told_by_its_participants(clock: StillClock) -> None:
    async with shop(clock=clock, placement="choreography") as app:
        await app.run_async(sell, "tea", id="order-1")
        facts = [(f.participant, f.what) for f in app.operations.history("order-1")]
        assert facts == [
            ("", "started"),
            ("", "left"),
            ("depot", "completed"),
            ("depot", "left"),
            ("till", "completed"),
            ("till", "left"),
            ("depot", "completed"),
            ("depot", "run completed"),
        ]


async def test_stores_of_their_own_tell_one_story_end_to_end(clock: StillClock) -> None:
    async with stores_apart("choreography", clock) as app:
        await app.run_async(sell, "tea", id="order-1")
        digest = app.operations.show("order-1").digest[:DIGEST_DIGITS]
        assert told(app.operations, "order-1") == [
            f"run of sell begins on definition {digest}, with item",
            "leaves for depot at hop 1",
            "arrived from the app at hop 1",
            "depot.pick completed: attempt 1",
            "leaves for till at hop 2",
            "till.pay completed: attempt 1",
            "leaves for depot at hop 3",
            "depot.pack completed: attempt 1",
            "the run completed",
            "the report of the run came: it completed",
        ]


async def test_commands_are_told_where_they_are_sent_and_where_they_end(clock: StillClock) -> None:
    async with stores_apart("orchestration", clock) as app:
        await app.run_async(rung, "tea", id="order-1")
        digest = app.operations.show("order-1").digest[:DIGEST_DIGITS]
        assert told(app.operations, "order-1") == [
            f"run of rung begins on definition {digest}, with item",
            "sends till the command to run till.ring",
            "till.ring completed: attempt 1",
            "the answer of till.ring came",
            "the run completed",
        ]
        ended = app.operations.history("order-1")[2]
        assert ended.participant == "till"
        assert ended.line == app.workflows["rung"].definition.regions[0].nodes[0].line


async def test_going_back_is_told_newest_first(stage: Stage, clock: StillClock) -> None:
    stage.fail("pack", Soldout("none left"))
    async with shop(clock=clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.outcome("order-1")
        assert told(app.operations, "order-1")[3:] == [
            "depot.pack failed with Soldout: none left: attempt 1",
            "turns round, to undo 2 tasks",
            "till.pay is undone by till.refund, attempt 1",
            "depot.pick is undone by depot.unpick, attempt 1",
            "the run failed with Soldout: none left",
        ]


async def test_going_back_by_commands_is_told_in_the_order_of_its_causes(
    stage: Stage, clock: StillClock
) -> None:
    stage.fail("pack", Soldout("none left"))
    async with stores_apart("orchestration", clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.outcome("order-1")
        assert told(app.operations, "order-1")[-9:] == [
            "the answer of depot.pack came",
            "turns round, to undo 2 tasks",
            "sends till the command to undo till.pay",
            "till.refund completed: attempt 1",
            "till.pay is undone",
            "sends depot the command to undo depot.pick",
            "depot.unpick completed: attempt 1",
            "depot.pick is undone",
            "the run failed with Soldout: none left",
        ]


async def test_attempts_are_told_with_their_errors_and_when_the_next_is_due(
    stage: Stage,
) -> None:
    stage.fail("pick", ConnectionError("reset"))
    async with shop() as app:
        await app.run_async(sell, "tea", id="order-1")
        failed = app.operations.history("order-1")[1]
        assert failed.what == "attempt failed"
        assert failed.text.startswith("attempt 1 of depot.pick failed after ")
        assert failed.text.endswith(" with ConnectionError: reset; the next begins in 1 ms")
        assert "depot.pick completed: attempt 2" in told(app.operations, "order-1")


async def test_branches_are_told_by_their_paths(clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.run_async(both, "tea", id="order-1")
        facts = [(f.path, f.text.partition(", took")[0]) for f in app.operations.history("order-1")]
        assert facts[1:] == [
            ("/", "forks 2 branches"),
            ("/1[0]", "depot.pack completed: attempt 1"),
            ("/1[0]", "branch 0 completed"),
            ("/1[1]", "depot.pick completed: attempt 1"),
            ("/1[1]", "branch 1 completed"),
            ("/", "joined 2 branches"),
            ("/", "the run completed"),
        ]


async def test_a_limited_gather_tells_which_branch_makes_room_for_which(clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.run_async(each, list("abc"), id="order-1")
        found = told(app.operations, "order-1")
        assert "forks 3 branches, 2 at a time" in found
        assert "branch 0 ended; branch 2 begins" in found


async def test_a_race_tells_who_won_and_what_the_losers_undo(
    stage: Stage, clock: StillClock
) -> None:
    stage.close("pick")
    async with shop(clock=clock) as app:
        await app.start_async(contest, "tea", id="order-1")
        await stage.begun("pick")
        stage.open("pick")
        await app.operations.outcome("order-1")
        found = told(app.operations, "order-1")
        decided = found.index("branch 0 won the race: the others are cancelled")
        assert found[1] == "races 2 branches"
        interrupted = found.index("cancelled while it ran depot.pick")
        assert decided < interrupted < found.index("branch 1 was cancelled")
        assert "depot.pick is undone by depot.unpick, attempt 1" in found


async def test_calls_waits_deadlines_and_cancels_are_told(stage: Stage, clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.run_async(outer, "tea", id="called")
        assert "calls the workflow sell" in told(app.operations, "called")
        assert "the called workflow sell completed" in told(app.operations, "called")
        await app.start_async(nap, "tea", id="napping")
        await app.start_async(approve, "tea", id="approving")
        for run in ("napping", "approving"):
            await app.operations.cancel(run)
            await app.operations.outcome(run)
        assert told(app.operations, "napping")[-5:] == [
            "sleeps until 13:00:00Z (in 1 h)",
            "cancelled while it slept",
            "turns round, to undo 1 task",
            "depot.pick is undone by depot.unpick, attempt 1",
            "the run was cancelled",
        ]
        assert told(app.operations, "approving")[1:] == [
            "waits for `Approved` with key 'tea', until 13:00:00Z (in 1 h)",
            "cancelled while it waited for `Approved`",
            "the run was cancelled",
        ]


async def test_what_was_caught_is_told_and_the_run_goes_on(stage: Stage, clock: StillClock) -> None:
    stage.fail("pay", Soldout("none left"))
    async with shop(clock=clock) as app:
        assert await app.run_async(caught, "tea", id="order-1") == "soldout"
        assert told(app.operations, "order-1")[2:] == [
            "till.pay failed with Soldout: none left: attempt 1",
            "turns round, to undo 1 task",
            "depot.pick is undone by depot.unpick, attempt 1",
            "the run completed",
        ]
        assert app.operations.show("order-1").compensated == 1


async def test_parking_and_the_operator_are_told(stage: Stage, clock: StillClock) -> None:
    stage.fail("pack", Soldout("none left"))
    stage.fail("refund", Soldout("no"))
    async with shop(clock=clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.settled()
        await app.operations.resume("order-1")
        await app.operations.outcome("order-1")
        found = told(app.operations, "order-1")
        parked = found.index("parked: the compensation till.refund failed 1 times: no")
        assert found[parked + 1] == "resumed by an operator"
        assert found[parked + 2] == "till.pay is undone by till.refund, attempt 1"


async def test_progress_is_told(stage: Stage, clock: StillClock) -> None:
    stage.close("pack")
    async with shop(clock=clock) as app:
        await app.start_async(hurried, "tea", id="order-1")
        await stage.begun("pack")
        stage.contexts["pack"].progress("half of it")
        stage.open("pack")
        await app.operations.outcome("order-1")
        assert "depot.pack told of its progress: 'half of it'" in told(app.operations, "order-1")


async def test_a_shielded_body_is_told_after_the_cancel(stage: Stage, clock: StillClock) -> None:
    stage.close("pick")
    async with shop(clock=clock) as app:
        await app.start_async(tidy_up, "tea", id="order-1")
        await stage.begun("pick")
        await app.operations.cancel("order-1")
        stage.open("pick")
        await app.operations.outcome("order-1")
        found = told(app.operations, "order-1")
        assert found.index("cancelled while it ran depot.pick") < found.index(
            "depot.pack completed: attempt 1"
        )


# -- the order, from records made by hand: clocks that disagree, journals in any order


def moved(path: str, at: int, hop: int, to: str, *sent: Message) -> Moved:
    return Moved(path, at, "woken", Change(0, 0, Ready(), hop=hop, at=to), sent=sent)


def a_token(path: str = ROOT, *, at: str = "", hop: int = 0) -> Token:
    return Token(path, "d", 0, at, "", hop=hop, rest=OnTimer(1))


def arrival(token: Token, source: str) -> Message:
    return Message("r", "", source, token.at, 0, Arrive(token))


def test_stores_are_merged_by_names_though_their_clocks_are_hours_apart() -> None:
    there, back = a_token(at="b", hop=1), a_token(at="", hop=2)
    late, early = 9_000_000, 1
    home = [
        Started(ROOT, late, a_token()),
        moved(ROOT, late, 1, "b", arrival(there, "")),
        Started(ROOT, late, back, "b"),
        Ended(ROOT, late, Completed(NONE)),
    ]
    away = [
        Started(ROOT, early, there, "(app)"),
        moved(ROOT, early, 2, "", arrival(back, "b")),
    ]
    wanted = [home[0], home[1], away[0], away[1], home[2], home[3]]
    for journals in ((home, away), (away, home)):
        records = [(n, record) for n, journal in enumerate(journals) for record in journal]
        assert [step.record for step in merged(records)] == wanted


def test_what_is_concurrent_is_ordered_by_path() -> None:
    one, two = a_token("/1[0]", at="b", hop=1), a_token("/1[1]", at="c", hop=1)
    first = [Started(ROOT, 5, a_token(), sent=(arrival(two, ""), arrival(one, "")))]
    b = [Started("/1[0]", 9, one, "(app)"), Ended("/1[0]", 9, Completed(NONE))]
    c = [Started("/1[1]", 1, two, "(app)"), Ended("/1[1]", 1, Completed(NONE))]
    records = [(n, record) for n, journal in enumerate((c, b, first)) for record in journal]
    assert [step.record for step in merged(records)] == [*first, *b, *c]


def test_a_cause_that_was_lost_leaves_a_history_all_the_same() -> None:
    there, then = a_token(at="b", hop=1), a_token("/1[0]", at="b", hop=1)
    home = [Started(ROOT, 1, a_token(at="b", hop=1), "lost")]
    away = [Started(ROOT, 1, there, "(app)"), Started("/1[0]", 1, then, "lost")]
    records = [*((0, record) for record in home), *((1, record) for record in away)]
    assert len(merged(records)) == len(records)
