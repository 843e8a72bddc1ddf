"""p-values, thresholds and surprise: laws that hold for every set of scores."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from featgeom.answers.conformal import p_values, surprise, threshold
from featgeom.errors import BadArgument

SCORES = st.lists(st.floats(-1e6, 1e6) | st.just(float("inf")), min_size=1, max_size=40)


@given(SCORES, st.floats(-1e6, 1e6))
def test_a_p_value_counts(known, score):
    assert p_values([score], known)[0] == (1 + sum(k >= score for k in known)) / (len(known) + 1)


@given(SCORES, st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0.001, 0.999))
def test_beyond_the_threshold_and_only_there_the_p_value_is_small(known, scores, false_alarm):
    try:
        limit = threshold(known, false_alarm)
    except BadArgument:
        assert 1 / (len(known) + 1) > false_alarm
        return
    asked = [*scores, *known]
    np.testing.assert_array_equal(p_values(asked, known) <= false_alarm, np.array(asked) > limit)


@given(SCORES, st.lists(st.floats(-1e6, 1e6), min_size=2))
@example(known=[0.0, 2.225073858507203e-309], scores=[1.0, 1.0])  # a scale by which a score overflows
def test_surprise_never_falls(known, scores):
    found = surprise(np.sort(scores), known)
    assert (np.diff(found) >= -1e-12 * found[1:]).all()  # np.interp rounds
    assert (found >= 0).all()


def test_p_values_of_scores_drawn_alike_are_uniform(rng):
    found = np.concatenate([p_values(rng.normal(size=20), rng.normal(size=99)) for _ in range(200)])
    for level in (0.05, 0.3, 0.8):
        assert (found <= level).mean() == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize("noise", [0.0, 1e-12, -1e-12])
def test_a_calibrator_is_left_out_of_its_own_p_value(rng, noise):
    known = np.array([0.5, 2.0, 3.0, 3.0, 7.0, np.inf])
    for i, score in enumerate(known):
        others = np.delete(known, i)
        again = score * (1 + noise)
        if noise > 0 and score == 3.0:
            continue  # its twin is lower than what rounding made of it
        assert p_values([again], known, own=True) == p_values([score], others)
    one, none = p_values([0.1, 9.0], [4.0], own=[True, False]), p_values([0.1, 9.0], [4.0])
    assert one.tolist() == [1.0, none[1]]
