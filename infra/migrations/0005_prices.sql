-- The price book: what was known of prices, and since when. Rows are added and never changed.
CREATE TABLE ledger.price_versions (
  version     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name        text        NOT NULL UNIQUE,
  source      text        NOT NULL CHECK (source IN ('shipped', 'set', 'import')),
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  note        text        NOT NULL DEFAULT ''
);
COMMENT ON TABLE ledger.price_versions IS
  'the book "as of version N" is what was known with the versions up to N; versions are numbered in the order of their commits';
COMMENT ON COLUMN ledger.price_versions.name IS 'what facts carry as price_version: genai-prices/<package version>, book/<version>';

CREATE TABLE ledger.prices (
  version                bigint  NOT NULL REFERENCES ledger.price_versions,
  provider               text    NOT NULL,
  model                  text,
  tenant_id              text,
  region                 text,
  deployment             text,
  service_tier           text,
  valid_from             timestamptz,
  valid_to               timestamptz,
  daily_from             time,
  daily_to               time,
  above_tokens           bigint  NOT NULL DEFAULT 0 CHECK (above_tokens >= 0),
  input_usd_mtok          numeric CHECK (input_usd_mtok >= 0 AND input_usd_mtok < 'Infinity'),
  output_usd_mtok         numeric CHECK (output_usd_mtok >= 0 AND output_usd_mtok < 'Infinity'),
  cache_read_usd_mtok     numeric CHECK (cache_read_usd_mtok >= 0 AND cache_read_usd_mtok < 'Infinity'),
  cache_write_5m_usd_mtok numeric CHECK (cache_write_5m_usd_mtok >= 0 AND cache_write_5m_usd_mtok < 'Infinity'),
  cache_write_1h_usd_mtok numeric CHECK (cache_write_1h_usd_mtok >= 0 AND cache_write_1h_usd_mtok < 'Infinity'),
  input_audio_usd_mtok    numeric CHECK (input_audio_usd_mtok >= 0 AND input_audio_usd_mtok < 'Infinity'),
  output_audio_usd_mtok   numeric CHECK (output_audio_usd_mtok >= 0 AND output_audio_usd_mtok < 'Infinity'),
  input_image_usd_mtok    numeric CHECK (input_image_usd_mtok >= 0 AND input_image_usd_mtok < 'Infinity'),
  multipliers            jsonb   NOT NULL DEFAULT '{}',
  withdrawn              boolean NOT NULL DEFAULT false,
  list_position          int,
  list_match             jsonb,
  CHECK (valid_from < valid_to),
  CHECK (daily_from < daily_to),
  CHECK (model IS NOT NULL OR deployment IS NOT NULL),
  CHECK ((list_position IS NULL) = (list_match IS NULL)),
  UNIQUE NULLS NOT DISTINCT (version, provider, list_position, model, tenant_id, region, deployment, service_tier,
                             above_tokens, valid_from, daily_from)
);
COMMENT ON TABLE ledger.prices IS
  'USD for a million tokens of each bucket, from valid_from to valid_to (not included; null: no limit)';
COMMENT ON COLUMN ledger.prices.provider IS 'the price table: openai, azure, anthropic, …';
COMMENT ON COLUMN ledger.prices.service_tier IS 'null for standard service';
COMMENT ON COLUMN ledger.prices.daily_from IS 'with daily_to: the hours of the day (UTC) in which the price applies; null: from, or until, midnight';
COMMENT ON COLUMN ledger.prices.above_tokens IS 'the price of prompts of more tokens than that, cached ones included, as a whole';
COMMENT ON COLUMN ledger.prices.multipliers IS 'what the price is multiplied with in a service tier: {"batch": "0.5"}';
COMMENT ON COLUMN ledger.prices.withdrawn IS 'from this version on, earlier prices for the same do not apply in this period';
COMMENT ON COLUMN ledger.prices.list_match IS 'of a shipped list: which names the model goes by; the first in list_position that matches is the model';

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the price book is append-only: record a new version instead';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.price_versions
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.prices
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
