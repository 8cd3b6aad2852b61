"""Who may ask: API keys and the tenants that they carry.

The valid keys are held here and read again every two seconds, so a revoked key dies within five, a new one works at
once, and known keys go on while the database is away. While no key was ever created anybody is let in as the tenant
`default`; that is allowed on a loopback address only.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from observatory.adapters.postgres.app import ApiKeys, ValidKey, key_sha256
from schemas.chat import DEFAULT_TENANT
from workers.gateway.database import Database, DatabaseAway
from workers.gateway.refusals import not_available, unauthorised

log = logging.getLogger(__name__)

REFRESH_S = 2.0
_HINT = "create one with 'observatory keys create' and send it as 'Authorization: Bearer …'"


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks: the tenant, and the key that was shown (None: none was needed)."""

    tenant_id: str
    api_key_id: str | None


ANYBODY = Access(DEFAULT_TENANT, None)


class OpenToAll(Exception):
    """No key exists and the address can be reached from elsewhere."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class KeyRing:
    """The keys that are valid now."""

    def __init__(self, database: Database, *, loopback: bool) -> None:
        self._database = database
        self._loopback = loopback
        self._keys: dict[bytes, Access] | None = None
        self._keys_exist = False
        self._refreshing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reads the keys and goes on reading them. Raises `OpenToAll`.

        On an address that others can reach it waits for the database, since the rule cannot be checked without it.
        """
        await self._refresh()
        while self._keys is None and not self._loopback:
            await asyncio.sleep(REFRESH_S)
            await self._refresh()
        if not (self._keys_exist or self._loopback):
            raise OpenToAll("while no API key exists the gateway listens on a loopback address only; " + _HINT)
        self._refreshing = asyncio.create_task(self._refresh_for_ever(), name="keys")

    @property
    def known(self) -> bool:
        """True once the keys have been read."""
        return self._keys is not None

    async def stop(self) -> None:
        """Stops reading."""
        if self._refreshing:
            self._refreshing.cancel()

    async def admit(self, headers: Mapping[bytes, bytes]) -> Access:
        """Whom the request's key lets in. Raises `Refusal`: 401, or 503 when that cannot be known."""
        if self._keys is None:
            raise not_available("the gateway has not reached its database since it started; try again")
        if not self._keys_exist and self._loopback:
            return ANYBODY
        key = _shown(headers)
        if key is None:
            raise unauthorised(f"an API key is needed; {_HINT}")
        sha256 = key_sha256(key)
        return self._keys.get(sha256) or await self._find(sha256)

    async def _find(self, sha256: bytes) -> Access:
        """A key that is not known here may have been created a moment ago."""
        found = await self._database.run_or_refuse(lambda pool: ApiKeys(pool).find(sha256))
        if found is None:
            raise unauthorised(f"this API key is not valid; {_HINT}")
        return Access(found.tenant_id, found.key_id)

    async def _refresh_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            keys = await self._database.run(lambda pool: ApiKeys(pool).valid())
            exist = bool(keys) or await self._database.run(lambda pool: ApiKeys(pool).any_exists())
        except DatabaseAway as error:
            log.warning("API keys: the database is away (%s); the known ones stay valid", error)
            return
        self._keys, self._keys_exist = _by_hash(keys), exist


def _by_hash(keys: list[ValidKey]) -> dict[bytes, Access]:
    return {key.key_sha256: Access(key.tenant_id, key.key_id) for key in keys}


def _shown(headers: Mapping[bytes, bytes]) -> str | None:
    authorization = headers.get(b"authorization", b"")
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() == b"bearer" and token.strip():
        return token.strip().decode("latin-1")
    other = headers.get(b"x-api-key") or headers.get(b"api-key")
    return other.decode("latin-1") if other else None
