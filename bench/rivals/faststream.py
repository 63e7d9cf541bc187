"""FastStream on NATS JetStream: the events of `bench.events`, with its best settings that we found.

- A server of its own for each round, on a free port of the loopback, its streams in files. With
  `sync_interval: always` a message is acknowledged after its fsync, as an event of Duetto's is; it
  is the most that JetStream offers. By default it syncs every two minutes, and a power cut loses
  what came since: that is measured too.
- One process publishes and handles, on uvloop, with msgspec for serializer. It publishes as many
  at a time as Duetto does in a commit, and has as many in each handler's hands: a durable pull
  consumer with explicit acknowledgement, after the handler and behind what it published. So the
  order within a key is lost, and a crash handles some events again; Duetto keeps the one and
  takes back the other.
- It ends when the server has every acknowledgement. Their own records (the state of a consumer)
  JetStream writes later, whatever is set.

Tried and not better: push consumers with as many workers (chain of four: half as fast). Needed: a
longer timeout than half a second, which a hundred syncs can take.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from bench.rivals import child, environment, server

SYNCED, UNSYNCED = "always", "2m"
"""Values of `sync_interval`: after every message, and the server's default."""

CONFIGURATION = """\
host: 127.0.0.1
port: {port}
jetstream {{ store_dir: "{store}", sync_interval: {sync} }}
"""


class Took(Struct):
    """Seconds of a round, and of the client's CPU; the server's is not in it."""

    seconds: float
    cpu: float


def round_of(stages: int, events: int, at_once: int, *, sync: str, directory: Path) -> Took | None:
    """Return what a round took, or None where the server or the package is absent.

    Raises RivalFailed where it is there and gives no figure, RuntimeError where it does not start.
    """
    binary = server.find("nats-server")
    if binary is None:
        return None
    python = environment.python_of("faststream")
    if python is None:
        return None
    with TemporaryDirectory(prefix="nats-", dir=directory) as data:
        folder, port = Path(data), server.free_port()
        with server.running(_command(binary, folder, port, sync), port, folder) as address:
            answer = child.answer_of(
                python,
                "faststream_child.py",
                *("--stages", str(stages), "--events", str(events), "--at-once", str(at_once)),
                *("--address", f"nats://{address}"),
                directory=folder,
                within_s=child.ALLOWANCE_S,
            )
    return Took(answer["seconds"], answer["cpu"])


def _command(binary: Path, folder: Path, port: int, sync: str) -> Sequence[str]:
    file = folder / "nats.conf"
    file.write_text(CONFIGURATION.format(port=port, store=folder / "streams", sync=sync), "utf-8")
    return [str(binary), "--config", str(file)]
