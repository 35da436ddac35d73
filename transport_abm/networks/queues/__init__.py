"""Spatial queue: a day of vehicles that drive, wait, spill back and stop, link by link."""
