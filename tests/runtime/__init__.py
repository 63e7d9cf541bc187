"""The runtime: how many tasks run at a time."""
