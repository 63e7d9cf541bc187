"""A pipeline on readings of the air: four services that know nothing but events."""
