"""The wheel holds every file of the package, so that an installed Duetto works like a checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.tidy.sources import ROOT


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(tmp_path)], cwd=ROOT, check=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("duetto/")}
    assert packed == files_of_the_package()


def files_of_the_package() -> set[str]:
    """Return the files below the package's folder, without what Python leaves there."""
    source = ROOT / "src"
    files = (p for p in (source / "duetto").rglob("*") if p.is_file() and p.suffix != ".pyc")
    return {path.relative_to(source).as_posix() for path in files}
