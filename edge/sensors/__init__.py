"""Serial bytes to samples, levels and findings."""
