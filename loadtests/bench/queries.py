"""The statements of the bench, one a file."""

from pathlib import Path

_SQL = Path(__file__).parent / "sql"

APPLIED_RECORDS = (_SQL / "applied_records.sql").read_text()
COUNT_CALLS = (_SQL / "count_calls.sql").read_text()
VISIBLE_CALLS = (_SQL / "visible_calls.sql").read_text()
GENERATE_FACTS = (_SQL / "generate_facts.sql").read_text()
