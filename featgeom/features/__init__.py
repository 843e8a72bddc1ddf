"""Classifier and images to features, and their store on disk."""
