"""The shop's command with a store for each service: `python -m tests.crashes.apart run …`."""

from __future__ import annotations

import sys
from pathlib import Path

from duetto.examples.shop.__main__ import main
from duetto.examples.shop.services import inventory, notifications, payments, shipping

if __name__ == "__main__":
    folder = Path(sys.argv[sys.argv.index("--data") + 1])
    for service in (inventory, payments, shipping, notifications):
        service.store = str(folder / f"{service.name}.sqlite")
    main()
