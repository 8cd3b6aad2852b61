-- Lists of conversations are ranked from an index alone, whatever they are ordered by; states are read for one page.
DROP INDEX streams.conversations_by_tenant, streams.conversations_by_activity, streams.conversations_by_cost;
CREATE INDEX conversations_by_tenant ON streams.conversations (tenant_id, last_us, key, part)
  INCLUDE (cost_usd, tokens, rating);
CREATE INDEX conversations_by_activity ON streams.conversations (last_us, key, part)
  INCLUDE (cost_usd, tokens, rating);
