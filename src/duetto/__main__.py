"""`python -m duetto` is the command `duetto`."""

from __future__ import annotations

from duetto.cli import main

if __name__ == "__main__":
    main()
