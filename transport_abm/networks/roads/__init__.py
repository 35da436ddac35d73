"""Roads: links with their costs, cheapest ways, equilibrium, skims."""
