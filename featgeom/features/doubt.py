"""Whether labels and predictions look as if the classes were numbered differently."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Ints

FEW = 20  # images below which nothing is said
GAIN = 0.2  # by how much another numbering must explain more, on images that it was not chosen on


def doubt(labels: Ints, predictions: Ints, classes: int) -> str | None:
    """A sentence where labels and predictions disagree as by a wrong numbering, or as by chance; else None.

    The best renumbering of the classes is found on every other image of each class and judged on the rest,
    so that it cannot explain chance.

    >>> labels = np.repeat(np.arange(4), 10)
    >>> doubt(labels, (labels + 1) % 4, 4)
    'the network agrees with 0% of 40 labels, but with 100% if the classes were numbered otherwise (0 is 1, \
1 is 2, 2 is 3, ...): the mapping of the classes is probably wrong'
    """
    if len(labels) < FEW:
        return None
    right = float((labels == predictions).mean())
    start = f"the network agrees with {right:.0%} of {len(labels):,} labels"
    order = np.argsort(labels, kind="stable")
    fit, judge = order[::2], order[1::2]
    renumbered = _best(labels[fit], predictions[fit], classes)
    explained = float((renumbered[labels[judge]] == predictions[judge]).mean())
    if explained > right + GAIN and explained > 2 * right:
        moved = [c for c in np.unique(labels) if renumbered[c] != c]
        shown = ", ".join(f"{c} is {renumbered[c]}" for c in moved[:3]) + (", ..." if len(moved) > 3 else "")
        return (
            f"{start}, but with {explained:.0%} if the classes were numbered otherwise ({shown}): the "
            "mapping of the classes is probably wrong"
        )
    if classes >= 10 and right < 2 / classes:
        return f"{start}, as chance would: the mapping of the classes, mean and std, or the network is wrong"
    return None


def _best(labels: Ints, predictions: Ints, classes: int) -> Ints:
    """The renumbering of the classes by which most labels agree with the predictions."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, predictions), 1)
    np.fill_diagonal(counts, counts.diagonal() + 0.5)  # of equals, the one that changes less
    return np.asarray(linear_sum_assignment(counts, maximize=True)[1])
