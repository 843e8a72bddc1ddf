"""Reference networks, recipes, and series of checkpoints."""
