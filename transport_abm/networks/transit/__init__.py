"""Transit: lines and timetables read, services, strategies, crowding, times."""
