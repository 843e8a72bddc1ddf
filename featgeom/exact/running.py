"""A network at one image, with twice the digits of float64: what its features are, to an error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featgeom.arrays import Float64
from featgeom.exact.doubled import FINE, Doubled, plus
from featgeom.exact.layers import Affine, Kink, Largest, Layer, Sum
from featgeom.exact.rounding import lengths_above, rounded_up
from featgeom.exact.single import Known, up


@np.errstate(over="ignore", invalid="ignore")
def features_apart(layers: Sequence[Layer], image: Float64, point: Float64) -> float:
    """No less than how far the features of an image (m,) are from a point (d,); the head comes last."""
    known = _features(layers, image)
    rows, error = known.rounded
    apart = np.abs(rows[:, 0, 0] - point)
    return float(rounded_up(lengths_above(up(apart + error[:, 0, 0])[None]), len(point))[0])


def _features(layers: Sequence[Layer], image: Float64) -> Known:
    """The features, each known to an error."""
    how = Doubled()
    values = [how.pixels(image[None], np.zeros(0), 1.0)]
    for layer in layers[:-1]:
        x = values[layer.source]
        if isinstance(layer, Affine):
            values.append(how.affine(layer, x))
        elif isinstance(layer, Sum):
            values.append(how.total(x, values[layer.other]))
        elif isinstance(layer, Kink):
            values.append(_kinked(how, layer, x))
        else:
            values.append(_largest(layer, x))
    return values[-1]


def _kinked(how: Doubled, layer: Kink, x: Known) -> Known:
    """Each entry on the side where it looks to be; on either it stretches no distance."""
    bent = how.sloped(x, (x.rows[..., 0] > 0).astype(np.int64), layer.share)
    return Known(bent.rows, np.maximum(bent.error, x.error), bent.rest)


def _largest(layer: Largest, x: Known) -> Known:
    """Of each window the entry that looks largest, and how much larger another may be."""
    assert x.rest is not None
    real, index = layer.real, np.maximum(layer.index, 0)
    rows, rest, error = (part[:, 0, 0] for part in (x.rows, x.rest, x.error))
    lead = np.where(real, rows[index], -np.inf).argmax(axis=0)
    chosen = index[lead, np.arange(layer.size)]
    ahead, left = plus((rows[index], rest[index]), (-rows[chosen], -rest[chosen]))
    doubt = up(error[index] + np.abs(left) + FINE * (np.abs(rows[index]) + np.abs(rows[chosen])))
    more = np.where(real, np.maximum(ahead + doubt, 0.0), 0.0).max(axis=0)
    found = x[chosen]
    return Known(found.rows, up(found.error + more[:, None, None]), found.rest)
