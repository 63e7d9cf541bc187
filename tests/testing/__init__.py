"""What users test with, used as they use it."""
