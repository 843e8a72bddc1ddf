"""Every public result says in a line what it holds, has a status, and bounds that belong together."""

import re

import numpy as np
import pytest
from torch import nn

import featgeom as fg
from featgeom.answers.guard import Guard
from featgeom.boundaries.directions import direction_spectrum
from featgeom.models.pixel_spec import PixelSpec
from featgeom.results import Interval, Result, ranged
from featgeom.status import Status


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One result of every public verb, made large enough that its arrays would fill a screen."""
    rng = np.random.default_rng(3)
    y = np.repeat(np.arange(4), 60)
    z = np.abs(np.eye(6)[y] * 4 + rng.standard_normal((240, 6)))
    head = fg.AffineHead(np.eye(6)[:4] - 0.25, np.zeros(4))
    right = head.classify(z) == y
    hulls = [fg.ConvexHull(z[(y == c) & right]) for c in range(4)]
    whole, cells, box = fg.ConvexHull(z), fg.Cells(head), fg.Box(np.zeros(6), np.full(6, 9.0))
    boxed = fg.Cells(head, box)
    plane = fg.Plane.through(z[0], z[60], z[120])
    solid = fg.Plane.through(z[0], z[60], z[120], z[180])
    window = plane.window(z[[0, 60, 120]])
    flips = fg.flip_points(head, z)
    machine = fg.max_margin(z[right], y[right])
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, 4))
    clf = fg.load_classifier(net, pixels=PixelSpec((1, 6, 6)))
    images = rng.random((40, 1, 6, 6)).astype(np.float32)
    sets = {
        split: fg.ImageSet(images, clf.logits(images).argmax(axis=1), tuple("abcd"), "noise", split)
        for split in ("train", "test")
    }
    run = fg.analyze(clf, sets, tmp_path_factory.mktemp("results") / "run")
    guard = Guard(clf.head, false_alarm=0.3).fit(run.features("train").features, run.features("train").labels)
    asked = run.features("test").features
    found = [
        whole, cells, box, plane, head, clf, run, sets["train"], run.features("train"), run.scene(),
        whole.project(z + 1), whole.contains(z), whole.extreme_points(), whole.support(z), whole.diameter(),
        whole.enclosing_ball(), fg.separate(hulls[0], hulls[1]), cells.margins(z), boxed.radius(z),
        cells.guarantee(hulls[0].points, 0), boxed.is_empty(0), cells.is_unbounded(0), boxed.chebyshev(0),
        cells.facets(0), boxed.shares(1000, seed=0), flips, fg.tie_points(head, z[:5], [0, 1, 2]),
        fg.crossings(head, z[:60], z[60:120]), fg.slice_cells(head, plane, window),
        fg.slice_cells_3d(head, solid, solid.window(z[[0, 60, 120, 180]])),
        fg.sparse_flips(head, z, "orthant"), fg.arrangement(head, plane, window), fg.slice_hull(z, plane),
        fg.ambiguity(flips.distance, head.logits(z), y),
        direction_spectrum(z, flips.point, y)[None], fg.decision_view(head, [0, 1, 2]), machine,
        fg.compare_head(head, machine, z[right], y[right]), fg.neural_collapse(z, y, head),
        fg.train_head(z[right], y[right], 20), fg.scene_of(z, y, head),
        fg.invert(clf, asked[:3], images[3:6]), fg.pixel_flips(clf, images[:3]),
        fg.reachable(clf, asked[:2], seconds=0.0), fg.pixel_lower_bounds(clf, images[:3]),
        fg.morph(clf, images[0], images[1], 2),
        fg.pixel_crossings(clf, images[:2], images[2:4]),
        fg.slice_pixels(clf, images[0], images[1], images[2], resolution=16),
        fg.prove_pixel_crossings(clf, images[0], images[1]),
        fg.prove_pixel_regions(clf, images[0], images[1], images[2]),
        fg.compare_spaces(clf, sets["train"], sets["test"], test_samples=5, flip_samples=2),
        guard.distances(asked), guard.inspect(asked), run.results["overview"],
        run.results["overview"].tables[0], run.verify(), fg.suspects(run, 5), fg.networks([run, run]),
        *fg.explain(run, ["test:0", "train:1"]),
    ]  # fmt: skip
    compared = next(one for one in found if isinstance(one, fg.SpaceComparison))
    return [*found, *compared.measures.values()]


def test_a_result_is_short_in_print(results):
    for result in results:
        text = repr(result)
        assert len(text) < 300, text
        assert "\n" not in text
        assert text.startswith("<"), text


def test_every_public_result_type_is_tried(results):
    tried = {type(result) for result in results}
    others = {
        "FeatgeomError",
        "MaxMarginClassifier",
        "Natural",
        "PixelSpec",
        "Status",
        "TrainingRun",
        "ClassPath",
        "Guard",
    }
    for name in fg.__all__:
        kind = getattr(fg, name)
        if isinstance(kind, type) and name not in others:
            assert kind in tried, name


def test_every_result_has_a_status(results):
    for result in results:
        if isinstance(result, Result):
            status = np.atleast_1d(np.asarray(result.status, dtype=object)).ravel()
            assert all(isinstance(one, Status) for one in status), type(result)


def test_bounds_belong_together(results):
    bounded = [result for result in results if isinstance(result, Result) and result.bounded]
    assert len(bounded) >= 10
    for result in bounded:
        lower, upper = (np.asarray(side) for side in (result.interval.lower, result.interval.upper))
        assert lower.shape == upper.shape
        assert (lower <= upper).all(), type(result)
        assert result.bounded[0] in repr(result)


def test_a_result_without_bounds_says_so():
    with pytest.raises(AttributeError, match="no value between two bounds"):
        fg.neural_collapse(np.eye(4), [0, 0, 1, 1], fg.AffineHead(np.eye(4)[:2])).interval  # noqa: B018


def test_what_a_notebook_shows(results):
    shown = [result._repr_html_() for result in results if hasattr(result, "_repr_html_")]
    assert len(shown) >= 4
    for page in shown:
        for tag in ("table", "tr", "td"):
            assert len(re.findall(f"<{tag}[ >]", page)) == page.count(f"</{tag}>") > 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros(0), "no values"),
        (np.array([np.nan, 1.0]), "1 (1 not known)"),
        (np.array([True, False]), "1 of 2"),
        (12345, "12,345"),
        (Interval(np.array([1.0, 2.0]), np.array([1.5, np.inf])), "1.5 (1 infinite), known to 0.5"),
        (Interval(0.1, 0.2), "0.1 to 0.2"),
        (None, "none"),
    ],
)
def test_values_in_words(value, words):
    assert ranged(value) == words
