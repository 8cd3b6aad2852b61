"""The statements of the bench, one a file."""

from pathlib import Path

_SQL = Path(__file__).parent / "sql"

APPLIED_RECORDS = (_SQL / "applied_records.sql").read_text()
COUNT_CALLS = (_SQL / "count_calls.sql").read_text()
VISIBLE_CALLS = (_SQL / "visible_calls.sql").read_text()
ANALYTICS_COST = (_SQL / "analytics_cost.sql").read_text()
ANALYTICS_ROLLED = (_SQL / "analytics_rolled.sql").read_text()
ANALYTICS_HOLD = (_SQL / "analytics_hold.sql").read_text()
ANALYTICS_RELEASE = (_SQL / "analytics_release.sql").read_text()
GENERATE_DAY = (_SQL / "generate_day.sql").read_text()
GENERATE_MINUTES = (_SQL / "generate_minutes.sql").read_text()
GENERATE_CONVERSATIONS = (_SQL / "generate_conversations.sql").read_text()
GENERATE_QUALITY = (_SQL / "generate_quality.sql").read_text()
GENERATE_TRACES = (_SQL / "generate_traces.sql").read_text()
GENERATE_USERS = (_SQL / "generate_users.sql").read_text()
GENERATE_UNITS = (_SQL / "generate_units.sql").read_text()
GENERATE_RECOMMENDATIONS = (_SQL / "generate_recommendations.sql").read_text()
GENERATE_FACTS = (_SQL / "generate_facts.sql").read_text()
STREAMED_RECORDS = (_SQL / "streamed_records.sql").read_text()
