"""The pages of the architecture speak of files and names that there are."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import FENCE
from tests.tidy.sources import ROOT, python_sources

FOLDER = ROOT / "docs/architecture"
PAGES = sorted(FOLDER.glob("*.md"))
CODE = python_sources("src/duetto") + python_sources("tests")
WORDS = {word for source in CODE for word in re.findall(r"\w+", source.text)}
FILES = [source.path for source in CODE]
QUOTED = re.compile(r"`([^`\n]+)`")
MODULE = re.compile(r"(?:\w+/)*\w+\.py")
NAME = re.compile(r"[A-Za-z_][\w.]*")


def quoted(page: str) -> set[str]:
    """Return what a page sets in the letters of code, but for its blocks."""
    return set(QUOTED.findall(FENCE.sub("", (FOLDER / page).read_text("utf-8"))))


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_what_a_page_names_exists(page: str) -> None:
    for text in quoted(page):
        if MODULE.fullmatch(text):
            assert any(f"/{file}".endswith(f"/{text}") for file in FILES), f"no file {text}"
        elif NAME.fullmatch(text):
            missing = set(text.split(".")) - WORDS
            assert not missing, f"{page} names {text}"


@pytest.mark.parametrize("package", ["kernel", "runtime", "authoring/compiler"])
def test_the_files_of_a_mechanism_are_on_its_page(package: str) -> None:
    page = (FOLDER / f"{package.rpartition('/')[2]}.md").read_text("utf-8")
    folder = f"src/duetto/{package}/"
    names = [path.removeprefix(folder) for path in FILES if path.startswith(folder)]
    assert {name for name in names if name != "__init__.py" and name not in page} == set()
