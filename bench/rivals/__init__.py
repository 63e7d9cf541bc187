"""The rivals' side of the benchmarks: the same workloads in other engines.

A rival is a module with one function, `measure(workload, concurrency, seconds, directory)`, that
returns the median units per second, or None where the rival is absent; `faststream` handles events,
and has `round_of` instead. Each runs in a child process with a virtual environment of its own. The
settings and their reasons are in README.md.
"""
