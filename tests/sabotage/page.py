"""The tables of guards in the documentation: written when seeds are recorded, and compared."""

from __future__ import annotations

from pathlib import Path

from tests.sabotage.guards import GUARDS, STANDING, SUPERFLUOUS
from tests.sabotage.searching import Place
from tests.sabotage.switching import Guard

PAGE = Path(__file__).parents[2] / "docs/architecture/protocol.md"
BEGIN, END = "<!-- guards -->", "<!-- end of guards -->"


def written(places: dict[str, Place]) -> None:
    """Put the tables as they are now into the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{tables(places)}{END}{after}", "utf-8")


def shown() -> str:
    """Return the tables as the page has them."""
    return PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]


def tables(places: dict[str, Place]) -> str:
    """Return the tables: what notices each guard, what is none, and what cannot be switched off."""
    guards = [
        f"| {guard.name} | {guard.rule} | {guard.without} | {places[guard.name].promise} |"
        for guard in sorted(GUARDS, key=order)
    ]
    none = [
        f"| {guard.name} | {guard.rule} | {guard.without} | {guard.because} |"
        for guard in sorted(SUPERFLUOUS, key=order)
    ]
    standing = [f"| {rule} | {reason} |" for rule, reason in STANDING.items()]
    return "\n".join(
        (
            "",
            "",
            "| guard | rule | without it | breaks promise |",
            "|---|---|---|---|",
            *guards,
            "",
            "Switched off without a difference, and why:",
            "",
            "| what looks like a guard | rule | without it | why nothing changes |",
            "|---|---|---|---|",
            *none,
            "",
            "Cannot be switched off:",
            "",
            "| rule | why |",
            "|---|---|",
            *standing,
            "",
            "",
        )
    )


def order(guard: Guard) -> tuple[int, str]:
    """Order by the number of the rule; what has none comes last."""
    return (int(guard.rule), "") if guard.rule.isdigit() else (99, guard.rule)
