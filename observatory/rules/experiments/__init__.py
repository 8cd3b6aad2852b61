"""Experiments: who gets which variant, what that changes, and what may be concluded from it, at any time."""
