"""The snippets of a page, and how they are run: each page in a folder of its own.

| fence | what a test does with it |
|---|---|
| `python title="NAME"` | writes it to the file NAME, and runs it unless it is called `test_…` |
| `toml title="NAME"`, `json title="NAME"` | writes it to the file NAME |
| `python` | runs it behind all such snippets above it, as one program: before the next console |
| `python title="refused"` | runs it like that, and expects the error in the block behind it |
| `console` | runs each line after `$ `, and compares what is printed: `…` stands for anything, and
  how wide a space is does not count |
| `py`, `sh`, `text`, `mermaid`, … | nothing: a fragment, somebody else's command, a drawing |
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.tidy.sources import ROOT

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
TITLE = re.compile(r'title="([^"]+)"')
RUNS_S_MAX = 120
NOT_RUN = {"py", "sh", "text", "mermaid", "sql", "toml", "json"}


@dataclass(frozen=True)
class Snippet:
    """A fenced block: the words behind the fence, its text, and the line where it begins."""

    info: str
    text: str
    line: int

    @property
    def kind(self) -> str:
        return self.info.split()[0] if self.info else ""

    @property
    def title(self) -> str:
        found = TITLE.search(self.info)
        return found[1] if found else ""


def pages() -> list[Path]:
    """Return every page that is ours to keep true."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def snippets(page: Path) -> list[Snippet]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    return [
        Snippet(found[1].strip(), found[2], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


class Reader:
    """Somebody who follows one page in an empty folder, and does what it shows."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.program, self.ran = "", ""
        """The untitled Python of the page so far, and what of it was run."""

    def follow(self) -> int:
        """Do all that the page shows; return how many snippets were run."""
        found, ran = snippets(self.page), 0
        for at, snippet in enumerate(found):
            ran += snippet.kind not in NOT_RUN
            behind = found[at + 1].text if at + 1 < len(found) else ""
            self.do(snippet, behind)
        self.catch_up()
        return ran

    def catch_up(self) -> None:
        """Run the untitled Python of the page so far."""
        if self.program != self.ran:
            self.expect_success(self.python("page.py", self.program), self.page.name)
            self.ran = self.program

    def do(self, snippet: Snippet, behind: str) -> None:
        """Do what one snippet shows."""
        where = f"{self.page.name}:{snippet.line}"
        match snippet.kind:
            case "python" if snippet.title == "refused":
                ran = self.python("refused.py", self.program + snippet.text)
                assert ran.returncode, f"{where} is not refused"
                said = ran.stderr.replace(str(self.folder) + os.sep, "")
                assert fits(behind, said), f"{where} is refused in other words:\n{said}"
            case "python" if snippet.title:
                self.write(snippet.title, snippet.text)
                if not Path(snippet.title).name.startswith("test_"):
                    self.expect_success(self.run(sys.executable, snippet.title), where)
            case "toml" | "json" if snippet.title:
                self.write(snippet.title, snippet.text)
            case "python":
                self.program += snippet.text
            case "console":
                self.catch_up()
                self.type(snippet.text, where)
            case kind:
                assert kind in NOT_RUN, f"{where}: say what a test does with `{snippet.info}`"

    def type(self, text: str, where: str) -> None:
        """Type the commands of a console, and compare what they print."""
        for command, shown in re.findall(r"^\$ ([^\n]*)\n((?:(?!\$ )[^\n]*\n)*)", text, re.M):
            name, *arguments = shlex.split(command, comments=True)
            ran = self.run(*COMMANDS[name], *arguments)
            said = ran.stdout + ran.stderr
            assert fits(shown, said), f"{where}: `{command}` prints something else:\n{said}"

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def python(self, name: str, text: str) -> subprocess.CompletedProcess[str]:
        self.write(name, text)
        return self.run(sys.executable, name)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1", "TZ": "UTC"},
            capture_output=True,
            text=True,
            timeout=RUNS_S_MAX,
        )

    def expect_success(self, ran: subprocess.CompletedProcess[str], where: str) -> None:
        assert not ran.returncode, f"{where} does not run:\n{ran.stdout}{ran.stderr}"


COMMANDS = {
    "python": [sys.executable],
    "duetto": [sys.executable, "-m", "duetto"],
    "touch": ["touch"],
}
"""What a console may call."""


def fits(shown: str, said: str) -> bool:
    """Is this what was printed? `…` stands for anything within a line, a line of it for any lines;
    what is shown of an error may be its end."""
    lines = [re.escape(line).replace("…", "[^\n]*") for line in stripped(shown)]
    pattern = "\n".join("(?:[^\n]*\n)*?[^\n]*" if line == "[^\n]*" else line for line in lines)
    printed = "\n".join(stripped(said))
    return re.fullmatch(f"(?:{pattern})", printed) is not None or (
        "Traceback" in printed and printed.endswith("\n".join(stripped(shown)))
    )


def stripped(text: str) -> list[str]:
    """Return the lines of a text without what nobody sees."""
    return [" ".join(line.split()) for line in text.strip("\n").split("\n")]
