"""A sealed corpus in the formats of others, derived from what the store holds."""
