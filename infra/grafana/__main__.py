"""`python -m infra.grafana`: writes the dashboards' JSON files; a test compares them with what would be written."""

import json
from pathlib import Path

from infra.grafana.boards import DASHBOARDS
from infra.grafana.shapes import as_json

FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[Path, str]:
    """Each file's content."""
    return {
        FOLDER / f"{dashboard.name}.json": json.dumps(as_json(dashboard), indent=2) + "\n" for dashboard in DASHBOARDS
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
