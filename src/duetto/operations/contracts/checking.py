"""What an app has now against what was committed: each change, what it breaks, and whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from duetto.operations.contracts.compatibility import BOTH, Change, Direction, changes
from duetto.operations.contracts.documents import Document

Compatibility = Literal["backward", "forward", "full"]


class Verdict(Struct, frozen=True):
    """A change of a contract between the version `old` and now.

    `breaks` has the directions that were asked for; `harms` says of each whom it breaks.
    """

    subject: str
    old: str
    new: str
    change: Change
    breaks: tuple[Direction, ...] = ()
    harms: tuple[str, ...] = ()


class Report(Struct, frozen=True):
    """What a check found; `new` are contracts that were never committed."""

    verdicts: tuple[Verdict, ...]
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    compared: int = 0

    @property
    def is_compatible(self) -> bool:
        """Does nothing break what was asked for?"""
        return not any(verdict.breaks for verdict in self.verdicts)


def check(
    now: Iterable[Document],
    committed: Iterable[Document],
    compatibility: Compatibility = "backward",
    *,
    transitive: bool = False,
) -> Report:
    """Compare each contract with the last version of it, or with every one (`transitive`)."""
    asked: tuple[Direction, ...] = BOTH if compatibility == "full" else (compatibility,)
    present = {document.subject: document for document in now}
    past: dict[str, list[Document]] = {}
    for document in committed:
        past.setdefault(document.subject, []).append(document)
    verdicts: list[Verdict] = []
    compared = 0
    for subject, document in present.items():
        versions = sorted(past.get(subject, []), key=lambda each: each.version)
        for old in versions if transitive else versions[-1:]:
            compared += 1
            verdicts += _verdicts(old, document, asked)
    for subject in past.keys() - present.keys():
        verdicts += _gone(past[subject][-1], asked)
    verdicts.sort(key=lambda each: each.subject)
    return Report(
        tuple(verdicts),
        tuple(sorted(present.keys() - past.keys())),
        tuple(sorted(past.keys() - present.keys())),
        compared,
    )


def _verdicts(old: Document, new: Document, asked: tuple[Direction, ...]) -> Iterator[Verdict]:
    # What an upcaster reads, who reads now can read, whatever its shape was.
    bridged = old.version < new.version and old.version in new.about.get("upcasts", ())
    for change in (*_beside(old, new), *changes(old.schema, new.schema)):
        breaks: tuple[Direction, ...] = tuple(each for each in change.breaks if each in asked)
        if bridged and change.path[:1] != "(":
            breaks = tuple(each for each in breaks if each != "backward")
        harms = tuple(_harm(each, old, new) for each in breaks)
        yield Verdict(new.subject, _label(old), _label(new), change, breaks, harms)


def _label(document: Document) -> str:
    return f"v{document.version}" if document.kind == "event" else ""


def _beside(old: Document, new: Document) -> Iterator[Change]:
    """Yield the changes of what is said beside the shape, and is a part of the contract."""
    if old.kind == "boundary":
        return
    for name in ("key", "lanes"):
        if old.about[name] != new.about[name]:
            # The key draws the lane: with another one, events of one key lose their order.
            what = f"became {new.about[name] or 'none'} ({old.about[name] or 'none'} before)"
            yield Change(f"({name})", what, BOTH)
    if new.version < old.version:
        yield Change("(version)", f"went back to {new.version} from {old.version}", BOTH)


def _gone(old: Document, asked: tuple[Direction, ...]) -> Iterator[Verdict]:
    """Yield what it means that a contract is gone. A boundary may go: runs keep theirs."""
    if old.kind == "boundary":
        return
    readers = ", ".join(old.about["listeners"])
    breaks = asked if readers else ()
    harms = (f"{readers}: kept events of it cannot be read any more",) if breaks else ()
    yield Verdict(
        old.subject, _label(old), "", Change("", "the event is gone", BOTH), breaks, harms
    )


def _harm(direction: Direction, old: Document, new: Document) -> str:
    """Return whom a change breaks: those who read now, or those who still read as before."""
    if direction == "backward":
        readers = _names(new.about["listeners"], "others who read it")
        writers: list[str] = old.about["publishers"] if old.kind == "event" else []
        what = f"what {_names(writers, 'was')} sent"
        as_before = f"as {_label(old)}" if _label(old) else "before"
        return f"{readers} cannot read {what} {as_before}"
    readers = _names(old.about["listeners"], "others who read it")
    writers: list[str] = new.about["publishers"] if new.kind == "event" else []
    what = f"what {', '.join(writers)} sends" if writers else "what is sent"
    as_now = f"as {_label(new)}" if _label(new) else "now"
    return f"{readers}, as deployed before, cannot read {what} {as_now}"


def _names(names: list[str], otherwise: str) -> str:
    return ", ".join(names) or otherwise
