"""Workflows that an event starts: one event starts one run, once (PROTOCOL, rule 37)."""

from __future__ import annotations

from hashlib import sha256

from duetto.model.event import Event, origin_of
from duetto.runtime import runs
from duetto.runtime.host import Host
from duetto.runtime.kinds import Kind
from duetto.runtime.publishing import check_hops

ID_BYTES = 12


def run_id(workflow: str, event: str) -> str:
    """Return the id of the run that an event, by its name, starts of a workflow."""
    return f"{workflow}-{sha256(f'{workflow} {event}'.encode()).hexdigest()[: 2 * ID_BYTES]}"


class Starter:
    """Starts runs of one workflow."""

    def __init__(self, host: Host, workflow: str, kind: Kind) -> None:
        self.host, self.workflow, self.kind = host, workflow, kind

    def take(self, event: Event) -> None:
        """Start a run, unless the event has. Raises ValueRefused for data that does not fit, and
        LimitExceeded where it follows from too many others."""
        host = self.host
        program = host.programs.program(host.programs.by_name[self.workflow])
        live = self.kind.load(event.data, event.version)
        id, origin = run_id(self.workflow, event.name), origin_of(event)
        check_hops(origin)
        heard = {event.stream: event.seq} if self.kind.declared.to_all else {}
        runs.start(host, program, id, (live,), {}, origin=origin, heard=heard)
