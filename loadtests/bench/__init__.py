"""`make bench`: throughput and latency of a whole stack of its own, with CPU by process."""
