"""Virtual environments of the rivals, made on first use, so that nothing of theirs enters ours."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache"


def python_of(rival: str) -> Path | None:
    """Return the rival's interpreter, or None (said on stderr) where it cannot be installed.

    The mark that an environment is complete holds the digest of what was asked for: an
    interrupted installation and a changed pin both start afresh.
    """
    requirements = HERE / "requirements" / f"{rival}.txt"
    home = CACHE / f"venv-{rival}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    mark = home / "installed"
    if python.exists() and mark.exists() and mark.read_text() == wanted:
        return python
    if not _make(rival, home, python, requirements):
        return None
    mark.write_text(wanted)
    return python


def _make(rival: str, home: Path, python: Path, requirements: Path) -> bool:
    print(f"bench: making {home.name} from {requirements.name}, once", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    install = [python, "-m", "pip", "install", "--quiet", "--requirement", requirements]
    try:
        subprocess.run([sys.executable, "-m", "venv", home], check=True, stdout=sys.stderr)
        subprocess.run(install, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"bench: {rival} is absent, its installation failed: {error}", file=sys.stderr)
        return False
    return True
