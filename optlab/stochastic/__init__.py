"""Stochastic gradient methods and variance reduction."""
