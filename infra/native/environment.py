"""The project's own Python environment, `.venv`: `python3 infra/native/environment.py`.

It holds what `requirements.lock` names, to the version and the hash. Nothing is done when it was made from the files
that are there. Standard library only.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

if __name__ == "__main__":  # started as a file: its own package is not importable yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.native.steps import Installer, main

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv"
# uv lives in an environment of its own, since `uv pip sync` removes from ours whatever the lock file does not name.
UV = FOLDER / "uv"
MADE_FROM = ("requirements.lock", "pyproject.toml")


def install(installer: Installer) -> None:
    """Make the environment, or bring it up to date."""
    key = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in MADE_FROM)).hexdigest()[:16]
    stamp = FOLDER / f"installed-{key}"
    if stamp.exists():
        return
    python, uv = FOLDER / "bin" / "python", UV / "bin" / "uv"
    with installer.step("Python packages of requirements.lock"):
        if not python.exists():
            installer.run(sys.executable, "-m", "venv", "--without-pip", str(FOLDER))
        if not uv.exists():
            installer.run(sys.executable, "-m", "venv", str(UV))
            installer.run(str(UV / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv")
        into = ["--quiet", "--python", str(python)]
        installer.run(str(uv), "pip", "sync", *into, "--compile-bytecode", str(ROOT / "requirements.lock"))
        installer.run(str(uv), "pip", "install", *into, "--no-deps", "--editable", str(ROOT))
    for old in FOLDER.glob("installed-*"):
        old.unlink()
    stamp.touch()


if __name__ == "__main__":
    sys.exit(main(install))
