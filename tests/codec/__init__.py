"""Tests of the codec, of types as data, and of symbols."""
