"""Energy, emissions, converted turnover and decomposition: what a year of transport emits and why it changes."""
