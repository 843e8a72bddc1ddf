"""The reference networks and the simulated data."""

import numpy as np
import pytest
import torch

import featgeom as fg
from featgeom import Status
from featgeom.data.synthetic import SYNTHETIC
from featgeom.errors import BadArgument
from featgeom.models.reference import ACTIVATIONS, REFERENCE, mlp

SHAPES = {"digits_cnn": (1, 8, 8), "mlp": (1, 1, 2), "asymmetric": (1, 1, 2)}
SEPARABLE = {"blobs": None, "three_blobs": True, "moons": False, "annuli": True, "annuli_nonseparable": False}
SEPARABLE |= {"disc": False, "band": True}


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_every_network_has_an_affine_head(name):
    torch.manual_seed(0)
    clf = fg.load_classifier(REFERENCE[name](), pixels=fg.PixelSpec(SHAPES.get(name, (1, 28, 28))))
    assert clf.residual < 1e-5
    assert clf.head.dimension == {"digits_cnn": 32, "asymmetric": 2002}.get(name, 2)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_trains(tmp_path, activation):
    options = {"hidden": 50, "features": 2, "activation": activation}
    run = fg.train("simulated_blobs", tmp_path, steps=40, options=options)
    assert run.history[-1]["loss"] < run.history[0]["loss"]
    assert fg.load_classifier(run.last).head.dimension == 2


def test_the_zeros_that_hold_the_asymmetric_network_apart_stay_zeros(tmp_path):
    run = fg.train("simulated_asymmetric", tmp_path, steps=30, weight_decay=1e-3)
    weight = fg.load_classifier(run.last).head.weight
    assert not weight[0, 1500:].any()
    assert not weight[1, :1500].any()
    assert weight[0, :1500].any()


@pytest.mark.parametrize("name", sorted(SYNTHETIC))
def test_simulated_data_is_what_the_paper_says(name):
    train, test = (fg.load_images(f"synthetic:{name}", split=split) for split in ("train", "test"))
    assert len(train) == len(test) == 1000
    assert train.hash != test.hash
    assert fg.load_images(f"synthetic:{name}", split="train").hash == train.hash
    if SEPARABLE[name] is not None:
        status = fg.max_margin(train.images.reshape(-1, 2), train.labels).status
        assert (status == Status.SOLVED) == SEPARABLE[name]
        assert (status == Status.NOT_SEPARABLE) != SEPARABLE[name]


def test_disc_and_band_keep_their_margins():
    for name, measure, gap in (
        ("disc", lambda p: np.linalg.norm(p - 0.5, axis=1), (0.1, 0.3)),
        ("band", lambda p: p.sum(axis=1), (0.9, 1.1)),
    ):
        images = fg.load_images(f"synthetic:{name}", split="train")
        values = measure(images.images.reshape(-1, 2).astype(float))
        assert values[images.labels == 0].max() <= gap[0] + 1e-6
        assert values[images.labels == 1].min() >= gap[1] - 1e-6


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(BadArgument, match="did you mean 'moons'"):
        fg.load_images("synthetic:moon")
    with pytest.raises(BadArgument, match="did you mean 'relu'"):
        REFERENCE["mlp"](activation="rel")
    with pytest.raises(BadArgument, match="depth must be"):
        REFERENCE["small_densenet"](depth=12)


@pytest.mark.parametrize("recipe", ["mnist_two", "mnist_three", "mnist_two_limit", "mnist_three_limit"])
def test_the_recipes_on_images_run(tmp_path, real_data, recipe):
    run = fg.train(recipe, tmp_path, images=f"mnist:{real_data / 'mnist'}", steps=2, batch=8, measured=40)
    clf = fg.load_classifier(run.last)
    assert clf.head.dimension == 2
    assert clf.classes == ("0", "1", "2")[: clf.head.classes]


def test_without_bias_the_network_is_homogeneous_in_its_weights():
    net = mlp(hidden=20, features=5, classes=3, bias=False)
    x = torch.randn(4, 1, 1, 2, generator=torch.Generator().manual_seed(0))
    before = net(x)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(2)
    torch.testing.assert_close(net(x), 8 * before)
    assert all("bias" not in name for name, _ in net.named_parameters())
