"""FastStream stands beside Duetto's events where its server is, and as null where it is not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bench import events
from bench.rivals import environment, faststream, server
from bench.rivals.faststream import Took


def test_without_a_server_the_rival_is_null_and_nothing_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(rival: str) -> Path | None:
        raise AssertionError(f"{rival} is installed for nothing")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GOPATH", str(tmp_path))
    monkeypatch.delenv("GOBIN", raising=False)
    monkeypatch.setattr(server, "CACHE", tmp_path)
    monkeypatch.setattr(environment, "python_of", never)
    took = events.rival(1, 10, faststream.SYNCED, tmp_path)
    found = events.figures_of([events.Round(2.0, 1.0, 1.0, 100, synced=took)])
    assert found["events_per_s"] == 50
    assert found["faststream_per_s"] is None
    assert found["times_faststream"] is None


def test_a_rival_is_compared_within_its_round() -> None:
    found = events.figures_of(
        [
            events.Round(1.0, 1.0, 1.0, 100, synced=Took(4.0, 0.5)),
            events.Round(10.0, 1.0, 1.0, 100, synced=Took(50.0, 0.5)),
            events.Round(2.0, 1.0, 1.0, 100),
        ]
    )
    assert found["times_faststream"] == 4.5
    assert found["faststream_us_cpu_per_event"] == 5000.0
    assert found["faststream_unsynced_per_s"] is None


SERVER = """#!{python}
import pathlib, re, socket, sys
text = pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text()
pathlib.Path({seen!r}).write_text(text)
if "refuse" in text:
    sys.exit("no such setting")
listening = socket.create_server(("127.0.0.1", int(re.search(r"port: (\\d+)", text)[1])))
while True:
    listening.accept()[0].close()
"""


def python_of(rival: str) -> Path | None:
    """Return our own interpreter, instead of installing anything."""
    return Path(sys.executable)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a server on PATH that only listens; return where it writes its configuration."""
    binary, seen = tmp_path / "nats-server", tmp_path / "seen"
    binary.write_text(SERVER.format(python=sys.executable, seen=str(seen)), "utf-8")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    monkeypatch.setattr(environment, "python_of", python_of)
    return seen


def test_the_server_syncs_each_message_on_the_loopback(
    tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = "import json; print(json.dumps({'seconds': 2, 'cpu': 1}))"
    (tmp_path / "children").mkdir()
    (tmp_path / "children" / "faststream_child.py").write_text(child, "utf-8")
    monkeypatch.setattr(faststream.child, "HERE", tmp_path)
    took = faststream.round_of(1, 10, 5, sync=faststream.SYNCED, directory=tmp_path)
    assert took == Took(2.0, 1.0)
    text = seen.read_text("utf-8")
    assert "host: 127.0.0.1" in text
    assert "sync_interval: always" in text
    assert str(tmp_path) in json.loads(text.partition("store_dir: ")[2].partition(",")[0])


def test_a_server_that_does_not_start_is_told_and_null(
    tmp_path: Path, seen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert events.rival(1, 10, "refuse", tmp_path) is None
    assert seen.exists()
    assert "no such setting" in capsys.readouterr().err
