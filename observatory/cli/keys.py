"""`observatory keys`: API keys, which carry the tenant of their requests. The key itself is shown once and not kept."""

from datetime import datetime
from typing import Annotated

from cyclopts import App, Parameter

from observatory.adapters.postgres.app import ApiKey, ApiKeys
from observatory.cli.options import Json, parse_name
from observatory.cli.output import add_row, print_json, stderr, stdout, table
from observatory.cli.outside import database, settings
from observatory.cli.problems import Problem

keys = App(
    name="keys",
    help="""Create, list and revoke API keys.

While no key exists the gateway listens on loopback only and takes any bearer for the tenant `default`.

Some uses:

`observatory keys create --tenant acme --name "web shop"`

`observatory keys list`

`observatory keys revoke KEY_ID`""",
)


@keys.command
async def create(
    *,
    name: Annotated[str, Parameter(help="What it is for.")] = "",
    tenant: Annotated[str, Parameter(help="Whose requests it makes.")] = "default",
    json: Json = False,
) -> int:
    """Create a key and print it, once: only its hash is kept."""
    owner = parse_name("--tenant", tenant)
    async with database(settings().database_url) as pool:
        key, text = await ApiKeys(pool).create(owner, name)
    if json:
        print_json({**_figures(key), "key": text})
    else:
        stdout().print(text, markup=False)
        stderr().print(f"Key {key.key_id} of tenant {key.tenant_id}. It is shown this once: keep it now.", markup=False)
    return 0


@keys.command(name="list")
async def list_keys(*, json: Json = False) -> int:
    """List all keys, revoked ones too; the keys themselves are not kept."""
    async with database(settings().database_url) as pool:
        found = await ApiKeys(pool).all()
    if json:
        print_json([_figures(key) for key in found], indent=True)
        return 0
    rows = table(["key id", "tenant", "name", "created", "revoked"], left=5)
    for key in found:
        add_row(rows, key.key_id, key.tenant_id, key.name, key.created_at, key.revoked_at)
    stdout().print(rows if found else "There are no keys: the gateway takes any bearer, on loopback only.")
    return 0


@keys.command
async def revoke(key_id: Annotated[str, Parameter(help="As `observatory keys list` shows it.")], /) -> int:
    """Revoke a key: the gateways refuse it within moments."""
    async with database(settings().database_url) as pool:
        revoked = await ApiKeys(pool).revoke(key_id)
    if not revoked:
        raise Problem(f"there is no valid key {key_id!r}; 'observatory keys list' shows them")
    stderr().print(f"Key {key_id} is revoked.", markup=False)
    return 0


def _figures(key: ApiKey) -> dict[str, str | datetime | None]:
    return {
        "key_id": key.key_id,
        "tenant_id": key.tenant_id,
        "name": key.name,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
