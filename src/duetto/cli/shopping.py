"""The three processes of the demo, one after the other, with their progress."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Column

from duetto.cli.command import screen
from duetto.cli.shop import Kill, Shop, Went

LOOK_S = 0.02
"""How often the store is looked at: short enough to meet the middle of a fast run."""


def watched(shops: list[Shop], total: int, *, killed: str) -> list[Went]:
    """Run the shops; kill the one that is named in the middle, and start it again."""
    told = screen()
    console = Console(stderr=told.as_json)
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=12),
        MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
        TextColumn("{task.fields[said]}", table_column=Column(overflow="fold")),
    )
    found: list[Went] = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        for shop in shops:
            title = f"{shop.placement.partition(':')[0]:<14}"
            bar = bars.add_task(title, total=total, said="")
            kill_at = total // 2 if shop.placement == killed else 0
            found.append(_one(shop, bars, bar, kill_at=kill_at))
            if not console.is_terminal:
                figures = found[-1].figures
                ended = figures["completed"] + sum(figures["failed"].values())
                told.line(
                    f"{title}  {ended}/{figures['orders']}   {_said(found[-1].kill)}".rstrip()
                )
    return found


def _one(shop: Shop, bars: Progress, bar: TaskID, *, kill_at: int) -> Went:
    kill: Kill | None = None
    try:
        shop.start()
        while not shop.wait(LOOK_S):
            ended = shop.ended()
            bars.update(bar, completed=ended)
            if kill_at and kill is None and ended >= kill_at:
                kill = shop.kill()
                bars.update(bar, said=_said(kill, over=False))
                shop.start()
        figures = shop.figures()
    finally:
        shop.close()
    if kill is not None:
        kill.recomputed = len(kill.stored & set(shop.attempts()[kill.attempts :]))
    bars.update(bar, completed=figures["orders"], total=figures["orders"], said=_said(kill))
    return Went(figures, kill)


def _said(kill: Kill | None, *, over: bool = True) -> str:
    if kill is None:
        return ""
    said = f"process killed (kill -9) at {kill.ended_before} · restarted · "
    said += f"{kill.continued} runs continued"
    return f"{said} · {kill.recomputed} results recomputed" if over else said
