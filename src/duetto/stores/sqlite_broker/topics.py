"""Topics as rows: each group's place in them, and what it has in hand. Runs in the thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from duetto.broker import Delivery, Record, full_topic, unknown_topic
from duetto.stores.sqlite.database import Cursor
from duetto.stores.sqlite.statements import statements
from duetto.stores.sqlite_broker.file import PACKAGE
from duetto.stores.sqlite_broker.mail import now_ms

SQL = statements("topics", PACKAGE)

RECORDS_MAX = 1_000_000
"""Records of one topic: a publisher waits for consumers that are further behind."""
PENDING_MAX = 1_000
"""Records that a group has looked at and not acknowledged: each look goes through them."""


class Group(NamedTuple):
    """A group of consumers: its row, its place, and its topic's row."""

    id: int
    position: int
    topic: int


def create(cursor: Cursor, topic: str) -> None:
    """Make a topic; one that is there stays as it is."""
    cursor.execute(SQL["create"], {"name": topic})


def delete(cursor: Cursor, topic: str) -> None:
    """Delete a topic with all that belongs to it."""
    for id, _ in cursor.execute(SQL["topic"], {"name": topic}).fetchall():
        for statement in ("delete_pending", "delete_groups", "delete_records", "delete_topic"):
            cursor.execute(SQL[statement], {"topic": id})


def publish(cursor: Cursor, topic: str, records: Sequence[Record]) -> None:
    """Append records to a topic. Raises NotFound and LimitExceeded."""
    id, kept = _topic(cursor, topic)
    if (beyond := kept + len(records) - RECORDS_MAX) > 0:
        read = settled(cursor, id, beyond)
        if len(read) < beyond:
            raise full_topic(topic, RECORDS_MAX)
        forget(cursor, id, read)
    now, added = now_ms(), 0
    for record in records:
        row = {
            "topic": id,
            "now": now,
            "key": record.key,
            "name": record.id,
            "headers": msgspec.msgpack.encode(record.headers),
            "body": record.body,
        }
        added += len(cursor.execute(SQL["publish"], row).fetchall())
    cursor.execute(SQL["grow"], {"topic": id, "by": added})


def join(cursor: Cursor, topic: str, group: str) -> None:
    """Make a group of a topic where there is none. Raises NotFound."""
    cursor.execute(SQL["join"], {"topic": _topic(cursor, topic)[0], "name": group})


def _topic(cursor: Cursor, topic: str) -> tuple[int, int]:
    """Return the number of a topic, and how many records it has. Raises NotFound."""
    found = cursor.execute(SQL["topic"], {"name": topic}).fetchall()
    if not found:
        raise unknown_topic(topic, [name for (name,) in cursor.execute(SQL["names"]).fetchall()])
    ((id, records),) = found
    return id, records


# -- consuming


def may_take(cursor: Cursor, topic: str, group: str) -> bool:
    """Look, writing nothing, whether a consumer would get something, or could look further."""
    found = cursor.execute(SQL["group"], {"topic": topic, "group": group}).fetchall()
    if not found:
        return False
    here = Group(*found[0])
    if here.id is None:  # pyright: ignore[reportUnnecessaryComparison]  # an outer join gives it
        return True
    return bool(_eligible(cursor, here.id, 1)) or bool(_following(cursor, here, 1))


def take(cursor: Cursor, topic: str, group: str, limit: int, wait_ms: int) -> list[Delivery]:
    """Hand out up to `limit` records; none where the topic is not there, or nothing is."""
    asked = {"topic": topic, "group": group}
    found = cursor.execute(SQL["group"], asked).fetchall()
    if found and found[0][0] is None:
        join(cursor, topic, group)
        found = cursor.execute(SQL["group"], asked).fetchall()
    if not found:
        return []
    here = Group(*found[0])
    eligible = _eligible(cursor, here.id, limit)
    while len(eligible) < limit and (ahead := _following(cursor, here, limit)):
        _look_at(cursor, here, ahead)
        here = here._replace(position=ahead[-1][0])
        eligible = _eligible(cursor, here.id, limit)
    return [_hand_out(cursor, here.id, *each, wait_ms) for each in eligible]


def _eligible(cursor: Cursor, group: int, limit: int) -> list[tuple[int, int]]:
    asked = {"grp": group, "now": now_ms(), "limit": limit}
    return [(record, count) for record, count in cursor.execute(SQL["eligible"], asked).fetchall()]


def _following(cursor: Cursor, group: Group, limit: int) -> list[tuple[int, str]]:
    """Return what the group has not looked at yet, as far as it may."""
    ((pending,),) = cursor.execute(SQL["pending"], {"grp": group.id}).fetchall()
    room = min(limit, PENDING_MAX - pending)
    if room <= 0:
        return []
    asked = {"topic": group.topic, "position": group.position, "limit": room}
    return [(record, key) for record, key in cursor.execute(SQL["following"], asked).fetchall()]


def _look_at(cursor: Cursor, group: Group, ahead: list[tuple[int, str]]) -> None:
    rows = [{"grp": group.id, "record": record, "key": key} for record, key in ahead]
    cursor.executemany(SQL["look_at"], rows)
    cursor.execute(SQL["advance"], {"grp": group.id, "position": ahead[-1][0]})


def _hand_out(cursor: Cursor, group: int, record: int, count: int, wait_ms: int) -> Delivery:
    now = now_ms()
    asked = {"grp": group, "record": record, "now": now, "due": now + wait_ms}
    cursor.execute(SQL["hand_out"], asked)
    ((body, key, headers, name),) = cursor.execute(SQL["record"], {"record": record}).fetchall()
    kept = Record(body, key, msgspec.msgpack.decode(headers, type=dict[str, str]), name)
    return Delivery(kept, count + 1, (group, record, count + 1))


def ack(cursor: Cursor, tickets: Sequence[tuple[int, ...]]) -> None:
    """Settle what is handled; what is settled already, or gone with its topic, stays so."""
    rows = [{"grp": group, "record": record} for group, record, _ in tickets]
    cursor.executemany(SQL["ack"], rows)


def retry(cursor: Cursor, tickets: Sequence[tuple[int, ...]], delay_ms: int) -> None:
    """Have records handed out again; who has got one meanwhile keeps it."""
    now = now_ms()
    cursor.executemany(
        SQL["retry"],
        [
            {"grp": group, "record": record, "count": count, "now": now, "due": now + delay_ms}
            for group, record, count in tickets
        ],
    )


# -- retention


def purge(cursor: Cursor, before: int, limit: int) -> None:
    """Delete the oldest records that were published before an instant, whoever has read them."""
    for (topic,) in cursor.execute(SQL["topics"]).fetchall():
        asked = {"topic": topic, "before": before, "limit": limit}
        forget(cursor, topic, [id for (id,) in cursor.execute(SQL["old"], asked).fetchall()])


def settled(cursor: Cursor, topic: int, limit: int) -> list[int]:
    """Return the oldest records that every group has acknowledged."""
    found = cursor.execute(SQL["settled"], {"topic": topic, "limit": limit}).fetchall()
    return [id for (id,) in found]


def forget(cursor: Cursor, topic: int, records: list[int]) -> None:
    """Delete records."""
    rows = [{"topic": topic, "record": record} for record in records]
    if rows:
        cursor.executemany(SQL["forget_pending"], rows)
        cursor.executemany(SQL["forget"], [{"record": record} for record in records])
        cursor.execute(SQL["grow"], {"topic": topic, "by": -len(records)})
