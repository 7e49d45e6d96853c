"""Thin adapters of the two primitives, map and exchange."""
