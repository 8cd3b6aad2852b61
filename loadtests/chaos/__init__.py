"""Kills parts of a running stack under load, then proves that not one call was lost or doubled."""
