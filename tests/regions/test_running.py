"""What float32 may do to a class: bounded, counted, and never more than the bound."""

import numpy as np
import pytest

from featgeom import AffineHead
from featgeom.errors import BadArgument
from featgeom.regions.running import as_run


def in_float32(head, points, order):
    """Logits in float32, summed in one order of the coordinates, one rounding after the other."""
    z, w = points.astype(np.float32)[:, order], head.weight.astype(np.float32)[:, order]
    total = np.zeros((len(points), head.classes), np.float32)
    for j in range(len(order)):
        total = total + z[:, [j]] * w[:, j]
    return total + head.bias.astype(np.float32)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_no_order_of_summation_moves_a_lead_by_more_than_the_radius(scale):
    rng = np.random.default_rng(0)
    head = AffineHead(rng.normal(size=(5, 40)).astype(np.float32), rng.normal(size=5).astype(np.float32))
    points = (scale * rng.normal(size=(300, 40))).astype(np.float32)
    # samples between two classes, as near as float32 gets
    along = head.weight[0] - head.weight[1]
    lead = points[1::2] @ along + head.bias[0] - head.bias[1]
    points = np.vstack([points, (points[1::2] - np.outer(lead / (along @ along), along)).astype(np.float32)])
    exact = points.astype(np.float64) @ head.weight.T + head.bias
    rows = np.arange(len(points))
    for _ in range(12):
        logits = in_float32(head, points, rng.permutation(40)).astype(np.float64)
        found = as_run(head, points, logits.argmax(axis=1))
        moved = (logits[rows, found.classes][:, None] - logits) - (
            exact[rows, found.classes][:, None] - exact
        )
        assert (np.abs(moved) <= found.radius[:, None]).all()
        assert not found.safe[found.differ].any()
        assert (found.differ == np.flatnonzero(logits.argmax(axis=1) != found.classes)).all()
        assert found.certificate.check().tally == {"PROVED": len(points)}


def test_a_class_that_float32_gives_another_is_counted():
    """A hair above the diagonal, which float32 does not tell from it."""
    head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
    points = np.array([[1.0, 1.0 + 2.0**-30], [3.0, 1.0]])
    as_float32 = (points.astype(np.float32) @ head.weight.T.astype(np.float32)).argmax(axis=1)
    found = as_run(head, points, as_float32)
    assert found.classes.tolist() == [1, 0]
    assert found.differ.tolist() == [0]
    assert found.safe.tolist() == [False, True]


def test_predictions_are_classes():
    head = AffineHead(np.eye(2))
    with pytest.raises(BadArgument, match="predictions"):
        as_run(head, [[1.0, 0.0]], [2])
    with pytest.raises(BadArgument, match="predictions"):
        as_run(head, [[1.0, 0.0]], [0, 1])
