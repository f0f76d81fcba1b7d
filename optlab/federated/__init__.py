"""Federated methods with local steps."""
