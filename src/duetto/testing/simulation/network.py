"""The broker of a simulation: carries messages between processes, each as its faults say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from duetto.broker import Acknowledge, Receive
from duetto.model.message import Message
from duetto.testing.simulation.faults import (
    Fault,
    LinkCut,
    MessageDelayed,
    MessageDoubled,
    MessageFault,
    MessageForgotten,
    MessageLost,
    MessageRedelivered,
    MessageReordered,
    MessageUnconfirmed,
)
from duetto.testing.simulation.timeline import Process, Timeline

Struck = Callable[[Fault, Message], None]

Place = tuple[str, str, int]
"""A message, as faults name it: its link, and its number there."""

Link = tuple[str, str]


class Network:
    """Without faults it keeps the order of messages; `struck` hears of each fault that strikes."""

    def __init__(self, timeline: Timeline, faults: Iterable[Fault], struck: Struck) -> None:
        self._timeline, self._struck = timeline, struck
        self._faults: dict[Place, list[MessageFault]] = {}
        self._cuts: list[LinkCut] = []
        for fault in faults:
            if isinstance(fault, MessageFault):
                place = (fault.source, fault.to, fault.nth)
                self._faults.setdefault(place, []).append(fault)
            elif isinstance(fault, LinkCut):
                self._cuts.append(fault)
        self._counts: Counter[Link] = Counter()
        self._receivers: dict[str, tuple[Process, int, Receive]] = {}
        self._kept: dict[str, list[_Parcel]] = {}
        self._behind: dict[Link, list[_Parcel]] = {}
        self.published = 0
        """Messages that were given to the broker, those sent again included."""
        self.under_way: Counter[float] = Counter()
        """How many messages come at which instant."""

    def endpoint(self, process: Process, host: int) -> Endpoint:
        """Return the broker as a process sees it."""
        return Endpoint(self, process, host)

    # -- sending

    def publish(self, sender: Endpoint, message: Message, confirmed: Acknowledge) -> None:
        """Take a message, and deliver it as often and as late as its faults say."""
        self.published += 1
        parcel = _Parcel(message, confirmed, sender)
        link = message.source, message.to
        self._counts[link] += 1
        found = self._faults.get((*link, self._counts[link]), ()) if self._faults else ()
        before = self._behind.pop(link, []) if self._behind else []
        lates, waits = self._plan(parcel, found)
        if waits:
            self._behind.setdefault(link, []).append(parcel)
        for late_ms in lates:
            self._send(parcel, late_ms)
        for each in before:
            if not each.sent:
                self._send(each, 0.0)

    def _plan(self, parcel: _Parcel, faults: Iterable[MessageFault]) -> tuple[list[float], bool]:
        """Return when each copy of a message comes, in ms from now; and whether it waits for the
        next of its link."""
        lates, first = [0.0], True
        waits = False
        for fault in faults:
            self._struck(fault, parcel.message)
            match fault:
                case MessageDoubled(late_ms=late_ms):
                    lates.append(late_ms)
                case MessageDelayed(late_ms=late_ms):
                    lates[0] = late_ms
                case MessageReordered(late_ms=late_ms):
                    lates[0], waits = late_ms, True
                case MessageLost():
                    first = False
                case MessageUnconfirmed():
                    parcel.unconfirmed = True
                case MessageRedelivered(late_ms=late_ms):
                    parcel.again_ms = late_ms
                case MessageForgotten():
                    first = False
                    parcel.confirm()
        return (lates if first else lates[1:]), waits and first

    def _send(self, parcel: _Parcel, late_ms: float) -> None:
        late_s = late_ms / 1000 + parcel.sender.process.behind_s
        when = self._timeline.now_s + late_s
        self.under_way[when] += 1
        if late_s:
            self._timeline.outside.call_at(when, self._deliver, parcel, when)
        else:
            self._timeline.outside.call_soon(self._deliver, parcel, when)

    # -- delivering

    def _deliver(self, parcel: _Parcel, when: float) -> None:
        self.under_way -= Counter((when,))
        receiver = self._receivers.get(parcel.message.to)
        if receiver is None:
            self._kept.setdefault(parcel.message.to, []).append(parcel)
            return
        process, host, receive = receiver
        cut = self._cut(parcel.sender.host, host) if self._cuts else None
        if cut is not None:
            self._struck(cut, parcel.message)
            return
        parcel.sent = True
        process.call_soon(receive, parcel.message, parcel.acknowledge)

    def _cut(self, one: int, other: int) -> LinkCut | None:
        now_ms = self._timeline.now_s * 1000
        for cut in self._cuts:
            if {cut.one, cut.other} != {one, other}:
                continue
            if cut.at_ms <= now_ms < cut.at_ms + cut.for_ms:
                return cut
        return None

    def again(self, parcel: _Parcel) -> None:
        """A broker that hears nothing, or does not remember, delivers once more."""
        late_ms, parcel.again_ms = parcel.again_ms, None
        if late_ms is not None:
            self._send(parcel, late_ms)

    def subscribe(self, endpoint: Endpoint, participant: str, receive: Receive) -> None:
        """Deliver to a process from now on, and first what has come for it meanwhile."""
        self._receivers[participant] = (endpoint.process, endpoint.host, receive)
        for parcel in self._kept.pop(participant, ()):
            self._send(parcel, 0.0)

    def unsubscribe(self, process: Process, participant: str) -> None:
        """Keep what comes for a participant, if it is this process that received it."""
        receiver = self._receivers.get(participant)
        if receiver is not None and receiver[0] is process:
            del self._receivers[participant]


class Endpoint:
    """The broker of one process."""

    def __init__(self, network: Network, process: Process, host: int) -> None:
        self.network, self.process, self.host = network, process, host

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        self.network.publish(self, message, confirmed)

    def subscribe(self, participant: str, receive: Receive) -> None:
        self.network.subscribe(self, participant, receive)

    def unsubscribe(self, participant: str) -> None:
        self.network.unsubscribe(self.process, participant)


class _Parcel:
    """A message under way, and whom to tell that it came."""

    __slots__ = ("_confirmed", "again_ms", "message", "sender", "sent", "unconfirmed")

    def __init__(self, message: Message, confirmed: Acknowledge, sender: Endpoint) -> None:
        self.message, self._confirmed, self.sender = message, confirmed, sender
        self.unconfirmed = self.sent = False
        self.again_ms: float | None = None

    def confirm(self) -> None:
        """Tell the sender, in its own process; nobody hears it where that has died."""
        self.sender.process.call_soon(self._confirmed)

    def acknowledge(self) -> None:
        """Take the receiver's word that it has committed."""
        if not self.unconfirmed:
            self.confirm()
        self.sender.network.again(self)
