"""Domains are what their names say, or are refused in one line."""

import numpy as np
import pytest

from featgeom import AffineHead, Box, Cells
from featgeom.errors import BadArgument
from featgeom.regions.domains import Hull, as_domain


@pytest.mark.parametrize(
    ("lo", "hi"),
    [
        ([1.0], [0.0]),
        ([0.0], [0.0, 1.0]),
        ([np.nan], [0.0]),
        ([np.inf], [np.inf]),
        ([], []),
        ([[0.0]], [[1.0]]),
    ],
)
def test_boxes_that_are_none(lo, hi):
    with pytest.raises(BadArgument, match="box"):
        Box(lo, hi)


@pytest.mark.parametrize("domain", ["sphere", 3, None, Box.space(3)])
def test_domains_that_are_none(domain):
    with pytest.raises(BadArgument, match="domain"):
        Cells(AffineHead([[1.0, 0.0], [0.0, 1.0]]), domain)


def test_anything_with_points_is_a_hull():
    class Thing:
        points = np.eye(3)

    domain = as_domain(Thing(), 3)
    assert isinstance(domain, Hull)
    assert domain.name == "hull"
    assert domain.bounded


def test_names_and_bounds():
    assert [as_domain(name, 2).name for name in ("space", "orthant")] == ["space", "orthant"]
    box = Box.around([[0.0, 1.0], [2.0, -1.0]])
    assert (box.name, box.bounded, Box.orthant(2).bounded) == ("box", True, False)
    assert box.contains([[0.0, 1.0], [2.0, -1.0], [2.1, 0.0]]).tolist() == [True, True, False]


def test_cells_need_a_head():
    with pytest.raises(BadArgument, match="AffineHead"):
        Cells(np.eye(2))
