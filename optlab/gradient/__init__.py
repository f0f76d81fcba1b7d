"""Gradient methods: descent, momentum, acceleration."""
