"""A network may see a batch in portions where that is faster, and never where it changes a bit."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from featgeom.models.portions import FEW, PORTIONS, WORTH, fastest_portion, in_portions
from featgeom.models.sources import load_classifier


def test_portions_come_back_whole_and_in_order():
    batch = torch.arange(70.0)[:, None]
    features, logits = in_portions(lambda x: (x, -x), batch, 16)
    assert torch.equal(features, batch)
    assert torch.equal(logits, -batch)


def test_the_fastest_is_taken():
    def forward(x):
        time.sleep(0.002 * abs(len(x) - 32) / 8)
        return x, x

    assert fastest_portion(forward, torch.zeros(256, 1), WORTH) == 32


@pytest.mark.parametrize("fast", PORTIONS)
def test_one_that_changes_a_bit_is_not_taken(fast):
    def forward(x):
        time.sleep(0.0 if len(x) == fast else 0.01)
        return x + (1e-7 if len(x) == fast else 0.0), x

    assert fastest_portion(forward, torch.ones(256, 1), WORTH) != fast


def test_of_few_batches_the_usual_one_is_taken_and_of_fewer_none():
    def forward(x):
        shapes.append(len(x))
        return x, x

    shapes = []
    assert fastest_portion(forward, torch.zeros(256, 1), FEW - 1) == 256
    assert shapes == []
    assert fastest_portion(forward, torch.zeros(256, 1), FEW) == PORTIONS[0]
    assert shapes == [256, *[PORTIONS[0]] * 4]


def test_the_usual_one_is_not_taken_where_it_changes_a_bit():
    def forward(x):
        return x + (1e-7 if len(x) == PORTIONS[0] else 0.0), x

    assert fastest_portion(forward, torch.ones(256, 1), FEW) == 256


@pytest.mark.parametrize("worth", [9, 99])
def test_what_a_classifier_says_of_many_batches_is_what_it_says_of_each(worth, rng, monkeypatch):
    monkeypatch.setattr("featgeom.models.portions.WORTH", worth)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 9), nn.ReLU(), nn.Linear(9, 4)).eval()
    images = rng.random((256 * 9 + 5, 3, 4, 4)).astype(np.float32)
    clf = load_classifier(net, probe=images[:8])
    found = list(clf.run_batches(images, 256))
    assert [len(features) for features, _ in found] == [256] * 9 + [5]
    for i, (features, logits) in enumerate(found):
        alone = next(clf.run_batches(images[256 * i : 256 * (i + 1)], 256))
        assert (features == alone[0]).all()
        assert (logits == alone[1]).all()
