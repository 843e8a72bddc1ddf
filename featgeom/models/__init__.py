"""Checkpoints to classifiers: a backbone, an affine head and its pixel space."""
