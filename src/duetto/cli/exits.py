"""The exit codes.

| code | meaning |
|---|---|
| 0 | it was done; for `run`, every run reached an end, failed ones included |
| 1 | the answer is no: parked or interrupted runs, errors of `check`, ledgers that differ |
| 2 | the command line cannot be understood |
| 3 | there is no such app, workflow, run, store or file |
| 4 | it does not fit: the state of the run, its input, the configuration |
| 5 | the store: in use, damaged, newer, full, or it ends before what was acknowledged |
"""

from __future__ import annotations

from duetto.errors import DefinitionError, DuettoError, NotFound, RunFailed, StoreError

DONE = 0
NO = 1
USAGE = 2
NOT_FOUND = 3
UNFIT = 4
STORE = 5


def exit_code(error: DuettoError) -> int:
    """Return the exit code of an error."""
    match error:
        case NotFound():
            return NOT_FOUND
        case StoreError():
            return STORE
        case DefinitionError() | RunFailed():
            return NO
        case _:
            return UNFIT
