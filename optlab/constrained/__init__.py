"""Methods for constrained problems: projection, linear minimization, mirror maps."""
