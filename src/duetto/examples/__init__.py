"""Examples that are shipped with Duetto, as its demo and as input for its own tests."""
