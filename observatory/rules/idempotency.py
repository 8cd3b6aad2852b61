"""When are two requests with one `request_id` the same request? When what they ask for is the same."""

import hashlib

import orjson

from schemas.chat import ChatRequested


def body_sha256(request: ChatRequested) -> bytes:
    """SHA-256 of the request as it was understood: field order, spacing and unknown fields make no difference.

    The deadline and the key that was used are left out: a client that repeats a request moves both.
    """
    body = orjson.loads(request.model_dump_json(exclude={"deadline", "api_key_id"}, exclude_none=True))
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
