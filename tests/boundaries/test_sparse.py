"""The fewest features that flip a class: against every subset and a program with whole numbers, proved."""

from dataclasses import replace
from itertools import combinations

import cvxpy as cp
import numpy as np
import pytest

import featgeom as fg
from featgeom import AffineHead, Box, Cells, Status
from featgeom.errors import BadArgument

D = 5
BOX = Box(np.full(D, -0.5), np.full(D, 1.0))


def case(seed, domain, classes=4, n=25):
    rng = np.random.default_rng(seed)
    head = AffineHead(rng.normal(size=(classes, D)), rng.normal(size=classes))
    z = np.abs(rng.normal(size=(n, D)))
    return head, np.clip(z, BOX.lo, BOX.hi) if domain is BOX else z


def by_subsets(head, z, lo, hi):
    """The least size of a set of features that can take a margin: for each rival they are independent."""
    own = int(head.classify(z[None])[0])
    for size in range(1, D + 1):
        for chosen in map(list, combinations(range(D), size)):
            for k in set(range(head.classes)) - {own}:
                v = head.weight[own] - head.weight[k]
                p = z.copy()
                p[chosen] = np.where(v > 0, lo, hi)[chosen]
                with np.errstate(invalid="ignore"):
                    if np.where(v == 0, 0, v * p).sum() + head.bias[own] - head.bias[k] <= 0:
                        return size
    return D + 1


@pytest.mark.parametrize("domain", ["orthant", BOX], ids=["orthant", "box"])
@pytest.mark.parametrize("seed", range(4))
def test_no_subset_is_smaller(seed, domain):
    head, z = case(seed, domain)
    found = fg.sparse_flips(head, z, domain)
    assert found.certificate.check().tally == {"PROVED": len(z)}
    assert (found.lower_bound == found.fewest).all()
    lo, hi = Cells(head, domain).domain.lo, Cells(head, domain).domain.hi
    assert found.fewest.tolist() == [by_subsets(head, row, lo, hi) for row in z]
    solved = found.status == Status.SOLVED
    assert ((found.point[solved] != z[solved]).sum(axis=1) <= found.fewest[solved]).all()
    logits = head.logits(found.point[solved])
    own, rival = found.classes[solved].T
    rows = np.arange(len(own))
    assert (logits[rows, rival] >= logits[rows, own] - 1e-12).all()
    assert (found.status[~solved] == Status.INFEASIBLE).all()
    fewer = replace(found.certificate, upper=found.fewest - 1, lower=np.maximum(found.fewest - 1, 0))
    assert (fewer.check().status[solved] == Status.REFUTED).all()
    more = replace(found.certificate, lower=found.lower_bound + 1)
    assert (more.check().status[solved] == Status.REFUTED).all()


def test_a_program_with_whole_numbers_finds_the_same():
    head, z = case(9, BOX, n=8)
    found = fg.sparse_flips(head, z, BOX)
    for row, fewest, own in zip(z, found.fewest, found.classes[:, 0], strict=True):
        p, moved = cp.Variable(D), cp.Variable(D, boolean=True)
        values = []
        for k in set(range(head.classes)) - {int(own)}:
            logits = head.logits(p)
            rules = [cp.abs(p - row) <= 2 * moved, logits[k] >= logits[int(own)], *BOX.constraints(p)]
            values.append(cp.Problem(cp.Minimize(cp.sum(moved)), rules).solve("HIGHS"))
        assert (D + 1 if np.isinf(min(values)) else round(min(values))) == fewest


def test_real_features(resnet20, resnet20_head):
    z = resnet20["features_test"][:20]
    found = fg.sparse_flips(resnet20_head, z, Box.around(resnet20["features_test"]))
    assert found.certificate.check().tally == {"PROVED": 20}
    assert (found.fewest > 1).any()


def test_ends():
    head = AffineHead([[1.0, 1.0], [0.0, 0.0]])
    assert fg.sparse_flips(head, [[1.0, 1.0]]).fewest.tolist() == [1]  # in all of space one always suffices
    assert fg.sparse_flips(head, [[0.0, 0.0]]).fewest.tolist() == [0]
    never = fg.sparse_flips(AffineHead([[1.0, 1.0], [0.0, 0.0]], [1.0, 0.0]), [[1.0, 1.0]], "orthant")
    assert never.status.tolist() == [Status.INFEASIBLE]
    assert never.certificate.check().tally == {"PROVED": 1}
    assert len(fg.sparse_flips(head, np.zeros((0, 2))).fewest) == 0
    with pytest.raises(BadArgument, match="in the domain"):
        fg.sparse_flips(head, [[-1.0, 0.0]], "orthant")
