"""A store knows the definition of every token that rests in it, whichever came first."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto import App, Service, workflow
from duetto.kernel import journal
from duetto.model.record import Started
from duetto.store import Query
from duetto.stores.sqlite import SqliteStore

post = Service("post")


@post.task
async def stamp(letter: str) -> str:
    return f"{letter}, stamped"


@workflow
async def wrap(letter: str) -> str:
    return await stamp(letter)


@workflow
async def send(letter: str) -> str:
    wrapped = await wrap(letter)
    return await stamp(wrapped)


async def test_a_callee_may_come_before_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "store", str(tmp_path / "post.sqlite"))
    async with App(
        "mail",
        services=[post],
        workflows=[send],
        placement="choreography",
        store=tmp_path / "mail.sqlite",
    ) as app:
        assert await app.run_async(send, "a letter") == "a letter, stamped, stamped"
    store = SqliteStore.open(tmp_path / "post.sqlite", read_only=True)
    records = [
        journal.record(data) for row in store.runs(Query()) for data in store.journal(row.rid)
    ]
    came = [record.token.definition for record in records if isinstance(record, Started)]
    assert len(set(came)) == 2, "the callee's token came, and then its caller's"
    assert all(store.definition(digest) is not None for digest in came)
    store.close()
