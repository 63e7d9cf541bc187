"""What can be asked of Operations from outside the process, as data, and how it is answered.

Nothing in a request is evaluated: its fields are texts and numbers, and arguments as a store keeps
them; its operation is one of a closed list.
"""

from __future__ import annotations

import asyncio
from typing import Any, assert_never, get_args

import msgspec
from msgspec import Struct

from duetto import errors
from duetto.errors import DuettoError, NotAllowed
from duetto.model.view import Status
from duetto.operations.counts import Counts
from duetto.operations.events import EventOperations, Letters
from duetto.operations.operations import Operations
from duetto.runtime.replays import Picked
from duetto.store import Query

REQUEST_BYTES_MAX = 8 << 20
"""Bytes of one line at a socket: the largest starts a run, with `TOKEN_BYTES_MAX` of arguments,
which are a third more as text."""

AWAIT_S = 10.0
"""Who waits for a run is answered at least so often: an app that hangs is told from a long run."""


class Request(
    Struct, frozen=True, tag_field="operation", tag=str.lower, forbid_unknown_fields=True
):
    """One operation, named by its class in lower case."""


class Show(Request, frozen=True):
    id: str


class List(Request, frozen=True):
    workflow: str = ""
    statuses: tuple[int, ...] = ()
    tag: str = ""
    since: int = 0
    until: int = 0
    limit: int = 100
    parked: bool = False


class History(Request, frozen=True):
    id: str


class Explain(Request, frozen=True):
    id: str


class Cancel(Request, frozen=True):
    id: str


class Retry(Request, frozen=True):
    id: str


class Resume(Request, frozen=True):
    id: str
    path: str = ""


class Skip(Request, frozen=True):
    id: str
    path: str = ""
    value: Any = None


class Restart(Request, frozen=True):
    id: str
    new_id: str | None = None


class Start(Request, frozen=True):
    """`input` is packed by the definition with this digest."""

    id: str
    workflow: str
    digest: str
    input: bytes
    tags: tuple[str, ...] = ()


class Await(Request, frozen=True):
    id: str


class Publish(Request, frozen=True):
    topic: str
    data: str


class Adopt(Request, frozen=True):
    topic: str
    body: str


class Events(Request, frozen=True):
    topic: str = ""
    key: str = ""
    since: int = 0
    limit: int = 100


class Event(Request, frozen=True):
    name: str


class Lineage(Request, frozen=True):
    name: str


class Observe(Request, frozen=True):
    pass


class ListLetters(Request, frozen=True):
    handler: str = ""
    topic: str = ""
    key: str = ""
    reason: str = ""
    limit: int = 100


class Letter(Request, frozen=True):
    handler: str
    position: int


class Redrive(Request, frozen=True):
    handler: str
    position: int
    data: str | None = None


class RedriveAll(Request, frozen=True):
    asked: Letters


class Replay(Request, frozen=True):
    handler: str
    picked: Picked = Picked()
    publishes: bool = False


class Discard(Request, frozen=True):
    handler: str
    position: int


class DiscardAll(Request, frozen=True):
    asked: Letters


OfRuns = Show | List | History | Explain | Cancel | Retry | Resume | Skip | Restart | Start | Await
OfEvents = (
    Publish
    | Adopt
    | Events
    | Event
    | Lineage
    | Observe
    | ListLetters
    | Letter
    | Redrive
    | RedriveAll
    | Replay
    | Discard
    | DiscardAll
)
AnyRequest = OfRuns | OfEvents
READS = (Show, List, History, Explain, Events, Event, Lineage, Observe, ListLetters, Letter)
REQUESTS: tuple[type[Request], ...] = get_args(AnyRequest)


STRUCTURED = {"content-type": "application/cloudevents+json"}
"""Says of a message that it is a CloudEvent as one JSON object."""

NOTHING = msgspec.Raw(b"null")


class Shown(Struct, frozen=True):
    """A run, as JSON has it, with what it cost."""

    run: object
    counts: Counts


class Standing(Struct, frozen=True):
    """How far a run is, without its result; `settled` once it has ended or is parked."""

    status: Status
    created: int
    error: str
    settled: bool
    counts: Counts


class Reply(Struct, frozen=True, omit_defaults=True):
    """`answer` is JSON; `error` is the class of an error, with the parts of its text."""

    answer: msgspec.Raw = NOTHING
    error: str = ""
    message: str = ""
    found: str = ""
    expected: str = ""
    do: str = ""


