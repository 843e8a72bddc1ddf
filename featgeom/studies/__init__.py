"""Whole analyses composed from the floors below, and what a run stores."""
