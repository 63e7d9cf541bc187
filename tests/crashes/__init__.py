"""The shop survives kills at random instants and at named points."""
