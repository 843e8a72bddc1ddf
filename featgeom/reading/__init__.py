"""Bytes of a checkpoint file → inert objects and tensors. Nothing that a file says is ever run."""
