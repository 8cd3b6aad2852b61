-- Scores that are about no call: of a conversation as a whole, or of a request of which no call is known (yet). Cells as
-- those of quality, without provider, model and prompt version.
CREATE TABLE streams.unattached (LIKE streams.quality INCLUDING ALL) WITH (fillfactor = 70);

-- The key of a state by its parts, as `streams.engine.fold.key_of` makes it.
CREATE FUNCTION streams.key_of(VARIADIC parts text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(joined) <= 1000 THEN joined
              ELSE 'sha256:' || encode(sha256(convert_to(joined, 'UTF8')), 'hex') END
  FROM (SELECT array_to_string(parts, E'\x1e') AS joined) AS whole
$$;
