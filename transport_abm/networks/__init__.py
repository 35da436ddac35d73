"""Where it happens: zones, roads, transit, skims, and how a city is built."""
