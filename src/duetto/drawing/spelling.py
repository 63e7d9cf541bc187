"""Expressions and payloads as short text for a label."""

from __future__ import annotations

from duetto.kernel.contracts import Contract, is_spoken
from duetto.model import expression as ex

LABEL_MAX = 24
"""Characters of a label: more would reach into the next panel."""


def short(text: str, limit: int = LABEL_MAX) -> str:
    """Return a text that is cut where it is too long."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def spell(expr: ex.Expr) -> str:
    """Return an expression as Python would write it; what is long by nature is an ellipsis."""
    match expr:
        case ex.Const(value=value):
            return repr(value)
        case ex.Name(id=name):
            return name
        case ex.Symbol(name=name):
            return name.rpartition(":")[2]
        case ex.Attribute(value=value, name=name):
            return f"{spell(value)}.{name}"
        case ex.More():
            return "next item"
        case ex.Element(source=source):
            return f"item of {source}"
        case ex.Item(value=value, index=index):
            return f"{spell(value)}[{spell(index)}]"
        case ex.Call(function=function, args=args, kwargs=kwargs):
            given = [*map(spell, args), *(f"{name}={spell(arg)}" for name, arg in kwargs)]
            return f"{spell(function)}({', '.join(given)})"
        case ex.Unary(op=op, value=value):
            return f"{op} {spell(value)}" if op == "not" else f"{op}{spell(value)}"
        case ex.Binary(op=op, left=left, right=right):
            return f"{spell(left)} {op} {spell(right)}"
        case ex.Compare(first=first, rest=rest):
            return " ".join([spell(first), *(f"{op} {spell(value)}" for op, value in rest)])
        case ex.Logic(op=op, values=values):
            return f" {op} ".join(map(spell, values))
        case _:
            return "…"


def carried(contract: Contract) -> list[str]:
    """Return the names of the types that cross, or of the variables where types are not known.

    Numbered variables (`$1`: a loop's items and index) are the compiler's own, and left out.
    """
    shown = [
        str(kind) if kind is not None else name
        for name, kind in contract.payload
        if is_spoken(name)
    ]
    return list(dict.fromkeys(shown))


def wrapped(words: list[str], width: int = LABEL_MAX) -> list[str]:
    """Return lines of words, none longer than the width unless a word is."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 2 <= width:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return lines
