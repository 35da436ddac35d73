"""Energy, emissions, converted turnover and the ledger of targets (to come)."""
