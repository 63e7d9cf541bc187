"""A recorder: every message and every record is told, and its chart has the lanes of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from duetto.broker import Acknowledge, Receive
from duetto.drawing import sequence_svg
from duetto.drawing.sequence import Arrived, Event, Mark, Sent, score
from duetto.kernel import journal
from duetto.model import message as m
from duetto.model import record as r
from duetto.model.effect import Change
from duetto.model.event import Event as Fact
from duetto.model.token import (
    NONE,
    ROOT,
    Completed,
    Entry,
    Error,
    Failed,
    OnChildren,
    OnEvent,
    OnTask,
    OnTimer,
    OnUndo,
    Parked,
    Rest,
    Stopped,
    Token,
)
from duetto.store import seal
from duetto.testing.recorder import (
    EVENTS_MAX,
    FIRST_MAX,
    LAST_MAX,
    Recorder,
    RecordingBroker,
    shortened,
    spelled,
    told,
)

DECLINED = Error("shop:Declined", ("Exception",), "card declined")
ON_TASK = OnTask()
DONE, FAILED = Completed(NONE), Failed(DECLINED)


def token(path: str = ROOT, at: str = "", rest: Rest = ON_TASK) -> Token:
    return Token(path, "digest", 0, at, "", hop=2, rest=rest)


def change(at: str = "", rest: Rest = ON_TASK) -> Change:
    return Change(1, 2, rest, at=at)


def message(body: m.Body, source: str = "", to: str = "a", run: str = "r") -> m.Message:
    return m.Message(run, "", source, to, 0, body)


COMMAND = m.Command("/1[0]", 2, "a.charge", "", "/1[0]")

SOLD = Fact("app", "Sold", 0, 1, "kettle", 1, 0, b"")
MESSAGES: list[tuple[m.Body, str, str]] = [
    (m.Arrive(token("/1[0]")), "token", "token /1[0] at hop 2"),
    (COMMAND, "command", "run a.charge /1[0]#2"),
    (m.Command("/", 2, "a.refund", "", "/", undo=True), "command", "undo a.refund /#2"),
    (
        m.Command("/", 2, "a.charge", "", "/", undo=True, unknown=True),
        "command",
        "settle and undo a.charge /#2",
    ),
    (m.Answer("/", 2, "/", FAILED), "answer", "/#2: failed, Declined card declined"),
    (m.Answer("/", 2, "/", DONE, undo=True), "answer", "/#2 undo: completed"),
    (m.Reporting("/1[0]", Stopped()), "report", "report of /1[0]: cancelled"),
    (m.CancelPath("/1[0]"), "cancel", "cancel /1[0]"),
    (m.Listen({"Paid": {}, "Sold": {}}), "question", "what is new of Paid, Sold?"),
    (m.EventPage("Sold", (SOLD,)), "report", "Sold kettle"),
    (m.EventPage("Sold", (SOLD, SOLD, SOLD)), "report", "Sold kettle and 2 more"),
    (m.AskRun(), "question", "is the run open?"),
    (m.RunState(7), "question", "the run is closed"),
    (m.RunState(0), "question", "the run is open"),
]

RECORDS: list[tuple[r.Record, str, str]] = [
    (r.Started(ROOT, 0, token()), "start", "the run begins"),
    (r.Started("/1[0]", 0, token("/1[0]"), source="b"), "commit", "/1[0] is here"),
    (r.TaskEnded(ROOT, 0, "a.charge", 1, 1, 9, change()), "commit", "/: a.charge completed"),
    (
        r.TaskEnded(ROOT, 0, "a.charge", 1, 1, 9, change(rest=OnTimer(5)), error=DECLINED),
        "failed",
        "/: a.charge failed, Declined card declined; sleeps",
    ),
    (
        r.AttemptFailed(ROOT, 0, "a.charge", 1, 2, 9, DECLINED, 50),
        "failed",
        "a.charge attempt 2: Declined card declined",
    ),
    (
        r.Moved(
            ROOT, 0, "woken", change(rest=OnChildren(2, 2)), forked=(token("/1[0]"), token("/1[1]"))
        ),
        "timer",
        "/: woken; 2 of 2 begin: /1[0], /1[1]",
    ),
    (
        r.Moved(ROOT, 0, "joined", change(rest=OnChildren(2, 2, 1))),
        "commit",
        "/: joined; 1 of 2 ended",
    ),
    (
        r.Moved(ROOT, 0, "cancelled", change(rest=OnUndo(Entry("/", 1, "a.charge")))),
        "cancel",
        "/: cancelled; undoes a.charge /#1",
    ),
    (
        r.Moved(ROOT, 0, "parked", change(rest=Parked("no such task", OnTask()))),
        "park",
        "/: parked; parked: no such task",
    ),
    (
        r.Moved(ROOT, 0, "resumed", change(rest=OnEvent("shop:Paid", NONE))),
        "operator",
        "/: resumed; waits for an event",
    ),
    (r.Ended(ROOT, 0, FAILED), "end", "the run failed, Declined card declined"),
    (
        r.Ended("/1[0]", 0, DONE, task="a.charge"),
        "commit",
        "/1[0]: a.charge completed; completed",
    ),
    (r.ReportCame("/1[0]", 0, DONE), "commit", "/1[0] completed"),
    (r.CommandCame("/", 0, message(COMMAND)), "commit", "accepts: run a.charge /1[0]#2"),
    (r.CommandEnded("/", 0, "a.charge", 2, 1, 9, DONE), "commit", "a.charge /#2: completed"),
    (
        r.CommandEnded("/", 0, "a.charge", 2, 1, 9, FAILED),
        "failed",
        "a.charge /#2: failed, Declined card declined",
    ),
    (
        r.CommandEnded("/", 0, "a.refund", 2, 1, 9, DONE, undo=True),
        "undone",
        "a.refund /#2: undone",
    ),
    (r.CancelCame("/1[0]", 0), "cancel", "/1[0] is cancelled"),
    (r.Progressed("/", 0, 1, NONE), "note", "/ told of its progress"),
    (r.InHand("/", 0, 1, 2), "fault", "/ was in hand at 2 deaths"),
    (r.InHand("/", 0, 1, 1, "a.charge"), "fault", "a.charge /#1 was in hand at 1 death"),
    (r.Noted("/", 0, "retried", "by hand"), "operator", "retried: by hand"),
]


@pytest.mark.parametrize(("body", "style", "words"), MESSAGES)
def test_a_message_says_what_it_carries(body: m.Body, style: str, words: str) -> None:
    assert spelled(message(body)) == (style, words)


@pytest.mark.parametrize(("record", "kind", "words"), RECORDS)
def test_a_record_says_what_happened(record: r.Record, kind: str, words: str) -> None:
    assert told(record) == (kind, words)


def test_all_kinds_are_tried() -> None:
    assert {type(body) for body, _, _ in MESSAGES} == set(get_args(m.Body))
    assert {type(record) for record, _, _ in RECORDS} == set(get_args(r.Record))


class Carrier:
    """A broker that delivers when it is told to."""

    def __init__(self) -> None:
        self.published: list[m.Message] = []
        self.receivers: dict[str, Receive] = {}

    def publish(self, message: m.Message, confirmed: Acknowledge) -> None:
        self.published.append(message)

    def subscribe(self, participant: str, receive: Receive) -> None:
        self.receivers[participant] = receive

    def unsubscribe(self, participant: str) -> None:
        del self.receivers[participant]

    def deliver(self, number: int) -> None:
        message = self.published[number]
        self.receivers[message.to](message, lambda: None)


def recorder() -> tuple[Recorder, Callable[[float], None]]:
    """Return a recorder of two stores, and what sets its clock."""
    now = [1000.0]

    def set_clock(ms: float) -> None:
        now[0] = ms

    return Recorder(lambda: now[0], (("", "a"), ("b", "c"))), set_clock


def events(made: Recorder, run: str = "r") -> tuple[Event, ...]:
    return made.chart(run, "a run").events


def test_what_is_sent_again_is_another_message_and_what_comes_twice_is_the_same() -> None:
    made, set_clock = recorder()
    carrier = Carrier()
    broker = RecordingBroker(carrier, made)
    received: list[m.Message] = []
    broker.subscribe("a", lambda message, _: received.append(message))
    cancel = message(m.CancelPath("/"), source="b")
    for _ in range(2):
        broker.publish(cancel, lambda: None)
    set_clock(1250)
    carrier.deliver(1)
    carrier.deliver(1)
    assert received == [cancel, cancel]
    ways = score(made.chart("r", "a run")).flights
    assert [(it.sent.message, it.taken is not None, it.again) for it in ways] == [
        (1, False, False),
        (2, True, False),
        (2, True, True),
    ]
    assert ways[1].late_ms == 250
    broker.unsubscribe("a")
    assert not carrier.receivers


def test_records_stand_in_the_lane_of_their_token() -> None:
    made, _ = recorder()
    for store, record in (
        (0, r.Started(ROOT, 0, token(at="a"))),
        (0, r.TaskEnded(ROOT, 0, "a.charge", 1, 1, 9, change(at="b"))),
        (1, r.Started(ROOT, 0, token(at="b"), source="a")),
        (1, r.Moved(ROOT, 0, "arrived", change(at="b"))),
        (1, r.Moved(ROOT, 0, "woken", change(at="c"))),
        (1, r.CommandEnded("/1[0]", 0, "c.send", 1, 1, 9, DONE)),
        (1, r.Ended(ROOT, 0, DONE)),
        (0, r.ReportCame(ROOT, 0, DONE)),
    ):
        made.committed(store, "r", seal(journal.encode(record)))
    marks = [(it.lane, it.kind) for it in events(made) if isinstance(it, Mark)]
    assert marks == [
        ("", "start"),
        ("a", "commit"),
        ("b", "commit"),
        ("b", "timer"),
        ("c", "commit"),
        ("c", "end"),
        ("b", "commit"),
    ]


def test_a_chart_is_of_one_run_and_of_what_befell_its_system() -> None:
    made, set_clock = recorder()
    made.mark("b", "note", "of another", run="other")
    set_clock(1500)
    made.mark("", "note", "of this", run="r")
    made.mark("c", "crash", "of all")
    chart = made.chart("r", "a run", ["a note"])
    assert [(it.at_ms, it.label) for it in chart.events if isinstance(it, Mark)] == [
        (0, "of this"),
        (0, "of all"),
    ]
    assert [(lane.title, lane.group) for lane in chart.lanes] == [
        ("app", "process 0"),
        ("c", "process 1"),
    ]
    assert chart.notes == ("a note",)
    assert sequence_svg(chart)
    assert made.chart("nothing", "no run").events[0].at_ms == 0


def test_what_is_too_long_loses_its_middle_and_no_end_of_a_message() -> None:
    late = Sent(0, 1, "", "a", "late")
    lost = Sent(1, 2, "", "a", "lost")
    notes: list[Event] = [Mark(number, "", "note", str(number)) for number in range(5000)]
    unknown, inner = Arrived(2500, 3), Sent(2400, 3, "", "a", "left out")
    found = shortened([late, lost, *notes[:2400], inner, unknown, Arrived(2500, 1), *notes[2400:]])
    assert len(found) == FIRST_MAX + LAST_MAX + 2
    assert found[:2] == [late, lost]
    assert Arrived(2500, 1) in found
    assert unknown not in found
    assert inner not in found
    assert found[-1] == notes[-1]
    said = [it.label for it in found if isinstance(it, Mark)]
    assert f"{5000 + 5 - FIRST_MAX - LAST_MAX - 1:,} events are left out" in said
    assert shortened(notes[:FIRST_MAX]) == notes[:FIRST_MAX]


def test_a_recorder_that_is_full_keeps_the_beginning() -> None:
    made, _ = recorder()
    for number in range(EVENTS_MAX + 10):
        made.mark("", "note", str(number), run="r")
    made.sent(message(m.AskRun()))
    made.arrived(message(m.AskRun()))
    made.committed(0, "r", b"")
    assert made.is_full
    assert len(made.noticed) == EVENTS_MAX
    assert getattr(made.noticed[0][1], "label", "") == "0"
