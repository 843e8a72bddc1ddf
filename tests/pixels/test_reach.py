"""Reachability: no bound is above what an image reaches, and nothing in reach is called out of reach."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featgeom as fg
from featgeom.errors import BadArgument, FeatgeomError, Unsupported
from featgeom.pixels.apart import Keeper, Reach

SHAPE = (1, 4, 4)
KINDS = ["plain", "dead", "ties", "leaky", "smooth", "negative", "wide", "inplace", "branch", "pooled"]


class Branch(nn.Module):
    """Its features are what the first of two ReLUs returned, and the second has as many entries."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 5), nn.Linear(16, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        features = self.one(x).relu()
        return self.head(features) + 0 * self.two(x).relu().sum(1, keepdim=True)


def network(kind: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    if kind == "branch":
        return Branch().eval()
    last: nn.Module = {"leaky": nn.LeakyReLU(0.2), "smooth": nn.Tanh()}.get(
        kind, nn.ReLU(inplace=kind == "inplace")
    )
    if kind == "pooled":
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 1), nn.Conv2d(4, 5, 2), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
        )  # fmt: skip
        return net.eval()
    width = 24 if kind == "wide" else 5  # more features than pixels: almost nothing is reached
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 6), nn.ReLU(),
        nn.Linear(6, width), last, nn.Linear(width, 3),
    )  # fmt: skip
    with torch.no_grad():
        if kind == "dead":
            net[5].bias[:2] = -100.0
            net[3].bias[:3] = -50.0
        if kind == "ties":
            net[0].weight[1] = net[0].weight[0]
            net[5].weight.copy_(net[5].weight.sign())
            net[5].bias.zero_()
        if kind == "negative":
            net[5].weight.mul_(-30.0)
    return net.eval()


def classifier(kind: str, seed: int = 0) -> fg.Classifier:
    return fg.load_classifier(network(kind, seed), pixels=fg.PixelSpec(SHAPE)).to(dtype=torch.float64)


def some_images(count: int, seed: int) -> np.ndarray:
    """Noise, corners of the box, sparse images, and constant ones."""
    rng = np.random.default_rng(seed)
    x = rng.random((count, *SHAPE))
    x[: count // 3] = x[: count // 3].round()
    x[count // 3 : count // 2] *= rng.random((count // 2 - count // 3, *SHAPE)) < 0.2
    if count > 1:
        x[-2:] = [[[[0.0]]], [[[1.0]]]]
    return x


def asked(clf: fg.Classifier, seed: int) -> np.ndarray:
    """Points within reach, between these, beside and beyond them, and nothing at all."""
    rng = np.random.default_rng(seed)
    z = np.asarray(clf.features(some_images(6, seed + 1)), np.float64)
    size = np.abs(z).max() + 1e-3
    return np.stack(
        [z[0], z[:2].mean(0), z[2] + 0.2 * size * rng.normal(size=z.shape[1]), 2 * z[3], -z[4], 0 * z[5]]
    )


def nearest_by_attack(clf: fg.Classifier, z: np.ndarray, seed: int) -> np.ndarray:
    """The least distances (n,) that sampling and projected descent on them find."""
    x = torch.from_numpy(some_images(2000, seed))
    goals = torch.from_numpy(z)
    with torch.no_grad():
        distance = torch.cdist(goals, clf.backbone(x))
    best, order = distance.amin(1), distance.argsort(1)[:, :8]
    at = x[order.flatten()].clone().requires_grad_(True)
    aims = goals.repeat_interleave(8, 0)
    adam = torch.optim.Adam([at], lr=0.05)
    for step in range(200):
        adam.param_groups[0]["lr"] = 0.05 * 0.01 ** (step / 200)
        gaps = (clf.backbone(at) - aims).norm(dim=1)
        best = torch.minimum(best, gaps.detach().view(-1, 8).amin(1))
        (at.grad,) = torch.autograd.grad(gaps.sum(), at)
        adam.step()
        with torch.no_grad():
            at.clamp_(0, 1)
    return best.numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_no_bound_is_beyond_an_image(kind: str) -> None:
    seed = 0
    clf = classifier(kind, seed)
    z = asked(clf, seed)
    found = fg.reachable(clf, z, seconds=0.1)
    least = np.minimum(nearest_by_attack(clf, z, seed), found.distance)
    assert (found.lower_bound <= least * (1 + 1e-12)).all()
    assert found.status[0] != fg.Status.UNREACHABLE  # the features of an image
    out = found.status == fg.Status.UNREACHABLE
    assert (least[out] > 0).all()
    assert (found.lower_bound[out] > 0).all()
    with torch.no_grad():
        features = clf.backbone(torch.from_numpy(found.inversion.images)).numpy()
    np.testing.assert_allclose(found.distance, np.linalg.norm(features - z, axis=1), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_far_from_the_nearest_leaves_the_bound_true(kind: str) -> None:
    """The image that bounds are laid at may be any: one far away, or at a corner of the box."""
    clf = classifier(kind)
    z = asked(clf, 3)
    least = nearest_by_attack(clf, z, 4)
    reach = Reach.of(clf.backbone, SHAPE, (0.0, 1.0), 1.0, 100)
    rough = classifier(kind).to(dtype=torch.float32).backbone
    for x in torch.from_numpy(some_images(6, 5))[[0, -1]]:
        for goal, bound in zip(torch.from_numpy(z), least, strict=True):
            assert Keeper(reach, rough, goal, x[None]).distance(0.0, 0.0) <= bound * (1 + 1e-12)


def test_features_of_images_are_never_out_of_reach() -> None:
    for kind in KINDS:
        clf = classifier(kind, 7)
        z = np.asarray(clf.features(some_images(200, 8)), np.float64)
        start = fg.invert(clf, z, some_images(1, 9), steps=1, restarts=0)
        found = fg.reachable(clf, z, start, seconds=0.0)
        assert not (found.status == fg.Status.UNREACHABLE).any()
        assert (found.lower_bound == 0).all()


def test_what_lies_below_a_relu_is_as_far_as_its_negative_part() -> None:
    clf = classifier("plain")
    z = np.asarray(clf.features(some_images(1, 0)), np.float64)
    shift = np.zeros_like(z)
    shift[0, z[0].argmin()] = -3.0 - z.min()
    found = fg.reachable(clf, z + shift, seconds=0.0)
    assert found.status[0] == fg.Status.UNREACHABLE
    assert found.lower_bound[0] >= 3.0 * (1 - 1e-6)


def test_small_networks_are_decided_between_the_ends_of_all_features() -> None:
    """Two features that are the same: what tells them apart is out of reach, by as much as geometry says."""
    clf = fg.load_classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)),
        pixels=fg.PixelSpec(SHAPE),
    ).to(dtype=torch.float64)
    linear = clf.network.tapped.module
    with torch.no_grad():
        linear[1].weight.fill_(0.5)
        linear[1].bias.copy_(torch.tensor([-1.0, -2.0, -3.0]))
        linear[3].weight.copy_(torch.tensor([[1.0, -1.0, 1.0], [1.0, -1.0, 1.0]]))
        linear[3].bias.zero_()
    found = fg.reachable(clf, np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 2.0]]), seconds=4.0)
    assert list(found.status) == [fg.Status.UNREACHABLE, fg.Status.UNREACHABLE, fg.Status.SOLVED]
    true = np.array([1.0, 2.0]) / 2**0.5
    assert (found.lower_bound[:2] <= true).all()
    np.testing.assert_allclose(found.lower_bound[:2], true, rtol=0.1)  # the time given decides how near


