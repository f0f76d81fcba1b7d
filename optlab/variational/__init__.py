"""Variational inequalities and saddle points."""
