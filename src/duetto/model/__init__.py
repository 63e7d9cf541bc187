"""Frozen values: definitions, tokens, inputs, effects, messages, records and views."""
