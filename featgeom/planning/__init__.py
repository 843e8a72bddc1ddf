"""What the studies of a run will take, before it is made."""
