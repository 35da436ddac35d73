"""Who decides: households, persons, tours, mode choice."""
