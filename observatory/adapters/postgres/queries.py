"""SQL statements live in `.sql` files beside the module that runs them, each under a `-- name: …` heading."""

import re
from importlib.resources import files

_HEADING = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_queries(package: str, file_name: str) -> dict[str, str]:
    """The statements of a file by name. Raises `ValueError` when a name stands twice."""
    text = files(package).joinpath(file_name).read_text(encoding="utf-8")
    parts = _HEADING.split(text)[1:]
    names, bodies = parts[0::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{file_name}: a statement's name stands twice")
    return dict(zip(names, (body.strip() for body in bodies), strict=True))
