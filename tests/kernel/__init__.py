"""The house rules that no other tool holds, as tests."""
