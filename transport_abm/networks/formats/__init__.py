"""Networks and results in other tools' files: TNTP, GMNS, MATSim, and link results as Parquet."""
