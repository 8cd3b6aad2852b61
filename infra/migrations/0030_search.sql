-- Names by their beginning, in whatever collation the database has: of users (what asks for a whole name uses it as it
-- used the index before) and of conversations.
DROP INDEX streams.users_by_tenant;
CREATE INDEX users_by_tenant ON streams.users (tenant_id, user_id text_pattern_ops);
CREATE INDEX conversations_by_name ON streams.conversations (tenant_id, conversation_id text_pattern_ops);
