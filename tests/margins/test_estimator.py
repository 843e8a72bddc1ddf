"""The estimator keeps scikit-learn's own laws."""

import numpy as np
import pytest
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from featgeom.errors import BadArgument
from featgeom.margins.estimator import MaxMarginClassifier


@pytest.mark.parametrize("bias", ["standard", "augmented"])
def test_the_checks_of_scikit_learn(bias):
    checks = check_estimator(MaxMarginClassifier(bias=bias), on_skip=None, on_fail="raise")
    assert len(checks) > 40


@pytest.mark.parametrize("c", [0.1, 10.0])
def test_agrees_with_libsvm(c):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 3)), rng.integers(0, 2, 80)
    x += 2 * y[:, None]
    ours, theirs = MaxMarginClassifier(C=c).fit(x, y), SVC(kernel="linear", C=c, tol=1e-9).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
    np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))


def test_a_hard_margin_that_does_not_exist_is_an_error():
    with pytest.raises(BadArgument, match="no affine machine separates"):
        MaxMarginClassifier(C=np.inf).fit([[0.0], [1.0], [2.0]], [0, 1, 0])
