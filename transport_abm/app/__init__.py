"""The browser page (to come)."""
