"""The same questions asked of one set of samples in several spaces."""
