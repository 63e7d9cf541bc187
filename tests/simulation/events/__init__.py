"""Simulated events, held against what was promised by what can be seen from outside."""
