"""Why a token moves: what its record says beside the change."""

from __future__ import annotations

from duetto.model.token import Error, Value


class Cause:
    """`name` is the cause of a Moved; where `task` is set, a local task ended.

    `value` was written to the variable `into`, and is the stored `result` as well; `args` are kept
    where a compensation may need them. `took` is microseconds.
    """

    __slots__ = (
        "args",
        "at",
        "attempt",
        "error",
        "into",
        "name",
        "note",
        "result",
        "step",
        "task",
        "took",
        "value",
    )

    def __init__(
        self,
        name: str,
        *,
        note: str = "",
        task: str = "",
        step: int = 0,
        attempt: int = 0,
        took: int = 0,
        into: str = "",
        value: Value | None = None,
        result: bytes = b"",
        args: bytes = b"",
        error: Error | None = None,
    ) -> None:
        self.name, self.note, self.task, self.step = name, note, task, step
        self.attempt, self.took, self.into, self.value = attempt, took, into, value
        self.result, self.args, self.error = result, args, error
        self.at = 0
