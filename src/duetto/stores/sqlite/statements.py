"""The SQL of a store, read by name from the `.sql` files beside its modules."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
COMMENT = re.compile(r"--.*$", re.MULTILINE)


@cache
def statements(file: str, package: str = "duetto.stores.sqlite") -> dict[str, str]:
    """Return the statements of `sql/<file>.sql` by name, without their comments."""
    return parsed(files(package).joinpath("sql", f"{file}.sql").read_text("utf-8"))


def parsed(text: str) -> dict[str, str]:
    """Return the statements of a text, each under its `-- name:` line."""
    _, *parts = NAME.split(text)
    bodies = (COMMENT.sub("", body) for body in parts[1::2])
    squeezed = (" ".join(body.split()).rstrip(";") for body in bodies)
    return dict(zip(parts[::2], squeezed, strict=True))
