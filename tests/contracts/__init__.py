"""Topology, contracts, and what AsyncAPI says of them."""
