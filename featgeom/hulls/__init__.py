"""Convex hulls of points: projection, membership, separation and extent, each certified."""
