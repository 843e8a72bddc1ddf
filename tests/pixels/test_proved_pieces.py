"""What is proved of pieces is what the other engine computes, and its claims hold."""

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, Unsupported
from featgeom.status import Status


class Shortcut(nn.Module):
    """Two layers, and what goes around them."""

    def __init__(self, channels):
        super().__init__()
        self.one, self.other = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return (x + self.other(self.norm(self.one(x)).relu())).relu()


def classifier(seed, kind):
    torch.manual_seed(seed)
    first = nn.Conv2d(1, 3, 3, padding=1)
    bodies = {
        "pooled": [first, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten()],
        "overlapping": [first, nn.MaxPool2d(3, 1, 1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()],
        "around": [first, nn.ReLU(), Shortcut(3), nn.AdaptiveAvgPool2d(2), nn.Flatten()],
    }
    net = nn.Sequential(*bodies[kind], nn.LazyLinear(5), nn.ReLU(), nn.Linear(5, 4))
    net(torch.zeros(1, 1, 6, 6))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return fg.load_classifier(net.eval(), pixels=fg.PixelSpec((1, 6, 6)))


@pytest.fixture(scope="module")
def digits_classifier():
    return fg.load_classifier("digits")


@pytest.fixture(scope="module")
def digits_images():
    return fg.load_splits("digits")["test"].pixels(slice(4))


KINDS = ["pooled", "overlapping", "around"]


@pytest.mark.parametrize("kind", KINDS)
def test_segments_are_as_computed(kind, rng):
    clf, images = classifier(1, kind), rng.random((4, 1, 6, 6), dtype=np.float32)
    found, other = (
        walk(clf, images[:2], images[2:]) for walk in (fg.prove_pixel_crossings, fg.pixel_crossings)
    )
    assert (found.status == Status.SOLVED).all()
    assert (found.pieces > 10).all()
    np.testing.assert_array_equal(found.pieces, other.pieces)
    np.testing.assert_array_equal(found.cells, other.cells)
    np.testing.assert_array_equal(found.first, other.first)
    np.testing.assert_allclose(found.enter, other.enter, atol=1e-9)
    np.testing.assert_allclose(found.leave, other.leave, atol=1e-9)
    assert (found.error < 1e-6).all()
    assert (found.certificate.check().status == Status.PROVED).all()


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_as_computed(kind, rng):
    clf, images = classifier(3 if kind == "around" else 2, kind), rng.random((3, 1, 6, 6), dtype=np.float32)
    window = (-0.4, -0.8, 1.2, 0.9)
    found = fg.prove_pixel_regions(clf, *images, window=window)
    other = fg.slice_pixels(clf, *images, window, across=32, exact="regions")
    assert found.regions == other.regions > 50
    assert set(found.classes.tolist()) == set(other.polygons)
    area = {int(k): s * other.domain.area for k, s in zip(found.classes, found.share, strict=True)}
    for k, polygon in other.polygons.items():
        assert abs(area[k] - polygon.area) < 1e-6
    assert (found.certificate.check().status == Status.PROVED).all()


def test_digits_with_what_comes_twice_in_their_background(digits_classifier, digits_images):
    images = digits_images[:4]
    found = fg.prove_pixel_crossings(digits_classifier, images[:2], images[2:])
    assert (found.status == Status.SOLVED).all()
    np.testing.assert_array_equal(
        found.pieces, fg.pixel_crossings(digits_classifier, images[:2], images[2:]).pieces
    )


def test_whole_planes_through_images_at_the_bounds_have_corners():
    """Where many pixels of an image are 0, many sides of the box meet in it."""
    torch.manual_seed(4)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.ReLU(), nn.Linear(3, 2))
    clf, images = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8))), fg.load_splits("digits")["test"]
    for i in range(4):
        a, b, c = images.pixels(slice(3 * i, 3 * i + 3))
        found = fg.prove_pixel_regions(clf, a, b, c)
        assert found.status is Status.SOLVED, found.why
        assert found.regions == fg.slice_pixels(clf, a, b, c, across=16, exact="regions").regions
        assert found.certificate.check().status[0] is Status.PROVED


def test_a_tie_that_float64_does_not_tell_is_computed_and_not_proved():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 2.0**-24]]))
        net[1].bias.copy_(torch.tensor([-0.5, -0.5 - 2.0**-24]))
        net[3].weight.copy_(torch.tensor([[2.0, -1.0], [0.0, 0.25]]))
        net[3].bias.copy_(torch.tensor([0.0, 0.125]))
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 1, 2)))
    one = [[[[0.0, 1.0]]], [[[0.0, 0.5]]]]
    other = [[[[1.0, 1.0]]], [[[1.0, 0.5]]]]  # in the first both units are 0 at one place
    found = fg.prove_pixel_crossings(clf, one, other)
    assert found.status.tolist() == [Status.COMPUTED, Status.SOLVED]
    assert found.error[0] == np.inf
    assert found.pieces[1] == 3
    assert len(found.certificate) == 1
    assert found.path(0)[0].tolist() == found.path(1)[0].tolist() == [1, 0]
    flat = fg.prove_pixel_regions(clf, [[[0.5, 0.0]]], [[[1.0, 0.0]]], [[[0.5, 1.0]]])
    assert flat.status is Status.UNDECIDED
    assert (flat.regions, flat.certificate, flat.error) == (0, None, np.inf)
    assert "corner" in flat.why


def test_deep_networks_take_twice_the_digits(rng):
    torch.manual_seed(0)
    layers = [nn.Flatten()]
    for _ in range(30):
        layers += [nn.Linear(8, 8), nn.LeakyReLU(0.9)]
        nn.init.orthogonal_(layers[-2].weight)
    clf = fg.load_classifier(nn.Sequential(*layers, nn.Linear(8, 3)), pixels=fg.PixelSpec((1, 2, 4)))
    images = rng.random((3, 1, 2, 4), dtype=np.float32)
    found = fg.prove_pixel_crossings(clf, images[:2], images[1:])
    assert (found.status == Status.SOLVED).all()
    np.testing.assert_array_equal(found.pieces, fg.pixel_crossings(clf, images[:2], images[1:]).pieces)
    assert (found.certificate.check().status == Status.PROVED).all()
    window = fg.prove_pixel_regions(clf, *images, window=(0.0, 0.0, 0.3, 0.3))
    assert window.certificate.check().status[0] is Status.PROVED


def test_what_is_no_such_network_or_segment_is_refused(digits_classifier, digits_images):
    images = digits_images[:3]
    smooth = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 2))
    clf = fg.load_classifier(smooth, pixels=fg.PixelSpec((1, 2, 2)))
    for ask in (
        lambda: fg.prove_pixel_crossings(clf, np.zeros((1, 1, 2, 2)), np.ones((1, 1, 2, 2))),
        lambda: fg.prove_pixel_regions(clf, *np.eye(4).reshape(4, 1, 2, 2)[:3]),
    ):
        with pytest.raises(Unsupported, match="gelu"):
            ask()
    with pytest.raises(BadArgument, match="expected images of shape"):
        fg.prove_pixel_crossings(digits_classifier, images, images[:2])
    with pytest.raises(BadArgument, match="on a line"):
        fg.prove_pixel_regions(digits_classifier, images[0], images[0], images[1])
    assert len(fg.prove_pixel_crossings(digits_classifier, images[:0], images[:0]).pieces) == 0
