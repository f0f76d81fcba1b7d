"""Compressors and methods with compressed messages."""
