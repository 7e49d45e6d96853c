"""Fetches what is public of a recipe's sources; README.md says how."""
