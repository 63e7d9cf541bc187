"""One workflow under every placement, in one store and in several."""
