"""The bundled city `beijing-reference`, built by rule from published totals and hand-set places."""