@pytest.mark.parametrize("bounds", [(0.1, 0.6), (0.7, 0.9)])
def test_images_at_bounds_that_float32_rounds_outward_count(bounds: tuple[float, float]) -> None:
    """The features of an image at the box's corner, small beside its pixels, in the network's own type."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Linear(1, 2))
    for end in bounds:
        with torch.no_grad():
            net[1].weight.fill_(1.0)
            net[1].bias.fill_(-16 * float(np.float32(end)) + 1e-6)
        clf = fg.load_classifier(net, pixels=fg.PixelSpec(SHAPE, bounds=bounds))
        corner = np.full((1, *SHAPE), np.float32(end))
        z = np.asarray(clf.to(dtype=torch.float64).backbone(torch.from_numpy(corner).double()).detach())
        start = fg.invert(clf, z, corner, steps=1, restarts=0)
        found = fg.reachable(clf, z, start, seconds=0.0)
        assert found.lower_bound[0] == 0
        assert found.status[0] != fg.Status.UNREACHABLE


def test_a_bound_that_contradicts_an_image_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not cut to the image's distance."""
    clf = classifier("plain")
    z = np.asarray(clf.features(some_images(1, 0)), np.float64) * 0.7
    near = fg.reachable(clf, z, seconds=0.0)
    assert near.distance[0] > 0
    monkeypatch.setattr(Keeper, "distance", lambda *_: 1.001 * float(near.distance[0]))
    with pytest.raises(FeatgeomError, match="one of the two is wrong"):
        fg.reachable(clf, z, near.inversion, seconds=0.01)


def test_wrong_use_and_networks_without_bounds_are_named() -> None:
    clf = classifier("plain")
    z = np.asarray(clf.features(some_images(2, 0)), np.float64)
    with pytest.raises(BadArgument, match="expected an inversion of 2 targets, got 1"):
        fg.reachable(clf, z, fg.invert(clf, z[:1]))
    with pytest.raises(BadArgument, match="seconds"):
        fg.reachable(clf, z, seconds=-1.0)
    with pytest.raises(BadArgument, match="targets: expected dimension 5"):
        fg.reachable(clf, z[:, :3])
    odd = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Softplus(), nn.Linear(4, 3))
    strange = fg.load_classifier(odd, pixels=fg.PixelSpec(SHAPE))
    with pytest.raises(Unsupported, match="softplus"):
        fg.reachable(strange, np.ones((1, 4)))
