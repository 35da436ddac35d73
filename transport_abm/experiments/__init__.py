"""Designs of runs, their execution and their store (to come)."""
