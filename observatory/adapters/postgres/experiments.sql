-- Experiments: versions are added, states go from draft to running to stopped.

-- name: changes
SELECT version FROM app.experiment_changes;

-- name: raise_changes
-- Taken first by whoever changes anything: changes come one by one.
UPDATE app.experiment_changes SET version = version + 1;

-- name: running
-- With the number of the last change, of which there is one row also when nothing runs.
SELECT c.version AS changes, e.tenant_id, e.experiment_id, e.state, e.version, e.created_at, e.changed_at, e.started_at,
       e.stopped_at, v.definition
  FROM app.experiment_changes c
  LEFT JOIN (app.experiments e JOIN app.experiment_versions v USING (tenant_id, experiment_id, version))
    ON e.state = 'running'
 ORDER BY e.tenant_id, e.started_at, e.experiment_id;

-- name: list
-- Of one tenant or of all ($1 null), one of them or all ($2 null); latest first.
SELECT tenant_id, experiment_id, e.state, version, e.created_at, e.changed_at, e.started_at, e.stopped_at, v.definition
  FROM app.experiments e
  JOIN app.experiment_versions v USING (tenant_id, experiment_id, version)
 WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR experiment_id = $2)
 ORDER BY e.created_at DESC, tenant_id, experiment_id;

-- name: definition
SELECT definition FROM app.experiment_versions WHERE tenant_id = $1 AND experiment_id = $2 AND version = $3;

-- name: create
INSERT INTO app.experiments (tenant_id, experiment_id) VALUES ($1, $2)
ON CONFLICT (tenant_id, experiment_id) DO NOTHING
RETURNING version;

-- name: add_version
INSERT INTO app.experiment_versions (tenant_id, experiment_id, version, definition) VALUES ($1, $2, $3, $4);

-- name: set_version
UPDATE app.experiments SET version = $3, changed_at = now() WHERE tenant_id = $1 AND experiment_id = $2;

-- name: start
UPDATE app.experiments SET state = 'running', started_at = now(), changed_at = now()
 WHERE tenant_id = $1 AND experiment_id = $2;

-- name: stop
UPDATE app.experiments SET state = 'stopped', stopped_at = now(), changed_at = now()
 WHERE tenant_id = $1 AND experiment_id = $2;

-- name: delete
WITH versions AS (
  DELETE FROM app.experiment_versions WHERE tenant_id = $1 AND experiment_id = $2
)
DELETE FROM app.experiments WHERE tenant_id = $1 AND experiment_id = $2;
