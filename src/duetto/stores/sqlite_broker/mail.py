"""Messages between participants, as rows: posted, handed over, settled, collected."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from duetto.errors import DuettoError
from duetto.stores.sqlite.database import Cursor
from duetto.stores.sqlite.statements import statements
from duetto.stores.sqlite_broker.file import PACKAGE
from duetto.stores.sqlite_broker.worker import Job

SQL = statements("mail", PACKAGE)

MESSAGE_WAIT_MS = 5_000
"""A message that is not acknowledged is handed over again: ten times what an arrival is held."""
IN_HAND_MAX = 1_000
"""Messages that were handed over and not acknowledged: a receiver is not given more than that."""
UNASKED_MS = 3_600_000
"""How long it is kept that a message arrived whose sender is gone: it may come back and ask."""


class Letter(NamedTuple):
    """A message that was handed over: its row, and its bytes."""

    id: int
    data: bytes


class Post(NamedTuple):
    """What was handed over, and the (recipient, name) of what the receivers have committed."""

    letters: list[Letter]
    settled: list[tuple[str, str]]


class Mail:
    """The messages of one connection. Everything here runs in the worker's thread."""

    closed = False

    def __init__(self, me: str, found: Callable[[Post], None]) -> None:
        self._me, self._found = me, found
        self._heard: set[str] = set()
        self._in_hand: dict[int, int] = {}
        """Until when a message that was handed over is waited for, by its row."""

    # -- jobs

    def post(self, cursor: Cursor, to: str, name: str, data: bytes) -> None:
        """Post a message, or take over what is told of the one that is under way."""
        row = {"to": to, "name": name, "sender": self._me, "now": now_ms(), "data": data}
        cursor.execute(SQL["post"], row)

    def hear(self, cursor: Cursor, participant: str) -> None:
        """Receive for a participant from now on, also what its former receiver had in hand."""
        cursor.execute(SQL["hear"], {"participant": participant, "holder": self._me})
        cursor.execute(SQL["hand_back"], {"participant": participant})
        self._heard.add(participant)

    def stop_hearing(self, cursor: Cursor, participant: str) -> None:
        """Leave its messages to whoever comes next."""
        cursor.execute(SQL["stop_hearing"], {"participant": participant, "holder": self._me})
        self._heard.discard(participant)

    def settle(self, cursor: Cursor, id: int) -> None:
        """Note that the receiver has committed a message."""
        cursor.execute(SQL["settle"], {"id": id})
        self._in_hand.pop(id, None)

    # -- looking

    def is_ready(self, cursor: Cursor) -> bool:
        """Look whether a message waits, or one of ours has been settled."""
        if cursor.execute(SQL["is_settled"], {"sender": self._me}).fetchall():
            return True
        return self._room() > 0 and any(self._waiting(cursor, each, 1) for each in self._heard)

    def job(self) -> Job[Post]:
        """Return the job that hands over and collects."""
        return Job(self._turn, self._tell)

    def fail(self, error: DuettoError) -> None:
        """Nothing is lost: the senders send again."""

    def _turn(self, cursor: Cursor) -> Post:
        settled = cursor.execute(SQL["collect"], {"sender": self._me}).fetchall()
        letters: list[Letter] = []
        for participant in sorted(self._heard):
            waiting = self._waiting(cursor, participant, self._room())
            letters += [self._hand_over(cursor, id) for id in waiting]
        return Post(letters, [(to, name) for to, name in settled])

    def _hand_over(self, cursor: Cursor, id: int) -> Letter:
        now = now_ms()
        times = {"id": id, "now": now, "due": now + MESSAGE_WAIT_MS}
        ((data,),) = cursor.execute(SQL["hand_over"], times).fetchall()
        self._in_hand[id] = times["due"]
        return Letter(id, data)

    def _waiting(self, cursor: Cursor, participant: str, limit: int) -> list[int]:
        asked = {
            "participant": participant,
            "holder": self._me,
            "now": now_ms(),
            "limit": limit,
        }
        return [id for (id,) in cursor.execute(SQL["waiting"], asked).fetchall()]

    def _room(self) -> int:
        """Return how many more may be handed over; what was long in hand is so no more."""
        if len(self._in_hand) >= IN_HAND_MAX:
            now = now_ms()
            self._in_hand = {id: due for id, due in self._in_hand.items() if due > now}
        return IN_HAND_MAX - len(self._in_hand)

    def _tell(self, post: Post | DuettoError) -> None:
        if not isinstance(post, DuettoError):
            self._found(post)


def purge(cursor: Cursor, before: int, limit: int) -> None:
    """Delete what nobody asks for any more; its sender has it, and sends it again."""
    cursor.execute(SQL["purge_old"], {"before": before, "limit": limit})
    cursor.execute(SQL["purge_unasked"], {"before": now_ms() - UNASKED_MS, "limit": limit})


def now_ms() -> int:
    """Return the instant by the clock that all processes of the machine share."""
    return time.time_ns() // 1_000_000
