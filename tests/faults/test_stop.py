"""F32: SIGTERM lets what runs end, for so long; then the process exits, and a restart goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest

from duetto import App
from tests.faults.apps import an_app
from tests.faults.lingering import LINGER_S, clerk, visit
from tests.faults.trade import TRACE

ROOT = Path(__file__).parents[2]

TERMINATED = 128 + signal.SIGTERM

VISIT = """
import sys
import duetto.app
from tests.faults.test_stop import an_app_of_visits, visit

duetto.app.STOP_S = float(sys.argv[2])
print(an_app_of_visits(sys.argv[1]).run(visit, "anna", id="r"))
"""


def an_app_of_visits(path: str | Path) -> App:
    return an_app(path, services=[clerk], workflows=[visit])


def stopped(path: Path, *, linger_s: float, stop_s: float) -> tuple[int, str, float]:
    """Send SIGTERM while the task runs; return exit code, output, and the seconds it then took."""
    process = subprocess.Popen(
        [sys.executable, "-c", VISIT, str(path), str(stop_s)],
        cwd=ROOT,
        env={**os.environ, LINGER_S: str(linger_s)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said, time.monotonic() - begun


def test_what_runs_at_a_sigterm_ends_and_its_result_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trade.sqlite"
    assert stopped(path, linger_s=0.2, stop_s=30)[:2] == (TERMINATED, "ended\n")
    monkeypatch.setenv(LINGER_S, "0")
    assert an_app_of_visits(path).run(visit, "anna", id="r") == "anna has left"
    assert TRACE.done == ["leave"]


def test_what_takes_longer_than_the_deadline_is_cut_off_and_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trade.sqlite"
    code, said, seconds = stopped(path, linger_s=600, stop_s=0.1)
    assert (code, said) == (TERMINATED, "")
    assert 0.1 <= seconds < 30
    monkeypatch.setenv(LINGER_S, "0")
    assert an_app_of_visits(path).run(visit, "anna", id="r") == "anna has left"
    assert TRACE.done == ["linger", "leave"]


def test_the_shop_is_stopped_and_resumed(tmp_path: Path) -> None:
    """Every order ends as it would have, and no effect is there twice."""
    orders, data = tmp_path / "orders.csv", tmp_path / "data"
    shipped = files("duetto.examples.shop").joinpath("orders.csv").read_text("utf-8")
    orders.write_text("".join(shipped.splitlines(keepends=True)[:200]), encoding="utf-8")
    process = shop(orders, data, task_ms=100)
    while process.poll() is None and not size(data):
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == TERMINATED
    before = ledger(data)
    again = shop(orders, data, task_ms=0)
    said, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    figures = json.loads(said)
    assert figures["completed"] + sum(figures["failed"].values()) == figures["orders"] > 5
    after = ledger(data)
    assert after[: len(before)] == before
    assert len(set(after)) == len(after) > len(before)


def shop(orders: Path, data: Path, *, task_ms: int) -> subprocess.Popen[str]:
    """Start the shop's command."""
    options = ("--placement", "orchestration", "--data", str(data), "--task-ms", str(task_ms))
    return subprocess.Popen(
        [sys.executable, "-m", "duetto.examples.shop", "run", str(orders), *options, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def size(data: Path) -> int:
    """Return how many bytes the inventory's ledger has."""
    file = data / "ledgers" / "inventory.jsonl"
    return file.stat().st_size if file.exists() else 0


def ledger(data: Path) -> list[str]:
    """Return the keys of the effects in the inventory, in their order."""
    lines = (data / "ledgers" / "inventory.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["operation"] + json.loads(line)["key"] for line in lines]
