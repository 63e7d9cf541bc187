"""Guards switched off one at a time: a guard that no seed misses is not tested."""
