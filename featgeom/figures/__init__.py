"""Records to plots and 3-D scenes."""
