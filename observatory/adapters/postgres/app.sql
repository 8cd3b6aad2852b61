-- What people keep: conversations with their turns, and API keys.

-- name: create_conversation
INSERT INTO app.conversations (tenant_id, conversation_id, title, user_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, conversation_id) DO NOTHING
RETURNING conversation_id, title, user_id, created_at, updated_at;

-- name: conversation
SELECT conversation_id, title, user_id, created_at, updated_at
  FROM app.conversations WHERE tenant_id = $1 AND conversation_id = $2;

-- name: touch_conversation
UPDATE app.conversations SET updated_at = now() WHERE tenant_id = $1 AND conversation_id = $2;

-- name: conversations
-- Latest first. $2 and $3 are the last row of the page before (null for the first page).
SELECT conversation_id, title, user_id, created_at, updated_at
  FROM app.conversations
 WHERE tenant_id = $1
   AND ($2::timestamptz IS NULL OR updated_at < $2 OR (updated_at = $2 AND conversation_id > $3))
 ORDER BY updated_at DESC, conversation_id LIMIT $4;

-- name: turns
-- Oldest first. $3 is the last turn of the page before (0 for the first page).
SELECT turn, request_id, messages, created_at
  FROM app.turns WHERE tenant_id = $1 AND conversation_id = $2 AND turn > $3 ORDER BY turn LIMIT $4;

-- name: create_key
INSERT INTO app.api_keys (key_id, tenant_id, name, key_sha256) VALUES ($1, $2, $3, $4)
RETURNING key_id, tenant_id, name, created_at, revoked_at;

-- name: keys
SELECT key_id, tenant_id, name, created_at, revoked_at FROM app.api_keys ORDER BY created_at, key_id;

-- name: revoke_key
UPDATE app.api_keys SET revoked_at = now() WHERE key_id = $1 AND revoked_at IS NULL;

-- name: valid_keys
SELECT key_sha256, key_id, tenant_id FROM app.api_keys WHERE revoked_at IS NULL;

-- name: valid_key
SELECT key_sha256, key_id, tenant_id FROM app.api_keys WHERE key_sha256 = $1 AND revoked_at IS NULL;

-- name: any_key
-- Revoked ones count: taking the last key away must not open the door.
SELECT EXISTS (SELECT FROM app.api_keys);

-- name: request
-- What the journal knows of a request.
SELECT request_id, body_sha256, state, outcome, attempts, record_key, conversation_id, published_at, claimed_at,
       finished_at
  FROM journal.requests WHERE tenant_id = $1 AND request_id = $2;

-- name: attempts
SELECT attempt, call_id, provider, model, status, cost_usd, cost_state, started_at
  FROM journal.attempts WHERE tenant_id = $1 AND request_id = $2 ORDER BY attempt;
