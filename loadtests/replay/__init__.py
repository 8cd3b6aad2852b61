"""Replays a real arrival trace through the platform and checks the bill against one made from the file alone."""
