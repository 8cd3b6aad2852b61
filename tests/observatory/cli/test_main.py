"""The command line as a whole: quick help, clear refusals, exit codes. Nothing runs behind it here."""

import os
import subprocess
import sys

import pytest

from observatory.cli.main import COMMANDS, run
from observatory.cli.output import stdout, table
from tests.observatory.cli.conftest import CHECKOUT, run_cli

NOWHERE = {
    "OBSERVATORY_KAFKA": "127.0.0.1:1",
    "OBSERVATORY_DATABASE_URL": "postgresql://observatory:secret@127.0.0.1:1/observatory",
    "OBSERVATORY_SIMULATOR_URL": "http://127.0.0.1:1",
    "OBSERVATORY_HTTP_PORT": "1",
}
NAMES = [name for commands in COMMANDS.values() for name in commands]


def test_help_lists_every_command_without_importing_what_they_need() -> None:
    script = (
        "import sys; from observatory.cli.main import run\n"
        "try: run(['--help'])\n"
        "finally: print([name for name in ('aiokafka', 'asyncpg', 'pydantic', 'aiohttp') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
    assert all(name in ran.stdout for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_command_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    usage, *rest = capsys.readouterr().out.splitlines()
    assert f"observatory {name}" in usage
    assert any(f"observatory {name}" in line for line in rest) or name in ("migrate", "demo")


@pytest.mark.parametrize(
    "arguments",
    [
        ("publish", "Hello"),
        ("publish", "Hello", "--wait"),
        ("subscribe",),
        ("costs",),
        ("keys", "list"),
        ("verify",),
        ("reconcile",),
        ("dlq", "list"),
        ("migrate",),
        ("demo",),
        ("load",),
    ],
)
async def test_a_service_that_is_away_is_one_line_that_says_what_was_tried(arguments: tuple[str, ...]) -> None:
    ran = await run_cli(*arguments, environment=NOWHERE)
    assert ran.code == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("observatory: ")
    assert "127.0.0.1:1" in line
    assert "secret" not in line


async def test_status_says_what_it_can_when_everything_is_away() -> None:
    ran = await run_cli("status", "--json", environment=NOWHERE)
    assert ran.code == 1
    shown = ran.json()
    assert isinstance(shown, dict)
    assert len(shown["problems"]) == 3
    assert shown["lags"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("costs", "--since", "yesterday"), "is no time"),
        (("publish", "Hello", "--tag", "x"), "key=value"),
        (("publish", "Hello", "--file", "x"), "not both"),
        (("publish", "Hello", "--count", "0"), "at least 1"),
        (("publish", "--file", "/nowhere/x.jsonl"), "there is no file"),
        (("publish", "Hello", "--use-history"), "use_history needs a conversation_id"),
        (("dlq", "show", "nope"), "there is no topic"),
        (("costs", "--by", "colour"), "colour"),
        (("nonsense",), "nonsense"),
        (("costs", "--since", "99999999999d"), "longer than fifty years"),
        (("costs", "--since", "0001-01-01T00:00:00+14:00"), "not between the years"),
        (("costs", "--groups", "0"), "Must be >= 1"),
        (("publish", "Hello", "--wait", "--timeout", "9" * 400 + "w"), "longer than fifty years"),
        (("publish", "broken \udcff text"), "no UTF-8 text: 'broken \\udcff text'"),
        (("traces", "list", "--min-ms", "nan"), "--min-ms"),
        (("traces", "list", "--min-cost", "1e999999999"), "is no amount"),
        (("dlq", "show", "chat.requests", "--limit", "-1"), "Must be >= 1"),
        (("budgets", "set", "x", "--limit", "nan"), "a finite number"),
        (("keys", "create", "--tenant", ""), "printable characters"),
        (("prices", "import", "/nowhere/prices"), "and there is no such file"),
        (("reprice", "--file", "/nowhere/prices.csv"), "No such file"),
        (("load", "--users", "0"), "Must be >= 1"),
        (("up", "--chat-workers", "1000"), "Must be <= 256"),
        (("chaos", "--kills", "-1"), "Must be >= 0"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_wrong(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    assert exit_code(arguments) == 2
    printed = capsys.readouterr()
    assert says in printed.out + printed.err


@pytest.mark.parametrize("arguments", [("--help",), ("costs", "--help"), ("down", "--help")])
def test_a_reader_that_goes_away_is_no_failure(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "observatory.cli.main", *arguments]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_a_table_whose_reader_has_gone_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        with pytest.raises(BrokenPipeError):
            stdout().print(table(["model"]))
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)


def exit_code(arguments: tuple[str, ...]) -> object:
    try:
        return run(arguments)
    except SystemExit as ended:
        return ended.code


async def test_a_bad_setting_is_exit_code_2_and_names_the_variable() -> None:
    ran = await run_cli("costs", environment={"OBSERVATORY_HTTP_PORT": "many"})
    assert ran.code == 2
    assert "OBSERVATORY_HTTP_PORT" in ran.stderr
    assert "Traceback" not in ran.stderr
