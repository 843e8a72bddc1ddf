"""Records to one HTML page."""
