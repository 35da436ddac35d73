"""Ground floor: columns, draws, parameters, steps, words. Knows no transport."""
