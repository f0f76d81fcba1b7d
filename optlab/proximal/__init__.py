"""Proximal methods for composite problems."""
