"""A rival's server: found, started on a free port of the loopback, stopped by its process."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.rivals.environment import CACHE

START_WITHIN_S = 60
STOP_WITHIN_S = 20


def find(name: str) -> Path | None:
    """Return the binary on PATH, in Go's directory or where the build scripts put it."""
    directories = [os.environ.get("PATH", ""), *_go_bins(), str(CACHE / "bin")]
    found = shutil.which(name, path=os.pathsep.join(directories))
    return None if found is None else Path(found)


def _go_bins() -> list[str]:
    paths = os.environ.get("GOPATH", str(Path.home() / "go")).split(os.pathsep)
    bins = [str(Path(path) / "bin") for path in paths if path]
    return [os.environ["GOBIN"], *bins] if os.environ.get("GOBIN") else bins


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int, directory: Path) -> Generator[str]:
    """Run a server in `directory` and yield its address. Raises RuntimeError where it fails."""
    log = directory / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=directory)
    try:
        _wait_until_open(port, server, log)
        yield f"127.0.0.1:{port}"
    finally:
        _stop(server, command[0])


def _wait_until_open(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + START_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if server.poll() is not None or time.monotonic() > give_up_at:
                tail = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the server did not start:\n{tail}") from error
        time.sleep(0.1)


def _stop(server: subprocess.Popen[bytes], name: str) -> None:
    server.terminate()
    try:
        server.wait(timeout=STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        print(f"bench: {name} does not stop; killing it", file=sys.stderr)
        server.kill()
        server.wait()
