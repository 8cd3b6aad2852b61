-- A trace of three spans for every twentieth call of the day that begins at $1, as the stream workers keep it.
INSERT INTO streams.traces (part, key, version, touched_at, state)
SELECT topic_partition, tenant_id || E'\x1e' || trace_id, 3, started_at,
       jsonb_build_object(
         'tenant_id', tenant_id, 'trace_id', trace_id,
         'sums', jsonb_build_object('spans', 3, 'errors', failed::int, 'calls', 1, 'unpriced_calls', 0,
           'input_tokens', uncached_input_tokens, 'output_tokens', output_tokens, 'cost_usd', cost_usd::text,
           'start_us', us, 'end_us', us + 4000 + took),
         'first', jsonb_build_object('orphan', false, 'start_us', us, 'span_id', id || '1', 'service', 'gateway',
           'name', 'POST /v1/chat/completions'),
         'services', jsonb_build_array('chat', 'gateway'), 'models', jsonb_build_array(response_model),
         'conversation_ids', jsonb_build_array(conversation_id), 'user_ids', jsonb_build_array(user_id),
         'spans', jsonb_build_object(
           id || '1', jsonb_build_array('', 'gateway', 'POST /v1/chat/completions', us, us + 4000 + took, false, NULL),
           id || '2', jsonb_build_array(id || '1', 'chat', 'chat.requested', us + 1000, us + 3000 + took, false, NULL),
           id || '3', jsonb_build_array(id || '2', 'chat', 'chat', us + 2000, us + 2000 + took, failed,
             jsonb_build_array(provider, response_model, cost_usd::text, uncached_input_tokens, output_tokens))),
         'rest', NULL, 'rest_ids', '', 'forgotten', 0)
  FROM ledger.calls,
       LATERAL (SELECT replace(request_id::text, '-', '') AS trace_id, status = 'error' AS failed,
                       substr(replace(call_id::text, '-', ''), 1, 15) AS id, (total_ms * 1000)::bigint AS took,
                       (extract(epoch FROM started_at) * 1000000)::bigint AS us) AS t
 WHERE started_at >= $1::timestamptz AND started_at < $1::timestamptz + interval '1 day'
   AND topic_offset % 20 = 0 AND attempt = 1
