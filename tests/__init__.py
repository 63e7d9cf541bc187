"""The tests of Duetto, in folders named like what they test."""
