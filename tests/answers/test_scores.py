"""What scores are made of: accurate, small in memory, and deaf to what only rounding tells."""

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import featgeom_cli.guard
from featgeom import AffineHead, Guard
from featgeom.answers import scores
from featgeom.answers.conformal import least_calibrators
from featgeom.answers.score_names import BESIDE, SCORES
from featgeom.answers.scores import Gaussians, wanted_aside
from featgeom.errors import BadArgument


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("block_bytes", [1, 1 << 12, 1 << 26])
def test_the_distance_is_that_from_the_nearest_mean(rng, offset, block_bytes, monkeypatch):
    """Also of features far from the origin, and of the means themselves, where squares would cancel."""
    monkeypatch.setattr(scores, "BLOCK_BYTES", block_bytes)
    labels = rng.integers(3, size=300)
    z = rng.standard_normal((300, 5)) + 9 * np.eye(5)[labels] + offset
    means = np.stack([z[labels == c].mean(axis=0) for c in range(3)])
    inverse = np.linalg.inv((z - means[labels]).T @ (z - means[labels]) / len(z))
    asked = np.concatenate([z[:50], z[:50] * 7, means])
    true = cdist(asked, means, "mahalanobis", VI=inverse).min(axis=1)
    found = Gaussians.of(z, labels * 2).distance(asked)  # class 1 has no features
    np.testing.assert_allclose(found, true, rtol=1e-6, atol=1e-9)
    assert Gaussians.of(z, labels).distance(z[:0]).shape == (0,)


def test_memory_is_rows_by_classes_or_rows_by_dimensions_never_both(rng):
    n, classes, d = 1500, 60, 96
    z = rng.standard_normal((n, d)).astype(np.float32)
    labels = np.arange(n) % classes
    known = Gaussians.of(z, labels)
    for ask in (lambda: Gaussians.of(z, labels), lambda: known.distance(z)):
        tracemalloc.start()
        ask()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 8 * n * (classes + d)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_does_not_grow_with_the_rows(rng, dtype, monkeypatch):
    monkeypatch.setattr(scores, "BLOCK_BYTES", 1 << 16)
    known = Gaussians.of(rng.standard_normal((200, 8)), np.arange(200) % 4)
    z = rng.standard_normal((40_000, 8)).astype(dtype)
    tracemalloc.start()
    known.distance(z)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(z) + (1 << 20)  # the answer, and a few blocks


CENTRES = np.random.default_rng(7).standard_normal((5, 32)) * 2


def drawn(rng, n):
    return CENTRES[rng.integers(5, size=n)] + rng.standard_normal((n, 32))


def layer_norm(x):
    """Layer normalisation with gains and offsets, in float32: features of one linear equation."""
    fixed = np.random.default_rng(8)
    x = x.astype(np.float32)
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    gain, offset = 1 + 0.2 * fixed.standard_normal(32), 2 * fixed.standard_normal(32)
    return x * gain.astype(np.float32) + offset.astype(np.float32)


def softmax(x):
    """A softmax, in float32: entries that add up to one."""
    x = np.exp(x.astype(np.float32))
    return x / x.sum(axis=1, keepdims=True)


CHANGES = {
    "1e-5 of each entry": lambda z, rng: z * (1 + 1e-5 * rng.standard_normal(z.shape)),
    "half precision": lambda z, rng: z.astype(np.float16),
    "TF32": lambda z, rng: ((z.view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32),
    "against the constraint": lambda z, rng: z + 2**-11 * np.linalg.norm(z, axis=1, keepdims=True) / 6,
}


@pytest.mark.parametrize("stored", [np.float32, np.float64])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("constrained", [layer_norm, softmax])
def test_what_rounding_moves_moves_no_mahalanobis_distance_much(rng, constrained, change, stored):
    """By no more than 1024 times the share of the longest feature, so by a half for half precision."""
    z = constrained(drawn(rng, 1500))
    known = Gaussians.of(z.astype(stored), np.argmax(z[:, :5], axis=1))
    assert 0 < known.whitening.shape[1] < 32
    asked = constrained(drawn(rng, 300))
    moved = CHANGES[change](asked, rng).astype(np.float32)
    share = np.linalg.norm(moved.astype(float) - asked, axis=1) / np.linalg.norm(z, axis=1).max()
    assert share.max() > 0
    difference = np.abs(known.distance(moved) - known.distance(asked))
    assert (difference <= 1024 * share * (1 + 1e-6)).all()


@pytest.mark.parametrize("change", CHANGES)
def test_what_rounding_moves_raises_no_alarms(rng, change):
    """Features of one linear equation: a direction of rounding alone, whitened, told machines apart."""
    z, aside, asked = (layer_norm(drawn(rng, n)) for n in (1500, 600, 1000))
    means = layer_norm(CENTRES)
    head = AffineHead(means - means.mean(axis=0))
    guard = Guard(head, 0.05, score="joint").fit(z, calibration=aside)
    moved = CHANGES[change](asked, rng).astype(np.float32)
    assert np.abs(moved - asked).max() > 0
    assert abs((guard.predict(moved) < 0).mean() - (guard.predict(asked) < 0).mean()) <= 0.01


def test_one_equation_leaves_out_one_direction_and_noise_leaves_out_none(rng):
    z = layer_norm(drawn(rng, 1500)).astype(np.float64)
    known = Gaussians.of(z, np.zeros(1500, int))
    full = Gaussians.of(z + 0.1 * rng.standard_normal(z.shape), np.zeros(1500, int))
    assert known.whitening.shape[1] == 31  # one equation, one direction
    assert full.whitening.shape[1] == 32


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("false_alarm", [0.03, 0.1, 0.3])
def test_as_many_are_kept_aside_as_the_message_says(rng, score, false_alarm):
    head = AffineHead(np.eye(3))
    z = np.abs(rng.standard_normal((60, 3))) + 4 * np.eye(3)[np.arange(60) % 3]
    aside = np.abs(rng.standard_normal((100, 3))) + 1
    wanted = wanted_aside(score, false_alarm)
    assert wanted == least_calibrators(false_alarm) * (1 + bool(BESIDE.get(score)))
    Guard(head, false_alarm, score=score).fit(z, calibration=aside[:wanted])
    for n in (wanted - 1, 0):
        with pytest.raises(
            BadArgument, match=rf"'{score}' takes {wanted} features kept aside.* got {n}: keep"
        ):
            Guard(head, false_alarm, score=score).fit(z, calibration=aside[:n])


@pytest.mark.parametrize("false_alarm", [0.001, 0.01, 0.05, 1 / 3, 1 / 49, 0.7, 0.999])
def test_least_calibrators_are_enough_and_one_fewer_is_not(false_alarm):
    least = least_calibrators(false_alarm)
    assert 1 / (least + 1) <= false_alarm
    assert least == 1 or 1 / least > false_alarm


def test_the_command_offers_the_scores_that_there_are():
    (option,) = (p for p in featgeom_cli.guard.command.params if p.name == "score")
    assert tuple(option.type.choices) == SCORES
