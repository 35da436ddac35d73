"""The plan as data: scenarios, levers, targets, measures, parameters."""
