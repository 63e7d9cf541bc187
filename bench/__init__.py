"""Benchmarks: Duetto beside its floor and beside its rivals."""
