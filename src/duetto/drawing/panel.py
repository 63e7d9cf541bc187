"""One placement's stations: at which participant each item's token is, and what crosses."""

from __future__ import annotations

from msgspec import Struct

from duetto.drawing.figure import Edge, Figure, Item
from duetto.drawing.spelling import carried
from duetto.kernel.contracts import START, Contract, Walked, contracts, walk
from duetto.model.definition import Definition, Receive, Task
from duetto.model.placement import Placement


class Path(Struct, frozen=True):
    """An edge under a placement; `crosses` where it has a contract, whose `words` are its types."""

    edge: Edge
    crosses: bool
    words: tuple[str, ...] = ()


class Panel(Struct, frozen=True):
    """`stations` has the participant of each item; a task elsewhere is a command to its service."""

    title: str
    stations: tuple[str, ...]
    paths: tuple[Path, ...]

    @property
    def crossings(self) -> int:
        return sum(path.crosses for path in self.paths)


def lanes(definition: Definition) -> list[str]:
    """Return the participants: the app, then services in the order of the program."""
    nodes = [node for region in definition.regions for node in region.nodes]
    services = [node.service for node in nodes if isinstance(node, Task)]
    owners = [node.owner for node in nodes if isinstance(node, Receive) and node.owner]
    return list(dict.fromkeys(["", definition.home, *services, *owners]))


def panel(definition: Definition, figure: Figure, placement: Placement) -> Panel:
    """Return where the token is at each item, and what each crossing carries."""
    home = definition.home
    walked = walk(definition, placement, home)
    stations = tuple(_station(item, walked, home) for item in figure.items)
    known = contracts(definition, placement, home)
    paths = tuple(_path(figure, edge, stations, known) for edge in figure.edges)
    return Panel(placement.name, stations, paths)


def _station(item: Item, walked: list[Walked], home: str) -> str:
    """Return the participant of an item; where there may be several, the first by name."""
    if item.node == START:
        return home
    stays = (
        stay for each in walked if each.region == item.region for stay in each.rests[item.node]
    )
    return min((stay.participant for stay in stays), default=home)


def _path(figure: Figure, edge: Edge, stations: tuple[str, ...], known: list[Contract]) -> Path:
    source, target = stations[edge.source], stations[edge.target]
    if source == target:
        return Path(edge, False)
    to = figure.items[edge.target]
    report = to.kind in ("join", "end")
    found = [
        contract
        for contract in known
        if (contract.kind == "report") == report
        and (contract.source, contract.target) == (source, target)
        and (contract.to.region, contract.to.node) == (to.region, to.node)
        and (not report or _ends_with(figure.items[edge.source], contract))
    ]
    words = dict.fromkeys(word for contract in found for word in carried(contract))
    return Path(edge, bool(found), tuple(words))


def _ends_with(item: Item, contract: Contract) -> bool:
    """Is this the report of the region that an item stands in?"""
    return item.region == contract.origin.region or contract.origin.node == START
