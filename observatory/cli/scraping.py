"""The configuration with which a Prometheus watches the native stack: its processes where they are, and our rules."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from observatory.cli.programs import CHECKOUT, SIMULATOR, Part

FILE = "prometheus.yml"
RULES = CHECKOUT / "infra" / "prometheus"
_EVERY = "15s"


def write_prometheus_config(parts: Sequence[Part], folder: Path) -> Path:
    """Writes `prometheus.yml` into the data folder. Raises `OSError`."""
    path = folder / FILE
    path.write_text(prometheus_config(parts))
    return path


def prometheus_config(parts: Sequence[Part]) -> str:
    """One job a kind of program, one target a process; the simulator, which is no part of a real stack, is left out.

    It is JSON, which is YAML too.
    """
    jobs: dict[str, list[dict[str, object]]] = {}
    for part in parts:
        if (job := part.name.partition("-")[0]) != SIMULATOR:
            jobs.setdefault(job, []).append(
                {"targets": [urlsplit(part.health_url).netloc], "labels": {"process": part.name}}
            )
    config = {
        "global": {"scrape_interval": _EVERY, "evaluation_interval": _EVERY},
        "rule_files": [str(RULES / name) for name in ("recording.yml", "alerts.yml")],
        "scrape_configs": [{"job_name": job, "static_configs": targets} for job, targets in jobs.items()],
    }
    return orjson.dumps(config, option=orjson.OPT_INDENT_2).decode() + "\n"
