"""Every guard that can be switched off, and what keeps the rules that cannot."""

from __future__ import annotations

from tests.sabotage import events, files, lasting, messages, superfluous, valuing, walking
from tests.sabotage.switching import Guard

GUARDS = (
    *messages.GUARDS,
    *walking.GUARDS,
    *valuing.GUARDS,
    *lasting.GUARDS,
    *files.GUARDS,
    *events.GUARDS,
)

SUPERFLUOUS = tuple(superfluous.GUARDS)

STANDING = {
    "1": "A home is read from the definition, which is named by its digest. There is nowhere else "
    "to read it from, so no switch leaves it to a placement.",
    "5": "An entry of an undo list has no fields but a key and a task.",
    "8": "The kernel knows no clock: an entry has no instant by which it could be ordered.",
    "11": "A branch has a region of its own, whose variables are its parameters. No node writes "
    "into another token, so what the compiler refuses could not be carried out.",
    "23": "Within one process nobody else can publish.",
    "28": "No other program publishes in a simulated world; `tests/events/test_abroad.py` does.",
    "40": "Nobody forges messages in a simulated world; `tests/brokers/test_signed.py` does.",
    "29": "It promises no order, so there is none that could be lost.",
}
"""Rules, or parts of them, that hold because there is nothing that could do otherwise."""


def guard_named(name: str) -> Guard:
    """Return the guard of a name."""
    found = next((guard for guard in (*GUARDS, *SUPERFLUOUS) if guard.name == name), None)
    if found is None:
        raise SystemExit(f"no guard {name!r}; one of: {', '.join(each.name for each in GUARDS)}")
    return found
