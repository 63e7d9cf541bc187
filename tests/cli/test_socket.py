"""A running app is asked through the socket beside its store, by other processes."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from duetto.operations.requests import REQUEST_BYTES_MAX
from duetto.operations.sockets import address_of
from tests.cli.conftest import Project

HOLDER = """
import asyncio, sys
from {module} import Order, app, fulfil, wait

async def main():
    app.configure(store=sys.argv[1])
    async with app:
        await app.start_async(wait, Order("o1"), id="w1")
        await app.run_async(fulfil, Order("o2"), id="f1")
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@contextmanager
def held(project: Project, store: Path) -> Generator[subprocess.Popen[str]]:
    """Run the app in another process, with a run that sleeps and one that has ended."""
    project.write("holder.py", HOLDER.format(module=project.module))
    command = [sys.executable, "holder.py", str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=project.folder)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def socket_of(store: Path) -> Path:
    return store.with_name(store.name + "-socket")


def said(file: Path, line: bytes) -> Any:
    """Return the reply to a raw line."""
    with socket.socket(socket.AF_UNIX) as raw:
        with address_of(file) as address:
            raw.connect(address)
        raw.settimeout(60)
        with suppress(ConnectionError):  # refused before all of it was sent
            raw.sendall(line)
        with raw.makefile("rb") as replies:
            return json.loads(replies.readline())


def test_a_running_app_answers_and_acts(project: Project) -> None:
    store = project.folder / "shop.sqlite"
    with held(project, store):
        assert {run["id"] for run in project.lines("runs", "list")} == {"w1", "f1"}
        assert project.json("runs", "show", "f1")["run"]["result"] == "paid 1"
        assert len(project.lines("runs", "explain", "w1")) == 1
        assert project.lines("runs", "history", "f1")
        found = project.json("runs", "cancel", "w1")
        assert found["running"]
        assert "no app runs here" not in project.duetto("runs", "restart", "f1").stdout
        assert "did you mean `w1`?" in project.duetto("runs", "show", "w11", code=3).stderr
        # Cancelling compensates in the running app, at once.
        outcomes = (project.json("runs", "show", "w1")["run"]["status"] for _ in range(500))
        assert "cancelled" in outcomes


def test_the_store_of_a_running_app_is_not_taken(project: Project) -> None:
    with held(project, project.folder / "shop.sqlite") as process:
        said = project.duetto("store", "open", "--accept-loss", code=5).stderr
        assert f"owned by process {process.pid}" in said
        project.duetto("store", "backup", "copy.sqlite")
        assert len(project.lines("runs", "list", "--store", "copy.sqlite")) == 2


def test_the_socket_is_for_its_user_only_and_goes_with_the_app(project: Project) -> None:
    store = project.folder / "shop.sqlite"
    with held(project, store):
        assert stat.S_IMODE(socket_of(store).stat().st_mode) == 0o600
    project.orders(1)
    project.duetto("run", "fulfil", "--input", "orders.jsonl")
    assert not socket_of(store).exists()


def test_a_socket_left_by_a_kill_is_replaced(project: Project) -> None:
    store = project.folder / "shop.sqlite"
    with held(project, store):
        pass
    assert socket_of(store).exists()
    assert project.json("runs", "show", "w1")["run"]["status"] == "running"
    assert not project.json("runs", "retry", "w1")["running"]
    with held(project, store):
        assert project.json("runs", "retry", "w1")["running"]


def test_a_store_deep_in_folders_is_reached(project: Project) -> None:
    folder = project.folder.joinpath(*("a-folder-with-a-long-name" for _ in range(6)))
    folder.mkdir(parents=True)
    store = folder / "shop.sqlite"
    assert len(str(store)) > 108
    with held(project, store):
        found = project.json("runs", "retry", "w1", "--store", str(store))
        assert found["running"]


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        b"nothing\n",
        b"\xff\xfe\n",
        b'{"operation": "eval", "id": "x"}\n',
        b'{"operation": "show"}\n',
        b'{"operation": "show", "id": "x", "more": 1}\n',
        b'{"operation": "show", "id": 3}\n',
        b"[" * 10_000 + b"\n",
    ],
)
def test_what_is_no_request_is_refused(project: Project, line: bytes) -> None:
    store = project.folder / "shop.sqlite"
    with held(project, store):
        refused = said(socket_of(store), line)
        assert refused["error"] == "NotAllowed"
        named = refused["expected"].removeprefix("one of: ").split(", ")
        assert {"cancel", "explain", "publish", "lineage"} <= {*named}
        assert project.json("runs", "show", "f1")["run"]["status"] == "completed"


def test_a_line_without_end_is_refused(project: Project) -> None:
    store = project.folder / "shop.sqlite"
    with held(project, store):
        refused = said(socket_of(store), b" " * (REQUEST_BYTES_MAX * 2) + b"\n")
        assert refused["error"] == "LimitExceeded"
        assert project.json("runs", "show", "f1")["run"]["status"] == "completed"
