"""Decentralized methods on gossip graphs."""
