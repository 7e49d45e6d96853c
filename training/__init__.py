"""Manifests in, checkpoints out: the trainer knows no other name for data."""
