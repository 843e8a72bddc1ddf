"""Where classes tie: flip points, crossings, slices and arrangements in feature space."""
