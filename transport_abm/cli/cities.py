"""Commands about cities (placeholder until the city tools land)."""
