"""What one input leads to beside its token's own change."""

from __future__ import annotations

from duetto.model.effect import CallUndo
from duetto.model.message import Message
from duetto.model.token import Outcome, Token
from duetto.runtime.cause import Cause


class Cascade:
    """What one input led to, beside the token's own change: gathered for its record."""

    __slots__ = ("cancels", "cause", "ended", "forked", "listens", "sent", "undos")

    def __init__(self, cause: Cause | None = None) -> None:
        self.cause = cause
        self.undos: tuple[tuple[Token, CallUndo], ...] = ()
        self.forked: tuple[str, ...] = ()
        self.sent: tuple[Message, ...] = ()
        self.ended: tuple[tuple[Token, Outcome], ...] = ()
        self.cancels: tuple[str, ...] = ()
        self.listens: tuple[str, ...] = ()


NO_CASCADE = Cascade()
"""Of a transition that leads to nothing."""
