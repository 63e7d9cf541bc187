"""The command `duetto`."""

from __future__ import annotations

from duetto.cli.door import door


def main() -> None:
    """Run the command line, and leave the process with its exit code."""
    door(prog_name="duetto")


__all__ = ["door", "main"]
