"""The `observatory` command line. Each command lives in its own module, imported only when it runs.

Exit codes: 0 done, 1 the answer is no or something failed, 2 wrong usage or settings. What went wrong for a reason
outside this program is one line on stderr that says what was tried and what to do, never a traceback.
"""

import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, Group, Parameter

from observatory.cli.consoles import Output
from observatory.cli.problems import Problem, wrong_usage

HELP = """Chat requests as events, and what they cost.

First steps: `observatory up`, then `observatory demo`, then `observatory costs`.
Every command has examples: `observatory COMMAND --help`. Settings come from the environment (`OBSERVATORY_*`)."""

COMMANDS: dict[str, dict[str, str]] = {
    "Run": {
        "up": "Start the stack: services, migrations, topics, programs.",
        "down": "Stop the stack; the data stays unless --clean.",
        "status": "Processes, services, lag, watermark, open work.",
        "top": "Watch throughput, cost, latency, lag, budgets and alerts as they are.",
        "migrate": "Apply database migrations, import the shipped prices, create topics.",
    },
    "Use": {
        "demo": "Send 200 mixed chat requests through the whole path and show what they cost.",
        "publish": "Publish chat requests: from arguments, a file or stdin.",
        "subscribe": "Follow a request, a conversation or a topic.",
        "feedback": "Say how good the answer to a request was.",
        "costs": "Cost, tokens and latency by model, tenant, user, conversation, provider or time.",
        "waste": "What attempts cost that gave no answer, by cause.",
        "recommendations": "What could be saved, with the evidence.",
        "prices": "The price book: list, show, set, import, diff, history.",
        "budgets": "Budgets: create, list, show, change and close them.",
        "traces": "What happened to a request, span by span: list, show.",
        "experiments": "Compare models and prompts on real traffic: create, start, stop, results.",
        "alerts": "Budgets at a threshold, models without a price, anomalies: list, follow.",
        "anomalies": "What strayed from the usual: cost, errors, latency, tokens a call; how providers serve.",
        "keys": "Create, list and revoke API keys.",
    },
    "Prove and repair": {
        "verify": "Prove that the provider's bill, the attempts, the facts and the rollups agree.",
        "reprice": "Cost calls again at other prices; book those that had no price.",
        "reconcile": "Settle attempts, compare and adjust costs, from the provider's export.",
        "months": "Close months to adjustments, and list closed ones.",
        "replay": "Prove that facts and rollups are what the topic says, by making them again.",
        "streams": "The stateful processors: list, compare with their folds, make anew.",
        "dlq": "List, show and retry records that could not be read.",
    },
    "Stress": {
        "load": "Run a load test.",
        "chaos": "Kill parts of the stack at random under load, then verify.",
    },
}


def build(chosen: str | None) -> App:
    """The command tree. Only the chosen command's module is imported, whose own docstring is then its help."""
    app = App(
        name="observatory",
        help=HELP,
        help_format="markdown",
        version=lambda: version("llm-observatory"),
        default_parameter=Parameter(negative=()),
        result_action="return_int_as_exit_code_else_zero",
        suppress_keyboard_interrupt=False,
        console=Output(),
    )
    for position, (title, commands) in enumerate(COMMANDS.items()):
        group = Group(title, sort_key=position)
        for name, line in commands.items():
            help_line = None if name == chosen else line
            app.command(f"observatory.cli.{name}:{name}", name=name, help=help_line, group=group)
    return app


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code. `SystemExit` is raised for wrong usage (code 2)."""
    logging.basicConfig(level=logging.CRITICAL)
    try:
        _refuse_broken_text(arguments)
        return int(build(next(iter(arguments), None))(list(arguments)))
    except Problem as problem:
        sys.stderr.write(f"observatory: {problem}\n")
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing more to say, and nothing to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _refuse_broken_text(arguments: Sequence[str]) -> None:
    """Raises `Problem` for bytes that are no UTF-8: they can be neither published nor asked for."""
    for argument in arguments:
        if not argument.isascii() and any("\ud800" <= character <= "\udfff" for character in argument):
            raise wrong_usage(f"an argument is no UTF-8 text: {argument!a}")


def main() -> None:
    """The entry point of the `observatory` script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