async def answer(operations: Operations, request: AnyRequest) -> object:
    """Return the answer, of what JSON has a form for. Raises what the operation raises."""
    if isinstance(request, OfEvents):
        return await _of_events(operations.events, request)
    match request:
        case Show(id):
            return Shown(plain(operations.show(id)), operations.counts(id))
        case List(workflow, statuses, tag, since, until, limit, parked):
            query = Query(workflow, statuses, tag, since, until, limit=limit)
            return [plain(view) for view in operations.list(query, parked=parked)]
        case History(id):
            return operations.history(id)
        case Explain(id):
            return operations.explain(id)
        case Cancel(id):
            return await operations.cancel(id)
        case Retry(id):
            return await operations.retry(id)
        case Resume(id, path):
            return await operations.resume(id, path)
        case Skip(id, path, value):
            return await operations.skip(id, path, value)
        case Restart(id, new_id):
            return await operations.restart(id, new_id)
        case Start(id, workflow, digest, input, tags):
            await operations.start_packed(workflow, digest, input, id=id, tags=tags)
            return _standing(operations, id)
        case Await(id):
            await _settled(operations, id)
            return _standing(operations, id)
        case _:
            assert_never(request)


async def _settled(operations: Operations, id: str) -> None:
    """Return once a run has ended or is parked, and in time for an answer anyway."""
    try:
        async with asyncio.timeout(AWAIT_S):
            await operations.ended_or_parked(id)
    except TimeoutError:
        pass


def _standing(operations: Operations, id: str) -> Standing:
    run = operations.show(id)
    settled = run.status != "running" or operations.is_parked(id)
    return Standing(run.status, run.created, run.error, settled, operations.counts(id))


async def _of_events(operations: EventOperations, request: OfEvents) -> object:
    match request:
        case Publish(topic, data):
            return await operations.publish_json(topic, data)
        case Adopt(topic, body):
            return await operations.adopt(topic, body.encode(), STRUCTURED)
        case Events(topic, key, since, limit):
            return operations.list(topic=topic, key=key, since=since, limit=limit)
        case Event(name):
            return operations.show(name)
        case Lineage(name):
            return operations.lineage(name)
        case Observe():
            return operations.observed()
        case ListLetters(handler, topic, key, reason, limit):
            return operations.letters(Letters(handler, topic, key, reason), limit=limit)
        case Letter(handler, position):
            return operations.letter(handler, position)
        case Redrive(handler, position, data):
            return await operations.redrive(handler, position, data)
        case RedriveAll(asked):
            return await operations.redrive_all(asked)
        case Replay(handler, picked, publishes):
            return await operations.replay(handler, picked, publishes=publishes)
        case Discard(handler, position):
            return await operations.discard(handler, position)
        case DiscardAll(asked):
            return await operations.discard_all(asked)
        case _:
            assert_never(request)


def plain(value: object) -> object:
    """Return a value as JSON has it; what JSON has no form for as text."""
    try:
        return msgspec.to_builtins(value, str_keys=True, enc_hook=shown)
    except (TypeError, ValueError, RecursionError):
        if isinstance(value, Struct):
            fields = msgspec.structs.asdict(value)
            return {name: plain(each) for name, each in fields.items()}
        return repr(value)


def shown(value: object) -> object:
    """Return what stands for a value of a class that JSON does not know."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else repr(value)


async def reply(operations: Operations, line: bytes) -> bytes:
    """Return the reply to one line, which may be anything."""
    try:
        request = msgspec.json.decode(line, type=AnyRequest)
        found = Reply(msgspec.Raw(msgspec.json.encode(await answer(operations, request))))
    except msgspec.MsgspecError as error:
        found = refused(unknown_request(str(error)))
    except DuettoError as error:
        found = refused(error)
    return msgspec.json.encode(found)


def unknown_request(found: str) -> NotAllowed:
    """Return the error for a line that is no request."""
    names = sorted(kind.__name__.lower() for kind in REQUESTS)
    return NotAllowed(
        "The request is none that is known here.",
        found=found,
        expected=f"one of: {', '.join(names)}",
        do="use a `duetto` of the same version as the app",
    )


def refused(error: DuettoError) -> Reply:
    """Return an error as a reply."""
    kind = type(error).__name__
    return Reply(NOTHING, kind, error.message, error.found, error.expected, error.do)


def raised(reply: Reply) -> DuettoError:
    """Return the error of a reply, of its class where that is one of ours."""
    kind = KINDS.get(reply.error, DuettoError)
    return kind(reply.message, found=reply.found, expected=reply.expected, do=reply.do)


KINDS: dict[str, type[DuettoError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, DuettoError)
    and kind.__init__ is DuettoError.__init__
}
"""The errors that are made of their text alone."""
