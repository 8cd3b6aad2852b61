"""`observatory chaos`: kills parts of the stack at random under load; runs as a program of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from observatory.cli.options import Json
from observatory.cli.programs import CHECKOUT


def chaos(
    *,
    kills: Annotated[
        int, Parameter(help="How many processes are killed, one after another.", validator=Number(gte=0))
    ] = 20,
    seed: Annotated[int, Parameter(help="Which random order; the same seed kills the same.")] = 1,
    outage: Annotated[
        str | None, Parameter(help="Take a service away for a while: db=60s, kafka=60s or simulator=60s.")
    ] = None,
    kill_simulator: Annotated[
        bool, Parameter(show_default=False, help="The simulated provider may be killed too.")
    ] = False,
    scorecard: Annotated[Path | None, Parameter(help="Write the run as a page in Markdown to this file.")] = None,
    json: Json = False,
) -> int:
    """Kill parts of the stack at random under load, wait for quiet, reconcile and verify.

    The load has streams, conversations, faults of the provider, and users whose budgets are used up on the way.

    The exit code is 0 when not one call was lost or doubled.

    Some uses:

    `observatory chaos --kills 20 --seed 7`

    `observatory chaos --kills 0 --outage db=60s --json`
    """
    arguments = ["--kills", str(kills), "--seed", str(seed)]
    arguments += ["--outage", outage] if outage else []
    arguments += ["--kill-simulator"] if kill_simulator else []
    arguments += ["--scorecard", str(scorecard.resolve())] if scorecard else []
    arguments += ["--json"] if json else []
    return subprocess.call([sys.executable, "-m", "loadtests.chaos", *arguments], cwd=CHECKOUT)
