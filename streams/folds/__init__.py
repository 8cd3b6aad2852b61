"""The stateful processors, and what they relay."""
