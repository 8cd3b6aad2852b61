"""The wire contract: events on the topics, the topic catalogue, HTTP bodies. Imports nothing of ours."""
