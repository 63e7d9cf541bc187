"""Faults and bad input: each row of docs/faults.md, through the app."""
