"""An app against what was committed: each change, what it breaks, and whom."""

from __future__ import annotations

from typing import Any

import pytest

from duetto.operations.contracts import Compatibility, Document, check
from duetto.operations.contracts.documents import ABOUT


def placed(version: int, *, key: str = "order", lanes: int = 16, **properties: Any) -> Document:
    """Return an event whose fields are all required."""
    about = {
        "contract": "event",
        "topic": "Placed",
        "version": version,
        "key": key,
        "lanes": lanes,
        "publishers": ["shop.sell"],
        "listeners": ["stock.hold", "mail.thank"],
    }
    shape = {"type": "object", "properties": properties, "required": list(properties)}
    return Document(f"Placed.v{version}", "event", {ABOUT: about, **shape})


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
V1, V2, V3 = placed(1, a=TEXT), placed(2, a=TEXT, b=TEXT), placed(3, b=TEXT)


def boundary(**properties: Any) -> Document:
    about = {
        "contract": "boundary",
        "workflow": "w",
        "kind": "token",
        "publishers": ["app"],
        "listeners": ["money"],
    }
    shape = {"type": "object", "properties": properties, "required": list(properties)}
    return Document("boundary.w.app.money.charge", "boundary", {ABOUT: about, **shape})


@pytest.mark.parametrize(
    ("compatibility", "breaks"), [("backward", True), ("forward", False), ("full", True)]
)
def test_a_required_field_breaks_who_reads_now(compatibility: Compatibility, breaks: bool) -> None:
    report = check([V2], [V1], compatibility)
    [verdict] = report.verdicts
    assert (verdict.old, verdict.new, verdict.change.path) == ("v1", "v2", "b")
    assert report.is_compatible is not breaks
    if breaks:
        assert verdict.harms == ("stock.hold, mail.thank cannot read what shop.sell sent as v1",)


def test_what_an_upcaster_reads_breaks_nobody_who_reads_now() -> None:
    upcasting = placed(2, a=TEXT, b=TEXT)
    upcasting.about["upcasts"] = [1]
    assert check([upcasting], [V1]).is_compatible
    assert not check([V3], [V1]).is_compatible
    rekeyed = placed(2, key="b", a=TEXT, b=TEXT)
    rekeyed.about["upcasts"] = [1]
    assert not check([rekeyed], [V1]).is_compatible


def test_a_removed_field_breaks_who_is_deployed() -> None:
    [verdict] = check([V3], [V2], "forward").verdicts
    assert verdict.harms == (
        "stock.hold, mail.thank, as deployed before, cannot read what shop.sell sends as v3",
    )


def test_the_last_version_counts_and_every_one_if_asked() -> None:
    history = [placed(1, a=WHOLE), placed(2), placed(10, a=TEXT)]
    now = placed(11, a=TEXT)
    assert check([now], history, "forward").verdicts == ()
    report = check([now], history, "full", transitive=True)
    assert {(each.old, each.change.what) for each in report.verdicts} == {
        ("v1", "integer became string"),
        ("v2", "added (required)"),
    }
    assert not report.is_compatible


@pytest.mark.parametrize("other", [placed(1, key="id", a=TEXT), placed(1, lanes=4, a=TEXT)])
def test_key_and_lanes_are_a_part_of_the_contract(other: Document) -> None:
    for way in ("backward", "forward"):
        assert not check([other], [V1], way).is_compatible


def test_a_version_does_not_go_back() -> None:
    assert not check([placed(1, a=TEXT)], [placed(2, a=TEXT)]).is_compatible


def test_an_event_that_is_gone_breaks_who_listened() -> None:
    report = check([], [V1])
    assert report.gone == ("Placed",)
    assert "kept events of it cannot be read any more" in report.verdicts[0].harms[0]


def test_what_was_never_committed_breaks_nothing() -> None:
    report = check([V1], [])
    assert (report.is_compatible, report.new) == (True, ("Placed",))


def test_a_boundary_is_checked_and_may_go() -> None:
    report = check([boundary(order=WHOLE)], [boundary(order=TEXT)])
    assert report.verdicts[0].harms == ("money cannot read what was sent before",)
    gone = check([], [boundary(order=TEXT)])
    assert (gone.is_compatible, gone.gone) == (True, ("boundary.w.app.money.charge",))
