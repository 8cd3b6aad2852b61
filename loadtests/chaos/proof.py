"""What the command line says of the stack: where it is, whether it is quiet, and whether all its books agree."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import TypeAlias

from loadtests.bench.problems import BenchError

COMMAND = (sys.executable, "-m", "observatory.cli.main")
COMMAND_S = 300.0
RECONCILIATIONS = 10
AGAIN_S = 1.0

Said: TypeAlias = Mapping[str, object]


async def observatory(*arguments: str, json_wanted: bool = True) -> tuple[int, Said]:
    """The exit code and the JSON of a command. Raises `BenchError` when it says nothing of use."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        *(["--json"] if json_wanted else []),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(COMMAND_S):
        out, err = await process.communicate()
    if not json_wanted:
        return process.returncode or 0, {}
    try:
        said = json.loads(out)
    except ValueError:
        raise BenchError(f"observatory {' '.join(arguments)}: {err.decode(errors='replace').strip()[-2000:]}") from None
    return process.returncode or 0, said


async def addresses() -> dict[str, str]:
    """Where the parts of the stack are. Raises `BenchError` when something of it does not run."""
    code, said = await observatory("status")
    found = said["addresses"]
    if code != 0 or not isinstance(found, dict):
        raise BenchError(f"the stack is not well ({said.get('problems')}): 'observatory up' starts it")
    return {name: str(place) for name, place in found.items()}


async def settle_and_verify(patience_s: float) -> Said:
    """Waits for quiet, settles what only the provider knows, and proves that all books agree."""
    await observatory("verify", "--wait", f"{patience_s:.0f}s")
    for _ in range(RECONCILIATIONS):
        code, _said = await observatory("reconcile")
        if code == 0:
            break
        await asyncio.sleep(AGAIN_S)  # the provider's export is not complete that far yet
    _, proof = await observatory("verify", "--wait", "60s", "--topics")
    return proof
