"""Cells of the head, their adjacency, and regions with a guaranteed class."""
