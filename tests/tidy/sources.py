"""The files of the checkout, read once, as the rules need them."""

from __future__ import annotations

import ast
import io
import subprocess
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """A Python file: its place relative to the root, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @cached_property
    def comments(self) -> dict[int, str]:
        """The comments by line."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {t.start[0]: t.string for t in tokens if t.type == tokenize.COMMENT}


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def python_sources(*folders: str) -> list[Source]:
    """Return the Python files below these folders of the checkout, but for hidden ones."""
    found = (p for folder in folders for p in sorted((ROOT / folder).rglob("*.py")))
    paths = [(p.relative_to(ROOT), p) for p in found]
    return [
        Source(name.as_posix(), path.read_text("utf-8"))
        for name, path in paths
        if not any(part.startswith(".") for part in name.parts)
    ]


def text_files() -> list[tuple[str, str]]:
    """Return path and text of every file that git tracks or would add; binary ones are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = sorted(set(filter(None, listed.stdout.split("\0"))))
    texts = ((name, text_of(ROOT / name)) for name in names)
    return [(name, text) for name, text in texts if text is not None]


def text_of(path: Path) -> str | None:
    """Return the text of a file, or nothing where it is gone or is not text."""
    try:
        return path.read_text("utf-8")
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
        return None
