"""Why a token moves: what its record says beside the change."""

from __future__ import annotations

from msgspec import Struct

from duetto.model.token import Error, Value


class Cause(Struct, gc=False):
    """`name` is the cause of a Moved; where `task` is set, a local task ended.

    `value` was written to the variable `into`, and is the stored `result` as well; `args` are kept
    where a compensation may need them. `took` is microseconds, `at` ms since the epoch.
    """

    name: str
    note: str = ""
    task: str = ""
    step: int = 0
    attempt: int = 0
    took: int = 0
    into: str = ""
    value: Value | None = None
    result: bytes = b""
    args: bytes = b""
    error: Error | None = None
    at: int = 0
