"""Workflows that an event starts: one event starts one run, once (PROTOCOL, rule 37)."""

from __future__ import annotations

from hashlib import sha256

from duetto.model.event import Event
from duetto.runtime import runs
from duetto.runtime.host import Host
from duetto.runtime.kinds import Kind

ID_BYTES = 12


def run_id(workflow: str, event: str) -> str:
    """Return the id of the run that an event, by its name, starts of a workflow."""
    return f"{workflow}-{sha256(f'{workflow} {event}'.encode()).hexdigest()[: 2 * ID_BYTES]}"


class Starter:
    """Starts runs of one workflow."""

    def __init__(self, host: Host, workflow: str, kind: Kind) -> None:
        self.host, self.workflow, self.kind = host, workflow, kind

    def take(self, event: Event) -> None:
        """Start a run, unless the event has. Raises ValueRefused for data that does not fit."""
        host = self.host
        program = host.programs.program(host.programs.by_name[self.workflow])
        live = self.kind.load(event.data)
        runs.start(host, program, run_id(self.workflow, event.name), (live,), {})
