"""Answers for those who use a network: one image, a stream of images, a training set, several networks."""
