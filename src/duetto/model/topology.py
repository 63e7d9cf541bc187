"""Who publishes and who listens: the choreography of an app, as it is declared."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verb = Literal["publishes", "listens", "receives", "starts"]


class Part(Struct, frozen=True):
    """A handler or a workflow, with the topics that it deals in.

    `service` is its owner, "" the app itself. `ends` says whether it may end without a further
    event. `unknown` has the places where it emits what no annotation tells.
    """

    name: str
    kind: Literal["handler", "workflow"]
    service: str = ""
    publishes: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()
    receives: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    ends: bool = True
    unknown: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The name without its service."""
        return self.name.rpartition(".")[2]

    @property
    def hears(self) -> tuple[str, ...]:
        """The topics that reach it, in any way."""
        return (*self.listens, *self.starts, *self.receives)


class Undoing(Struct, frozen=True):
    """A compensation: the task that it undoes, and what may come to it.

    `callers` are the workflows that call the task, `handlers` those that name the compensation.
    """

    name: str
    task: str
    callers: tuple[str, ...] = ()
    handlers: tuple[str, ...] = ()


class Link(Struct, frozen=True, order=True):
    """An edge: a part publishes a topic, listens to it, receives it, or is started by it."""

    part: str
    verb: Verb
    topic: str


class Topology(Struct, frozen=True):
    """The parts of an app, its topics, and those of them that are published from outside."""

    app: str
    parts: tuple[Part, ...]
    topics: tuple[str, ...]
    outside: tuple[str, ...] = ()
    undoings: tuple[Undoing, ...] = ()

    @property
    def links(self) -> tuple[Link, ...]:
        """Every edge, part by part."""
        return tuple(
            link
            for part in self.parts
            for link in (
                *(Link(part.name, "publishes", topic) for topic in part.publishes),
                *(Link(part.name, "listens", topic) for topic in part.listens),
                *(Link(part.name, "starts", topic) for topic in part.starts),
                *(Link(part.name, "receives", topic) for topic in part.receives),
            )
        )

    def publishers(self, topic: str) -> list[str]:
        """Return the parts that publish a topic."""
        return [part.name for part in self.parts if topic in part.publishes]

    def listeners(self, topic: str) -> list[str]:
        """Return the parts that a topic reaches."""
        return [part.name for part in self.parts if topic in part.hears]


class Finding(Struct, frozen=True):
    """Something that is likely a mistake; `topics` and `parts` are what it is about."""

    kind: Literal["unheard", "unfed", "endless", "untriggered", "unknown", "undeclared", "unseen"]
    message: str
    do: str
    topics: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


class Seen(Struct, frozen=True, order=True):
    """A fact: an event of a topic went from a publisher to a listener. "" is from outside."""

    publisher: str
    topic: str
    listener: str


class Difference(Struct, frozen=True, order=True):
    """A link that was seen and is not declared, or is declared and was not seen."""

    link: Link
    declared: bool
