"""From a lazy map of NEE to files and budgets: CF metadata, a store that survives a kill, NetCDF, carbon totals."""
