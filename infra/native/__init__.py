"""Kafka, PostgreSQL with TimescaleDB and our own programs on one machine, without containers."""
