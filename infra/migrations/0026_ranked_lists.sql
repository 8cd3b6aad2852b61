-- Conversations by what they cost, their tokens, their rating: a list begins at the end of an index and ends with its page,
-- whoever's they are and whenever they were.
CREATE INDEX conversations_by_cost ON streams.conversations (cost_usd, key, part) INCLUDE (last_us, tenant_id);
CREATE INDEX conversations_by_tokens ON streams.conversations (tokens, key, part) INCLUDE (last_us, tenant_id);
CREATE INDEX conversations_by_rating ON streams.conversations (coalesce(rating, -1), key, part)
  INCLUDE (last_us, tenant_id, rating);
DROP INDEX streams.conversations_by_tenant, streams.conversations_by_activity;
CREATE INDEX conversations_by_tenant ON streams.conversations (tenant_id, last_us, key, part);
CREATE INDEX conversations_by_activity ON streams.conversations (last_us, key, part);

-- All that an experiment's results are read from, without the states.
DROP INDEX streams.experiment_units_by_experiment;
CREATE INDEX experiment_units_by_experiment ON streams.experiment_units (tenant_id, experiment_id, experiment_version)
  INCLUDE (variant_id, first_us, requests, failed, calls, unpriced_calls, cost_usd, answered, latency_us, ratings,
           rating_millionths);
