"""What users and adapters test with: suites that hold an implementation to its contract."""
