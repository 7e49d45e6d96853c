"""Checkpoints and manifests in, results out."""
