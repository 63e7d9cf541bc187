"""`duetto store …` and `duetto doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from duetto.cli import doctor
from duetto.stores.sqlite.connection import connect
from tests.cli.conftest import Project


@pytest.fixture
def used(project: Project) -> Project:
    """A project whose store has a run."""
    project.orders(1)
    project.duetto("run", "fulfil", "--input", "orders.jsonl")
    return project


def findings(project: Project, *args: str, code: int = 0) -> dict[str, dict[str, str]]:
    said = project.duetto("doctor", "--json", *args, code=code).stdout
    return {one["name"]: one for one in map(json.loads, said.splitlines())}


def test_a_backup_is_a_store(used: Project) -> None:
    found = used.json("store", "backup", "copy.sqlite")
    assert found["bytes"] == (used.folder / "copy.sqlite").stat().st_size
    assert [run["id"] for run in used.lines("runs", "list", "--store", "copy.sqlite")] == ["o1"]


def test_a_backup_replaces_nothing(used: Project) -> None:
    used.write("copy.sqlite", "mine")
    assert "copy.sqlite exists" in used.duetto("store", "backup", "copy.sqlite", code=5).stderr
    assert (used.folder / "copy.sqlite").read_text() == "mine"


def test_a_store_of_today_needs_no_upgrade(used: Project) -> None:
    assert used.lines("store", "plan") == []
    assert "the store had the newest layout" in used.duetto("store", "upgrade").stdout


@pytest.mark.parametrize("command", ["backup", "plan", "upgrade", "open"])
def test_a_missing_store_is_named(project: Project, command: str) -> None:
    args = ("copy.sqlite",) if command == "backup" else ()
    said = project.duetto("store", command, *args, code=3).stderr
    assert "There is no store" in said
    assert not (project.folder / "shop.sqlite").exists()


def test_a_store_of_a_newer_version_is_left_alone(used: Project) -> None:
    file = connect(used.folder / "shop.sqlite", write=True)
    file.pragma("user_version", 999)
    file.close()
    assert "newer version" in used.duetto("runs", "list", code=5).stderr
    assert findings(used, code=1)["store"]["state"] == "fail"


def test_what_is_no_store_is_refused(project: Project) -> None:
    project.write("shop.sqlite", "not a database at all, but a text of some length\n" * 50)
    for command in (("runs", "list"), ("store", "plan"), ("store", "open")):
        assert "expected" in project.duetto(*command, code=5).stderr


def test_a_loss_is_accepted_once(used: Project) -> None:
    store = used.folder / "shop.sqlite"
    used.duetto("store", "backup", "before.sqlite")
    used.orders(1, 1, 1)
    used.duetto("run", "fulfil", "--input", "orders.jsonl")
    store.write_bytes((used.folder / "before.sqlite").read_bytes())
    for name in ("shop.sqlite-wal", "shop.sqlite-shm"):
        (used.folder / name).unlink(missing_ok=True)
    assert "--accept-loss" in used.duetto("runs", "list", code=5).stderr
    used.duetto("store", "open", code=5)
    used.duetto("store", "open", "--accept-loss")
    assert [run["id"] for run in used.lines("runs", "list")] == ["o1"]


def test_a_run_may_accept_a_loss(used: Project) -> None:
    (used.folder / "shop.sqlite").unlink()
    for name in ("shop.sqlite-wal", "shop.sqlite-shm"):
        (used.folder / name).unlink(missing_ok=True)
    args = ("run", "fulfil", "--input", "orders.jsonl")
    assert "--accept-loss" in used.duetto(*args, code=5).stderr
    assert used.json(*args, "--accept-loss")["completed"] == 1


def test_a_healthy_project_passes(used: Project) -> None:
    found = findings(used)
    assert {"python", "apsw", "msgspec", "app", "sync", "store", "owner", "runs"} <= found.keys()
    assert "fail" not in {one["state"] for one in found.values()}
    assert found["owner"]["text"] == "nobody"
    assert "no:" not in used.duetto("doctor").stdout


def test_a_project_without_store_or_app_is_looked_at_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "does not exist yet" in findings(project)["store"]["text"]
    (project.folder / "pyproject.toml").unlink()
    found = findings(project, code=1)
    assert found["app"]["state"] == "fail"
    assert "No app is named." in found["app"]["text"]


def test_a_folder_on_a_network_is_warned_of(used: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_nfs(path: Path) -> str:
        return "nfs4"

    monkeypatch.setattr(doctor, "file_system", on_nfs)
    assert findings(used)["disk"]["state"] == "warn"
