"""Bilevel optimization."""
