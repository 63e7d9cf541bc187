"""Changed code with runs in flight: an old run ends on its old definition, a new one on the new."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

MODULE = """
import os
from duetto import App, Retry, Service, workflow

desk = Service("desk")

@desk.task(retry=Retry(attempts_max=1))
async def check(item: str) -> str:
    {at_check}
    return f"{version} checked {{item}}"

@desk.task
async def note(text: str) -> str:
    return f"{version} noted {{text}}"

@workflow
async def handle(item: str) -> list[str]:
    checked = await check(item)
    {then}

app = App("desk", services=[desk], workflows=[handle], store="desk.sqlite")
"""

OLD = MODULE.format(
    version="v1",
    at_check="os._exit(9)",
    then='noted = await note("as ever")\n    return [checked, noted]',
)
NEW = MODULE.format(
    version="v2",
    at_check="pass",
    then='first = await note("quite")\n    second = await note("new")\n'
    "    return [checked, first, second]",
)

START = """
import asyncio
from desk import app, handle

async def main() -> None:
    async with app:
        await app.run_async(handle, "tea", id="old")

asyncio.run(main())
"""

GO_ON = """
import asyncio, json
from desk import app, handle

async def main() -> None:
    async with app:
        new = await app.run_async(handle, "tea", id="new")
        old = await app.operations.result("old")
        again = await app.operations.restart("old", "again")
        restarted = await app.operations.result(again)
        views = [app.operations.show(id) for id in ("old", "new", "again")]
        lines = [fact.line for fact in app.operations.history("old")]
        print(json.dumps({
            "old": old, "new": new, "restarted": restarted,
            "digests": [view.digest for view in views], "lines": lines,
        }))

asyncio.run(main())
"""


def run_in(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with the module that is there today."""
    (folder / "program.py").write_text(program)
    return subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_old_run_ends_on_its_definition_and_a_new_one_on_todays(tmp_path: Path) -> None:
    module = tmp_path / "desk.py"
    module.write_text(OLD)
    assert run_in(tmp_path, START).returncode == 9
    module.write_text(NEW)
    done = run_in(tmp_path, GO_ON)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    # The bodies of tasks are today's, the steps are those that the run began with.
    assert found["old"] == ["v2 checked tea", "v2 noted as ever"]
    assert found["new"] == ["v2 checked tea", "v2 noted quite", "v2 noted new"]
    assert found["restarted"] == found["new"]
    old, new, again = found["digests"]
    assert old != new == again
    last: int = found["lines"][-1]
    assert OLD.splitlines()[last - 1].strip() == 'noted = await note("as ever")'
