"""`observatory down`: stops programs and services; the data stays unless it is asked to go."""

import asyncio
from typing import Annotated

from cyclopts import Parameter

from infra.native import stack
from observatory.cli.options import Json
from observatory.cli.output import print_json, stdout
from observatory.cli.outside import settings
from observatory.cli.problems import Problem
from observatory.cli.programs import data_dir, parts_of, stack_spec


async def down(
    *,
    clean: Annotated[bool, Parameter(help="Remove all data: Kafka's, PostgreSQL's and the simulator's bill.")] = False,
    json: Json = False,
) -> int:
    """Stop the stack; the data stays unless --clean.

    Some uses:

    `observatory down`

    `observatory down --clean`
    """
    config = settings()
    spec = stack_spec(config, parts_of(config, data_dir()))
    try:
        was_running = await asyncio.to_thread(stack.is_running, spec)
        await asyncio.to_thread(stack.stop, spec)
        if clean:
            await asyncio.to_thread(stack.clean, spec)
    except stack.StackError as error:
        raise Problem(str(error)) from error
    if json:
        print_json({"was_running": was_running, "cleaned": clean, "data": str(spec.data_dir)})
        return 0
    stdout().print("The stack was stopped." if was_running else "The stack was not running.")
    kept = "was removed" if clean else "is kept ('observatory down --clean' removes it)"
    stdout().print(f"The data in {spec.data_dir} {kept}.")
    return 0
