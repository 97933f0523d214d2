"""Small measurements behind decisions; each runs by itself."""
