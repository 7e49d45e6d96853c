"""The maps and reduces of each stage: pure functions from parts to parts, called by any engine."""
