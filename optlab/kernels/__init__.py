"""Kernels: leaves that take arrays and know no problem and no method."""
