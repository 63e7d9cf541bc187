"""Compare what the services did in several ways, by their own ledgers."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

SHOWN_MAX = 5
"""Differences that are printed; one is enough to look into."""

UNDOING = frozenset({"release", "refund", "cancel_booking", "apologise"})


def differences(folders: list[Path], *, keyed: bool = True) -> list[str]:
    """Return where the effects differ from those of the first folder, a few of them, in words.

    The effects of each order must be the same, with their amounts, and their keys if `keyed`; what
    undoes must have come in the same order.
    """
    fields = ("operation", "key", "amount", "units") if keyed else ("operation", "amount", "units")
    first, *others = [(folder.name, effects(folder)) for folder in folders]
    found: list[str] = []
    if not first[1]:
        found.append(f"{first[0]}: no effects at all")
    for name, theirs in others:
        for order in sorted(first[1].keys() | theirs.keys()):
            ours = first[1].get(order, [])
            if comparable(ours, fields) != comparable(theirs.get(order, []), fields):
                found.append(
                    f"order {order}: {first[0]} {operations(ours)}; "
                    f"{name} {operations(theirs.get(order, []))}"
                )
    return found[:SHOWN_MAX]


def effects(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the effects by order, oldest first."""
    lines = [
        msgspec.json.decode(line, type=dict[str, Any])
        for file in sorted((folder / "ledgers").glob("*.jsonl"))
        for line in file.read_bytes().splitlines()
    ]
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: line["at_ns"]):
        found[line["order"]].append(line)
    return dict(found)


def comparable(
    effects: list[dict[str, Any]], fields: tuple[str, ...]
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return these fields of the effects, sorted, and what was undone in its order."""
    done = sorted(tuple(str(one.get(name)) for name in fields) for one in effects)
    return done, [one["operation"] for one in effects if one["operation"] in UNDOING]


def operations(effects: list[dict[str, Any]]) -> str:
    """Return the operations in words."""
    return ", ".join(one["operation"] for one in effects) or "nothing"
