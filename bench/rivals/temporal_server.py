"""Temporal's development server: its settings, and how it is found and run."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bench.rivals import server

SETTINGS = (
    # Polls of the transfer queue per second: the default, 20, throttles a sequence to 9 steps/s.
    *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"),
    # The default is a rollback journal; WAL with an fsync per commit is 1.3 to 2 times as fast.
    *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=FULL"),
    *("--headless", "--log-level", "error"),
)


def find() -> Path | None:
    """Return the binary, or None where there is none."""
    return server.find("temporal")


@contextmanager
def running(binary: Path, directory: Path) -> Generator[str]:
    """Run a server whose store is a file in `directory` and yield its address."""
    port = server.free_port()
    command = [
        *(str(binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)),
        *("--db-filename", str(directory / "temporal.sqlite"), *SETTINGS),
    ]
    with server.running(command, port, directory) as address:
        yield address
