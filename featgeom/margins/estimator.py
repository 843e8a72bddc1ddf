"""The machine as a scikit-learn estimator, for pipelines and searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from featgeom.arrays import Float64
from featgeom.errors import BadArgument
from featgeom.margins.machine import LinearSVM, max_margin
from featgeom.status import Status


class MaxMarginClassifier(ClassifierMixin, BaseEstimator):
    """A linear support vector machine with a certified gap, as a scikit-learn classifier.

    One machine for all classes (Crammer and Singer 2001). ``C``, ``bias`` and ``rtol`` are those of
    `max_margin`; C=inf asks for the hard margin. Fitted attributes: ``coef_`` (1 or K, d), ``intercept_``
    (1 or K,), ``classes_``, ``support_`` and ``machine_``, the whole `LinearSVM` with its certificate.

    >>> model = MaxMarginClassifier(C=np.inf).fit([[0.0], [1.0], [3.0]], ["a", "a", "b"])
    >>> model.predict([[1.9], [2.1]]).tolist(), round(model.machine_.margin, 9)
    (['a', 'b'], 1.0)
    """

    def __init__(self, C: float = 1.0, bias: str = "standard", rtol: float = 1e-6) -> None:
        self.C = C
        self.bias = bias
        self.rtol = rtol

    def fit(self, X: ArrayLike, y: ArrayLike) -> MaxMarginClassifier:
        """Fit to X (n, d) and y (n,), labels of any kind.

        Raises BadArgument for one class alone, and for a hard margin where no machine separates.
        """
        samples, labels = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(labels)
        self.classes_, slots = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise BadArgument("y: a classifier needs samples of two classes, got those of one class")
        machine = max_margin(samples, slots, C=self.C, bias=self.bias, rtol=self.rtol)
        if machine.status in (Status.NOT_SEPARABLE, Status.UNDECIDED):
            raise BadArgument(f"{machine.status.advice}; choose a finite C")
        self.machine_: LinearSVM = machine
        self.coef_, self.intercept_, self.support_ = machine.weight, machine.bias, machine.support
        return self

    def decision_function(self, X: ArrayLike) -> Float64:
        """Values (n,) for two classes, (n, K) for more."""
        check_is_fitted(self)
        return self.machine_.decision(validate_data(self, X, reset=False, dtype=[np.float64, np.float32]))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class of each sample, (n,)."""
        values = self.decision_function(X)
        chosen = (values > 0).astype(int) if values.ndim == 1 else values.argmax(axis=1)
        return self.classes_[chosen]
