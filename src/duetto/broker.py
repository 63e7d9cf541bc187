"""The contracts of a broker: messages between participants, and topics that other programs read.

A broker never decides anything: what it loses is sent again, what it doubles is recognised by its
name. So both contracts promise little, and `Capabilities` says what an implementation does beyond.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from duetto.errors import LimitExceeded, NotFound, ValueRefused
from duetto.model.event import Event
from duetto.model.message import Message

Acknowledge = Callable[[], None]
Receive = Callable[[Message, Acknowledge], None]


class Broker(Protocol):
    """A message may be duplicated, delayed, reordered or lost; what is lost is sent again."""

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        """Send a message to `message.to`; `confirmed` is called once its receiver has committed."""
        ...

    def subscribe(self, participant: str, receive: Receive) -> None:
        """Hand each message for a participant to `receive`, which acknowledges after its commit."""
        ...

    def unsubscribe(self, participant: str) -> None:
        """Stop handing over; what is under way stays until somebody subscribes."""
        ...


RECORD_KEY_BYTES_MAX = 1_000
"""Of a record's key or id: each is a part of an index."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""Topics and groups: what every broker takes for a name."""

RECORD_BYTES_MAX = 4 * 1024 * 1024
"""Of one record: twice the largest value, as what a record says beside it is small."""

ACK_WAIT_MS = 30_000
"""How long a delivery may be worked on before it is handed to somebody else."""


class Record(Struct, frozen=True):
    """What a topic carries. Records of one key are in order; "" is no key.

    `id` is the publisher's name for it: a broker that dedupes keeps one of each. Headers are for
    whoever reads the topic; nothing here looks into them.
    """

    body: bytes
    key: str = ""
    headers: Mapping[str, str] = {}
    id: str = ""

    @property
    def size(self) -> int:
        """Its bytes, headers and names included."""
        texts = (self.key, self.id, *self.headers, *self.headers.values())
        return len(self.body) + sum(len(text.encode()) for text in texts)


class Delivery(Struct, frozen=True):
    """A record in the hands of one consumer; `count` is how often it was handed out, with this."""

    record: Record
    count: int
    ticket: tuple[int, ...]
    """The broker's own name for it."""


class Capabilities(Struct, frozen=True):
    """What a broker does beyond the contract of Topics: declared, for people and for the suite.

    | field | meaning |
    |---|---|
    | ordered_by_key | a record is handed out once all earlier ones of its key are acknowledged |
    | dedupes | of records with one id, one is kept |
    | counts | `Delivery.count` goes on over restarts of consumers |
    | delays | `retry` waits for as long as it was told to |
    | persistent | what was published is there after a restart, or a kill, of every process |
    | shared | several processes take part |
    | record_bytes_max | the largest record that it takes |
    """

    ordered_by_key: bool
    dedupes: bool
    counts: bool
    delays: bool
    persistent: bool
    shared: bool
    record_bytes_max: int


class Consumer(Protocol):
    """One of the consumers that compete for the records of a group."""

    async def take(self, limit: int = 1) -> list[Delivery]:
        """Wait for records, and return at least one. Cancelling it takes nothing.

        While its topic is not there it waits for it to be created again.
        """
        ...

    async def ack(self, *deliveries: Delivery) -> None:
        """Say that they are handled; one that was handed to somebody else meanwhile too."""
        ...

    async def retry(self, delivery: Delivery, delay_ms: int = 0) -> None:
        """Have it handed out again, to anyone, after a time."""
        ...

    async def close(self) -> None:
        """Give back what was taken and not acknowledged."""
        ...


class Topics(Protocol):
    """Records for whoever listens: each group gets each record at least once.

    What is taken and not acknowledged in time is handed out again. A new group begins with the
    oldest record that is kept. Any call raises the errors of the broker itself where that fails.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this broker does beyond the contract."""
        ...

    async def create(self, topic: str) -> None:
        """Make a topic; one that is there stays as it is. Raises ValueRefused for its name."""
        ...

    async def delete(self, topic: str) -> None:
        """Delete a topic, its records, and the places of its groups; without one do nothing."""
        ...

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Publish all records or none; when it returns they are as safe as the broker makes them.

        Raises NotFound for an unknown topic, LimitExceeded for a record that is too large and for
        a topic that is full, ValueRefused for a key or id that cannot be kept.
        """
        ...

    async def consume(self, topic: str, group: str, *, ack_wait_ms: int = ACK_WAIT_MS) -> Consumer:
        """Join the consumers of a group. Raises NotFound, and ValueRefused for a group's name."""
        ...


class Arrival(Struct, frozen=True):
    """An event of whoever published it, with its `data` as JSON; `version` is 0 where it does not
    say in which shape that is: then it is that of today."""

    source: str
    id: str
    topic: str
    data: bytes
    version: int = 0
    correlation: str = ""
    causation: str = ""
    trace: str = ""
    hops: int = 0
    deadline: int = 0


class Wire(Protocol):
    """How events are records of topics."""

    def record(self, event: Event) -> Record:
        """Return an event as a record. Raises ValueRefused, and LimitExceeded."""
        ...

    def read(self, record: Record) -> list[Arrival]:
        """Return the events of a record. Raises ValueRefused, and LimitExceeded."""
        ...


def check_name(kind: str, name: str) -> None:
    """Raise ValueRefused for the name of a topic or group that some broker would not take."""
    if not NAME.fullmatch(name):
        raise ValueRefused(
            f"A {kind} cannot have this name.",
            found=f"{name[:40]!a}, {len(name)} characters",
            expected="1 to 200 letters, digits, dots, underscores and hyphens",
            do=f"choose another name for the {kind}",
        )


def check_record(record: Record, bytes_max: int) -> None:
    """Raise ValueRefused or LimitExceeded for a record that could not come back as it is."""
    for kind, text in (("key", record.key), ("id", record.id)):
        if not _is_text(text) or "\0" in text or len(text.encode()) > RECORD_KEY_BYTES_MAX:
            raise ValueRefused(
                f"The {kind} of a record cannot be kept.",
                found=f"{text[:40]!a}, {len(text)} characters",
                expected=f"at most {RECORD_KEY_BYTES_MAX} bytes of UTF-8, without NUL",
                do=f"choose another {kind}",
            )
    for text in (*record.headers, *record.headers.values()):
        if not _is_text(text):
            raise ValueRefused(
                "A header of a record cannot be kept.",
                found=f"{text[:40]!a}",
                expected="text without lone surrogates",
                do="encode it",
            )
    if record.size > bytes_max:
        raise LimitExceeded(
            "A record is too large for the broker.",
            found=f"{record.size:,} bytes",
            expected=f"at most {bytes_max:,}",
            do="publish a reference to the value instead",
        )


def unknown_topic(topic: str, known: Sequence[str]) -> NotFound:
    """Return the error for a topic that is not there."""
    return NotFound.named("topic", topic, known, do="create it first")


def full_topic(topic: str, records_max: int) -> LimitExceeded:
    """Return the error for a topic whose consumers are too far behind."""
    return LimitExceeded(
        f"The topic `{topic}` is full.",
        found=f"{records_max:,} records that are not handled by every group",
        expected="consumers that keep up",
        do="publish again later, or delete the topic if nobody reads it",
    )


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
