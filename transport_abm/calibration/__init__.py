"""Fitting parameters to observations, with years held out (to come)."""
