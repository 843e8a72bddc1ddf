"""Heads and features near the limits of float64: right, or refused in words, never a warning or a NaN."""

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadArgument, Unsupported
from featgeom.status import Status

PLANE = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
HEADS = {
    "beyond squares": fg.AffineHead([[1.5e308], [1e308], [1.25e308]], [0.0, 0.0, -1.0]),
    "1e200": fg.AffineHead(1e200 * PLANE, [0.0, 0.0, 1e200]),
    "1e150": fg.AffineHead(1e150 * PLANE, [0.0, 0.0, 1e150]),
    "1e-150": fg.AffineHead(1e-150 * PLANE, [0.0, 0.0, 1e-150]),
    "1e-200": fg.AffineHead(1e-200 * PLANE, [0.0, 0.0, 1e-200]),
    "denormal": fg.AffineHead(5e-324 * PLANE, [0.0, 0.0, 5e-324]),
    "mixed": fg.AffineHead([[1e150, 1e-150], [1e-150, 1e150], [0, 0]], [0.0, 1e-150, 1e150]),
    "biases": fg.AffineHead(PLANE, [1e308, -1e308, 0.0]),
}
SCALES = [1e-300, 1e-150, 1.0, 1e150, 1e300]


def questions(head, z, domain, scale):
    """Every question about a head, by name."""
    cells = fg.Cells(head, domain)
    yield "margins", lambda: cells.margins(z)
    yield "radius", lambda: cells.radius(z)
    yield "guarantee", lambda: cells.guarantee(z, 0)
    yield "empty", lambda: cells.is_empty(0)
    yield "unbounded", lambda: cells.is_unbounded(0)
    yield "ball", lambda: cells.chebyshev(0)
    yield "facets", lambda: cells.facets(0)
    yield "adjacency", lambda: cells.adjacency()
    yield "flips", lambda: fg.flip_points(head, z, None, domain)
    yield "every flip", lambda: fg.flip_points(head, z, "every", domain)
    yield "ties", lambda: fg.tie_points(head, z, [0, 1, 2], domain)
    yield "crossings", lambda: fg.crossings(head, z, -z)
    if head.dimension == 2:
        plane, window = fg.Plane(np.zeros(2), np.eye(2)), scale * np.array([-1.0, -1.0, 2.0, 2.0])
        yield "slice", lambda: fg.slice_cells(head, plane, window)


def claims_of(result):
    """Every claim of an answer."""
    if hasattr(result, "graph") and hasattr(result, "edges"):
        found = [result.graph["ties"], result.graph["no_ties"]]
    else:
        found = [getattr(result, "certificate", None), getattr(result, "certificate_empty", None)]
    flat = [part for one in found for part in (one if isinstance(one, tuple) else [one])]
    return [claim for claim in flat if claim is not None and len(claim)]


def answer(ask):
    """What is answered, or nothing where it is refused in words."""
    try:
        return ask()
    except Unsupported as error:
        return None if "beyond float64" in str(error) else pytest.fail(str(error))


@pytest.mark.parametrize("domain", ["space", "orthant"])
@pytest.mark.parametrize("name", HEADS)
def test_what_is_answered_is_proved_and_the_rest_is_refused(name, domain):
    head = HEADS[name]
    for scale in SCALES:
        z = scale * np.array([[1.0, 2.0], [3.0, -1.0]])[:, : head.dimension]
        for question, ask in questions(head, z, domain, scale):
            result = answer(ask)
            for claim in claims_of(result):
                assert claim.check().tally == {"PROVED": len(claim)}, (question, scale)
            for field in ("distance", "lower_bound", "error", "radius", "upper", "margins", "smallest"):
                assert not np.isnan(getattr(result, field, 0.0)).any(), (question, scale, field)


def test_flips_where_weights_cannot_be_squared():
    """The tie of classes 0 and 1 is at 0, and 1 away."""
    found = fg.flip_points(HEADS["beyond squares"], [[1.0]])
    assert found.status[0] is not Status.SOLVED or found.lower_bound[0] == pytest.approx(1)
    assert found.lower_bound[0] <= 1 <= found.distance[0]


def test_crossings_where_logits_overflow():
    """The two classes change at 0, by exact arithmetic."""
    found = fg.crossings(HEADS["beyond squares"], [[3.0]], [[-6.0]])
    assert found.path(0)[0].tolist() == [0, 1]
    np.testing.assert_allclose(found.path(0)[1], 1 / 3, rtol=1e-15)
    assert np.isfinite(found.error).all()


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_a_machine_of_samples_that_cannot_be_squared_is_refused(scale):
    x = np.array([[0.0], [1.0], [3.0], [0.5]]) * scale
    with pytest.raises(BadArgument, match="squared safely"):
        fg.max_margin(x, [0, 0, 1, 1], C=1.0)
