"""Splitting and fixed-point iterations."""
