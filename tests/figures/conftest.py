"""Runs of every shape, made of arrays."""

import numpy as np
import pytest

from featgeom.runs.making import arrays_run


@pytest.fixture
def make_run(tmp_path):
    """A run of `classes` clusters in d dimensions; labels are the head's own but for some."""

    def make(classes=5, d=8, n=200, wrong=0.05, seed=0, **changes):
        rng = np.random.default_rng(seed)
        weight = rng.normal(size=(classes, d))
        arrays = {"weight": weight, "bias": 0.1 * rng.normal(size=classes)}
        for split in ("train", "test"):
            near = rng.integers(classes, size=n)
            z = weight[near] + 0.6 * rng.normal(size=(n, d))
            labels = (z @ weight.T + arrays["bias"]).argmax(1)
            some = rng.random(n) < wrong
            labels[some] = rng.integers(classes, size=some.sum())
            arrays |= {f"features_{split}": z.astype(np.float32), f"labels_{split}": labels}
        file = tmp_path / "arrays.npz"
        np.savez(file, **(arrays | changes))
        return arrays_run(tmp_path / "run", str(file))

    return make
