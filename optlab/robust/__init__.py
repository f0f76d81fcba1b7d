"""Robust aggregation."""
