"""What the pages show is what happens: every snippet is run, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import Reader, fits, pages, snippets
from tests.tidy.sources import ROOT

NAMES = [page.relative_to(ROOT).as_posix() for page in pages()]
FOLLOWED = [name for name in NAMES if name != "README.md" and snippets(ROOT / name)]
"""What can be followed; the README has tests of its own."""
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#([^)\s]*))?\)")


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_can_be_followed(name: str, tmp_path: Path) -> None:
    Reader(ROOT / name, tmp_path).follow()


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_pages_and_headings(name: str) -> None:
    page = ROOT / name
    for target, heading in LINK.findall(page.read_text("utf-8")):
        file = (page.parent / target).resolve()
        assert file.exists(), f"{name} links to {target}"
        if heading:
            assert heading in headings(file), f"{name} links to {target}#{heading}"


def headings(page: Path) -> set[str]:
    found = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in found}


def test_the_site_has_every_page() -> None:
    nav = re.findall(r"^ +- [^:]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M)
    assert sorted(nav) == sorted(name.removeprefix("docs/") for name in NAMES[1:])


def test_what_stands_for_anything_stands_for_nothing_else() -> None:
    assert fits("took … ms\n", "took 12 ms\n")
    assert fits("a\n…\nb\n", "a\nx\ny\nb\n")
    assert not fits("took … ms\n", "took 12 s\n")
    assert not fits("a\n", "a\nb\n")
