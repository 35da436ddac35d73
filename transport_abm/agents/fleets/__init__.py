"""Operators and their fleets: who renews what, when, under which rule."""
