-- Lists of traces are read in the order of an index, of one tenant or of all, with failed spans or whatever they hold.
DROP INDEX streams.traces_by_start;
CREATE INDEX traces_by_tenant ON streams.traces (tenant_id, start_us DESC, trace_id DESC);
CREATE INDEX traces_by_start ON streams.traces (start_us DESC, trace_id DESC);
CREATE INDEX traces_failed ON streams.traces (tenant_id, start_us DESC, trace_id DESC) WHERE errors > 0;
