"""Statements say what they rest on, and no more than is proved."""

from dataclasses import replace

import numpy as np
from truths import BOX, INF, NONE, ORTHANT, SPACE, SQUARE, TRUTHS, a

from featgeom.exact.domains import ExactDomain


def test_a_margin_of_nothing_is_no_class():
    claim = TRUTHS["class-margin"]()
    tied = replace(
        claim, points=np.zeros_like(claim.points), bias=0 * claim.bias, margin=0 * claim.margin,
        float32=np.zeros(len(claim), dtype=bool),
    )  # fmt: skip
    assert tied.check().tally == {"PROVED": len(claim)}
    assert "has class" not in tied.statement(0)
    assert "no logit exceeds that of class" in tied.statement(0)
    assert "one may be as large" in tied.statement(0)


def test_a_radius_of_nothing_is_no_class_either():
    claim = TRUTHS["class-ball"]()
    assert "class 0 has the largest logit" in claim.statement(0)
    assert claim.radius[1] == 0
    assert "no logit exceeds that of class" in claim.statement(1)


def test_a_nearest_tie_may_be_at_the_sample_itself():
    for name in (n for n in TRUTHS if n.startswith("nearest-tie")):
        assert "no logit exceeds that of class" in TRUTHS[name]().statement(0)


def test_the_largest_ball_in_a_hull_says_that_only_its_centre_is_there():
    claim = TRUTHS["inscribed-ball, in a hull"]()
    assert claim.check().tally == {"PROVED": len(claim)}
    assert "with its centre in" in claim.statement(0)


def test_crossings_say_how_closely_they_are_known():
    claim = TRUTHS["segment-cells"]()
    vague = replace(claim, error=np.full(len(claim), 0.75))
    assert vague.check().tally == {"PROVED": len(claim)}
    assert any("within 0.75" in vague.statement(i) for i in range(len(claim)))


def test_features_reached_are_told_beside_the_length_of_a_target_unless_it_is_zero():
    claim = replace(TRUTHS["reached-features"](), targets=np.array([[3.0, 0.0], [0.0, 0.0]]))
    assert [
        ("which is zero" in claim.statement(i), "of its length" in claim.statement(i)) for i in (0, 1)
    ] == [
        (False, True),
        (True, False),
    ]


def test_every_segment_tells_its_own_cells():
    claim = TRUTHS["segment-cells"]()
    assert "the cells 0 → 2 → 1," in claim.statement(0)
    assert claim.statement(1).endswith("the cells 0")


def test_a_domain_is_called_what_it_is():
    def name(lo, hi, vertices=NONE):
        return ExactDomain(lo, hi, vertices).name

    assert name(**SPACE) == "all of feature space"
    assert name(**SPACE, vertices=SQUARE) == "the hull of 5 points"
    assert name(**ORTHANT) == "the orthant"
    assert name(**BOX) == "a box"
    for lo, hi in (
        (a(-INF, 0), a(INF, INF)),
        (a(-INF, -INF), a(INF, 4)),
        (a(0, 0), a(INF, 4)),
        (a(0, 1), a(INF, INF)),
        (a(1, 1), a(INF, INF)),
        (a(-INF, -INF), a(4, 4)),
    ):
        assert name(lo, hi) == "a box"


def test_no_machine_through_the_origin_is_told_from_no_machine():
    claim = TRUTHS["inseparable"]()
    assert "no machine separates" in claim.statement(0)
    assert "no machine through the origin separates" in replace(claim, freedom="none").statement(0)


def test_features_that_are_enough_are_told_where_there_are_so_many():
    assert "with 2 class 1 is" in TRUTHS["fewest-features, both"]().statement(0)
    assert "class 1 is" not in TRUTHS["fewest-features, none is enough"]().statement(0)
