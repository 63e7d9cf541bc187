"""Every error of Duetto, in one grammar: what was found, what was expected, what to do.

DuettoError
├── DefinitionError          a workflow outside the subset, an unknown name (file, line, column)
├── ValueRefused             a value that the codec cannot give back as it was
│   └── ArgumentsRefused     arguments that do not fit; a TypeError as well, as in Python
├── LimitExceeded            a named limit; raised in the workflow
├── ConflictError            one run id, two inputs
├── NotFound                 no such run, workflow, task or event
├── NotAllowed               an operation that does not fit the state of the run
├── PlacementError           a placement that names what is not there
├── ConfigurationError       an app, a service or an option that does not fit
├── RunFailed                a run that ended with an error
│   ├── RunCancelled         a run that ended because it was cancelled
│   └── RunParked            a run of which nothing moves before an operator decides
├── TaskError                an error whose class is not known here
├── Cancelled                the run or a branch is cancelled; cannot be caught in a workflow
└── StoreError
    ├── StoreBusy            another process owns the store
    ├── StoreDamaged         a checksum that does not fit
    ├── CommitsLost          the log ends before what was acknowledged
    ├── StoreNewer           written by a newer version
    ├── StoreFull            no room; nothing was committed
    └── StoreFailed          a write or sync failed; the store is closed to writers
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DuettoError(Exception):
    """An error with what was found, what was expected and what to do, each one line or empty."""

    def __init__(self, message: str, *, found: str = "", expected: str = "", do: str = "") -> None:
        self.message, self.found, self.expected, self.do = message, found, expected, do
        super().__init__(message)

    def __str__(self) -> str:
        rows = (("found", self.found), ("expected", self.expected), ("do", self.do))
        return "\n".join([self.message, *(f"  {name:<9} {text}" for name, text in rows if text)])


class DefinitionError(DuettoError):
    """A workflow that cannot be compiled; `file`, `line` and `column` (from 1) say where.

    `others` are further errors of the same workflow, shown with this one.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        found: str = "",
        expected: str = "",
        do: str = "",
    ) -> None:
        self.file, self.line, self.column = file, line, column
        self.others: tuple[DefinitionError, ...] = ()
        where = f"{file}:{line}:{column}  " if file else ""
        super().__init__(where + message, found=found, expected=expected, do=do)

    def __str__(self) -> str:
        return "\n\n".join([super().__str__(), *map(str, self.others)])


class ValueRefused(DuettoError):
    """A value that would not come back from the codec as it is."""


class ArgumentsRefused(ValueRefused, TypeError):
    """Arguments that are missing, or too many."""


class LimitExceeded(DuettoError):
    """A named limit; raised in the workflow that exceeds it."""


class ConflictError(DuettoError):
    """A run id that is taken by a run with another workflow or input."""


class NotFound(DuettoError):
    """A name or id that is not there, with what comes near it."""

    @classmethod
    def named(cls, kind: str, name: str, known: Iterable[str], *, do: str = "") -> NotFound:
        """Return the error for `name`, with a suggestion out of `known`."""
        names = sorted(known)
        near = get_close_matches(name, names, n=1)
        return cls(
            f"There is no {kind} `{name}`.",
            found=name,
            expected=f"one of: {', '.join(names[:12])}" if names else f"an existing {kind}",
            do=f"did you mean `{near[0]}`?" if near else do,
        )


class NotAllowed(DuettoError):
    """An operation that does not fit the state that a run is in."""


class PlacementError(DuettoError):
    """A placement that names a service, task or participant that is not there."""


class ConfigurationError(DuettoError):
    """An app, service, task or option that does not fit with the others."""


class RunFailed(DuettoError):
    """A run that ended with an error; `__cause__` is that error, as far as its class is known."""

    def __init__(self, run: str, message: str, *, found: str = "", do: str = "") -> None:
        self.run = run
        super().__init__(message, found=found, do=do)


class RunCancelled(RunFailed):
    """A run that ended because it was cancelled."""


class RunParked(RunFailed):
    """A run that did not end: nothing of it moves before an operator decides."""


class TaskError(DuettoError):
    """An error whose class is not known here; `type_name` is the qualified name of that class."""

    def __init__(self, type_name: str, message: str) -> None:
        self.type_name = type_name
        super().__init__(f"{type_name}: {message}" if message else type_name)


class Cancelled(DuettoError):
    """The run, or a branch, is cancelled. No handler can catch it; `finally` bodies still run."""

    def __init__(self, message: str = "cancelled") -> None:
        super().__init__(message)


class StoreError(DuettoError):
    """Something about the store; what was acknowledged before is safe unless the error says so."""


class StoreBusy(StoreError):
    """Another process owns the store."""


class StoreDamaged(StoreError):
    """A page or record whose checksum does not fit; it is never executed from."""


class CommitsLost(StoreError):
    """The log ends before commits that were acknowledged; opens only with `--accept-loss`."""


class StoreNewer(StoreError):
    """A store that was written by a newer version."""


class StoreFull(StoreError):
    """No room on the disk; nothing of the batch was committed."""


class StoreFailed(StoreError):
    """A write or sync failed; nothing is acknowledged after it, and the store must be reopened."""
