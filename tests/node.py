"""The Node.js that builds the page: the one of the machine if it is new enough, else the one in `.venv`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from infra.native.web import installed_node


@cache
def node() -> Path:
    """The program, which need not be in the PATH."""
    found = installed_node()
    assert found is not None, "Node.js is missing: make tools"
    return found
