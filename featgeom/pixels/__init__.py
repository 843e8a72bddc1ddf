"""What needs the network's derivative: inversion, pixel flips, morphs and pixel slices."""
