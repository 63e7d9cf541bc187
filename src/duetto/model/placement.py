"""Who decides what: node → participant. Advice to whoever sends a token on."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from duetto.errors import PlacementError


class Placement(Struct, frozen=True):
    """`by_task` wins over `by_service`, that over `otherwise`.

    A participant is a service's name or, as the empty string, the app itself. The empty
    `otherwise` places tasks at the app; None places each at its own service.
    """

    name: str = "orchestration"
    otherwise: str | None = ""
    by_service: dict[str, str] = {}
    by_task: dict[str, str] = {}

    def of(self, task: str) -> str:
        """Return the participant for a task named `service.name` (the empty string is the app)."""
        if task in self.by_task:
            return self.by_task[task]
        service = task.partition(".")[0]
        if service in self.by_service:
            return self.by_service[service]
        return service if self.otherwise is None else self.otherwise


def orchestration() -> Placement:
    """The app decides everything; tasks are calls or commands."""
    return Placement()


def choreography() -> Placement:
    """Each service decides for its own tasks; the token travels with the work."""
    return Placement("choreography", None)


def hybrid(*services: str) -> Placement:
    """The named services decide for themselves, the app for the rest."""
    return Placement("hybrid:" + ",".join(services), "", {name: name for name in services})


def parse(text: str) -> Placement:
    """Return the placement that `orchestration`, `choreography`, `hybrid:X,Y` or
    `service.task=participant,…` (`app` is the app) names.

    Raises PlacementError where the text is none of these.
    """
    if text == "orchestration":
        return orchestration()
    if text == "choreography":
        return choreography()
    kind, _, names = text.partition(":")
    if kind == "hybrid" and names:
        return hybrid(*(name.strip() for name in names.split(",")))
    if "=" in text:
        pairs = [pair.split("=", 1) for pair in text.split(",")]
        if all(len(pair) == 2 and "." in pair[0] for pair in pairs):
            by_task = {task.strip(): _participant(where.strip()) for task, where in pairs}
            return Placement(text, "", {}, by_task)
    raise PlacementError(
        f"`{text}` is not a placement.",
        found=text,
        expected="orchestration, choreography, hybrid:SERVICE,… or SERVICE.TASK=PARTICIPANT,…",
        do="choose one of these",
    )


def _participant(name: str) -> str:
    return "" if name == "app" else name


def check(placement: Placement, services: Iterable[str], tasks: Iterable[str]) -> None:
    """Raise PlacementError where the placement names a service or task that is not there."""
    known, names = set(services), set(tasks)
    for service in (
        *placement.by_service,
        *placement.by_service.values(),
        *placement.by_task.values(),
    ):
        if service and service not in known:
            raise PlacementError(
                f"The placement `{placement.name}` names `{service}`, which is no service here.",
                found=service,
                expected=f"one of: {', '.join(sorted(known))}",
                do="mend the placement, or add the service to the app",
            )
    for task in placement.by_task:
        if task not in names:
            raise PlacementError(
                f"The placement `{placement.name}` names `{task}`, which is no task here.",
                found=task,
                expected=f"one of: {', '.join(sorted(names))}",
                do="mend the placement",
            )
