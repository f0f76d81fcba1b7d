"""Sampling from log-concave densities."""
