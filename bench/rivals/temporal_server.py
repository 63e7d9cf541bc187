"""Temporal's development server: found, started on a free loopback port, then stopped."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bench.rivals.environment import CACHE

START_WITHIN_S = 60
STOP_WITHIN_S = 20

SETTINGS = (
    # Polls of the transfer queue per second: the default, 20, throttles a sequence to 9 steps/s.
    *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"),
    # The default is a rollback journal; WAL with an fsync per commit is 1.3 to 2 times as fast.
    *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=FULL"),
    *("--headless", "--log-level", "error"),
)


def find() -> Path | None:
    """Return the binary on PATH, in Go's directory or where build_temporal.sh puts it."""
    directories = [os.environ.get("PATH", ""), *_go_bins(), str(CACHE / "bin")]
    found = shutil.which("temporal", path=os.pathsep.join(directories))
    return None if found is None else Path(found)


def _go_bins() -> list[str]:
    paths = os.environ.get("GOPATH", str(Path.home() / "go")).split(os.pathsep)
    bins = [str(Path(path) / "bin") for path in paths if path]
    return [os.environ["GOBIN"], *bins] if os.environ.get("GOBIN") else bins


@contextmanager
def running(binary: Path, directory: Path) -> Generator[str]:
    """Run a server whose store is a file in `directory` and yield its address."""
    port = _free_port()
    command = [
        *(str(binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)),
        *("--db-filename", str(directory / "temporal.sqlite"), *SETTINGS),
    ]
    log = directory / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=directory)
    try:
        _wait_until_open(port, server, log)
        yield f"127.0.0.1:{port}"
    finally:
        _stop(server)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + START_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if server.poll() is not None or time.monotonic() > give_up_at:
                tail = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"Temporal's server did not start:\n{tail}") from error
        time.sleep(0.1)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(timeout=STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        print("bench: Temporal's server does not stop; killing it", file=sys.stderr)
        server.kill()
        server.wait()
