"""Morphs: straight in pixels, straight in features, and where the class changes on either way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.pixels.derivatives import pixel_function
from featgeom.pixels.segments import classes_along

from .networks import conv_classifier, images, smooth_classifier


def test_both_ways_start_at_a_and_end_at_b() -> None:
    clf, a, b = smooth_classifier(), images(3), images(3, seed=2)
    way = fg.morph(clf, a, b, steps=4)
    np.testing.assert_array_equal(way.pixel_frames[:, 0], a)
    np.testing.assert_array_equal(way.pixel_frames[:, -1], b)
    np.testing.assert_array_equal(way.feature_frames[:, 0], a)
    solved = way.status == fg.Status.SOLVED
    assert solved.mean() > 0.8
    z_a, z_b = clf.features(a), clf.features(b)
    for i, k in np.argwhere(solved):
        expected = z_a[i] + way.t[k] * (z_b[i] - z_a[i])
        np.testing.assert_allclose(clf.features(way.feature_frames[i, k][None])[0], expected, atol=1e-5)
    np.testing.assert_allclose(way.pixel_features[:, -1], z_b, atol=1e-5)


def test_changes_are_where_the_class_changes() -> None:
    clf = conv_classifier(classes=6, seed=3)
    with torch.no_grad():  # more boundaries: no class wins by its bias alone
        clf.tapped.module[8].bias.sub_(torch.from_numpy(clf.logits(images(64)).mean(0)))
    a, b = images(24), images(24, seed=2)
    f = pixel_function(clf, a, "logits")
    x, y = f.vectors(a, "a"), f.vectors(b, "b")
    paths = classes_along(f, x, y, 64)
    assert sum(len(path.changes) for path in paths) > 5
    for path, start, end in zip(paths, x, y, strict=True):
        assert len(path.classes) == len(path.changes) + 1
        assert (np.diff(path.changes) > 0).all()
        assert (path.classes[1:] != path.classes[:-1]).all()
        for t, before, after in zip(path.changes, path.classes, path.classes[1:], strict=False):
            sides = torch.stack([start + (t + e) * (end - start) for e in (-2e-6, 2e-6)])
            assert f(f.rounded(sides)).argmax(1).tolist() == [before, after]


def test_features_of_one_class_never_change_it() -> None:
    clf, samples = smooth_classifier(), images(16)
    classes = clf.logits(samples).argmax(1)
    common = samples[classes == np.bincount(classes).argmax()]
    half = len(common) // 2
    way = fg.morph(clf, common[:half], common[half : 2 * half], steps=1)
    assert all(len(path.classes) == 1 for path in way.feature_paths)
    assert set(way.certificate.check().status) == {fg.Status.PROVED}


def test_wrong_use_is_named() -> None:
    clf = conv_classifier()
    with pytest.raises(BadArgument, match="b: expected images of shape"):
        fg.morph(clf, images(2), images(3))
    with pytest.raises(BadArgument, match="steps: expected at least 1"):
        fg.morph(clf, images(2), images(2), steps=0)
