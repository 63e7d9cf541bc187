"""Tests of the compiler from Python functions to definitions."""
