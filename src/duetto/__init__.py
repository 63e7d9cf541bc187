"""Coordinate services by orchestration, choreography or any mixture of the two."""
