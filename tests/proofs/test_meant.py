"""True claims of the right kind about the right things that are not the claims meant: some field says so."""

from dataclasses import replace

import numpy as np
import pytest
from forging import claims_of, edited, faults, remade, told
from scipy.sparse import csr_array

import featgeom as fg
from featgeom.certificates.farkas import EmptyCell
from featgeom.certificates.guarantees import BrokenHull, GuaranteedHull
from featgeom.certificates.machines import Machine
from featgeom.certificates.pixels import MovedImage, ReachedFeatures
from featgeom.certificates.shapes import CellRay, InscribedBall
from featgeom.proofs.proof import Found, Unproved
from featgeom.proofs.studies import PROOFS
from featgeom.regions.cells import Cells
from featgeom.runs.making import arrays_run
from featgeom.status import Status


def other_machine(claim, **options):
    new = fg.max_margin(claim.x, claim.y, **options).certificate
    return replace(new, words=claim.words)


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("pair-0-1-standard", {"C": 1e-6, "bias": "standard"}, "its c is 1e-06, not inf"),
        ("machine-standard", {"C": 1e-3, "bias": "standard"}, "its c is 0.001, not inf"),
        ("machine-standard", {"bias": "augmented"}, "its freedom is augmented, not standard"),
        ("pair-1-2-augmented", {"bias": "standard"}, "its freedom is standard, not augmented"),
    ],
)
def test_machines_of_another_question(run, capsys, name, options, why):
    claims = claims_of(run, "svm")
    claims[name] = other_machine(claims[name], **options)
    assert claims[name].check().status[0] is Status.PROVED
    remade(run, "svm", claims)
    assert f"REFUTED svm/{name}: {why}" in told(run, capsys)


def test_machines_beside_a_last_layer_and_of_the_maps(run):
    """The studies that train, or draw a plane, are not in the small run: their claims are asked alone."""
    claim = claims_of(run, "svm")["machine-standard"]
    soft = other_machine(claim, C=2.0, bias="standard")
    everyone = fg.max_margin(*run.subjects.fields(type(soft), {"samples": "train/features"}).values(), C=2.0)
    machines = {"machine": everyone.certificate.named(samples="train/features")}
    assert faults(run, "maps", machines) == {"machine": "its c is 2.0, not 1.0"}
    assert faults(run, "retrain", {"machine-standard": soft}) == {"machine-standard": "its c is 2.0, not inf"}
    assert faults(run, "retrain", {"machine-none": claim}) == {
        "machine-none": "its freedom is standard, not none"
    }


def test_a_machine_beside_a_class_of_which_no_sample_is_predicted_correctly(tmp_path):
    x, labels = np.array([[0.0], [3.0], [0.1]]), np.array([0, 1, 2])
    np.savez(tmp_path / "three.npz", features=x, labels=labels, weight=[[-1], [1], [0]], bias=[2, -2, -9])
    run = arrays_run(tmp_path / "run", str(tmp_path / "three.npz"))
    words = "all/features of classes 0, 2 predicted as labelled"
    points, own = run.subjects.points(words), run.subjects.labels(words)
    rows, machine = np.zeros(0, int), (np.zeros((1, 1)), np.array([-1.0]))
    trivial = Machine(points, own, *machine, rows, rows[:, None], np.inf, "standard", 0.0, 0.0)
    assert trivial.check().status[0] is Status.PROVED
    said = faults(run, "svm", {"pair-0-2-standard": trivial.named(samples=words)})
    assert said == {"pair-0-2-standard": "is about samples of 1 class, not of two or more"}


@pytest.mark.parametrize(("study", "prefix"), [("overview", "correct-"), ("regions", "guarantee-")])
@pytest.mark.parametrize("lie", ["own", "nobody"])
def test_hulls_that_are_broken_for_another_class_or_by_nobody(run, capsys, study, prefix, lie):
    claims = claims_of(run, study)
    name = next(n for n, c in claims.items() if n.startswith(prefix) and isinstance(c, GuaranteedHull))
    claim, none = claims[name], np.zeros(0, np.int64)
    own = (claim.own + 1) % 3 if lie == "own" else claim.own
    breakers, rivals = (np.array([0]), np.array([claim.own])) if lie == "own" else (none, none)
    head = claim.weight, claim.bias
    claims[name] = BrokenHull(claim.points, *head, own, breakers, rivals, words=claim.words)
    assert set(claims[name].check().status) <= {Status.PROVED}
    if study == "regions":
        del claims[f"inside-{claim.own}"]
    remade(run, study, claims)
    why = f"its own is {own}, not {claim.own}" if lie == "own" else "its breakers must not be empty"
    assert f"REFUTED {study}/{name}: {why}" in told(run, capsys)


def test_balls_of_other_cells(run, capsys):
    claims = claims_of(run, "regions")
    claims["ball-0"], claims["ball-1"] = claims["ball-1"], claims["ball-0"]
    remade(run, "regions", claims)
    out = told(run, capsys)
    assert "REFUTED regions/ball-0: its own is [1], not [0]" in out
    assert "REFUTED regions/ball-1: its own is [0], not [1]" in out


def test_no_ball_at_all_and_a_cell_that_is_empty_for_another_class(run):
    claims = claims_of(run, "regions")
    ball = claims["ball-0"]
    assert isinstance(ball, InscribedBall)
    none = replace(
        ball, bases=ball.bases[:0], own=ball.own[:0], radius=ball.radius[:0], upper=ball.upper[:0],
        multipliers=ball.multipliers[:0], solved=ball.solved[:0],
    )  # fmt: skip
    assert "ball-0" in faults(run, "regions", claims | {"ball-0": none})
    domain = (ball.weight, ball.bias, np.zeros(3), np.full(3, np.inf), np.zeros((0, 3)))
    empty = EmptyCell(*domain, np.array([1]), csr_array((1, 3)), csr_array((1, 3)))
    named = empty.named(domain="orthant")
    assert faults(run, "regions", claims | {"empty-0": named})["empty-0"] == "its own is [1], not [0]"


def test_one_tie_for_every_sample(run, capsys):
    claims = claims_of(run, "boundaries")
    tie = claims["nearest"]
    n, i = len(tie), int(tie.upper.argmin())
    take, mine = np.full(n, i), np.flatnonzero(tie.rival_of == i)
    fields = ("owner", "tied", "active", "fixed", "lower", "upper")
    claims["nearest"] = replace(
        tie, **{name: getattr(tie, name)[take] for name in fields},
        rival_of=np.repeat(np.arange(n), len(mine)), rival=np.tile(tie.rival[mine], n),
        rival_multipliers=tie.rival_multipliers[np.tile(mine, n)],
    )  # fmt: skip
    assert set(claims["nearest"].check().status) == {Status.PROVED}
    remade(run, "boundaries", claims)
    assert "REFUTED boundaries/nearest: its owner must name each sample once, in rising order" in told(
        run, capsys
    )


def test_a_class_that_ties_with_the_one_predicted(run):
    claims = claims_of(run, "overview")
    balls = claims["balls-test"]
    changed = replace(balls, own=(balls.own + 1) % 3)
    assert faults(run, "overview", claims | {"balls-test": changed}) == {
        "balls-test": "its own is not that meant"
    }


def test_a_ray_that_does_not_say_that_its_cell_holds_balls_of_any_size(run):
    box = run.subjects.box("box of train/features")
    head, axis = run.subjects.head, np.eye(3)[:1]
    ray = CellRay(head.weight, head.bias, *box, axis, np.array([0]), axis, np.array([False]))
    ray = ray.named(domain="box of train/features")
    assert faults(run, "regions", {"ball-0": ray})["ball-0"] == "its wide is [False], not [True]"
    assert "ball-0" not in faults(run, "regions", {"ball-0": replace(ray, wide=np.array([True]))})


@pytest.mark.parametrize("rows", [[-1], [36], [3, 3], [-1, 35]])
def test_samples_asked_that_are_none_or_asked_twice(run, rows):
    nobody = np.full(len(rows), np.inf)
    with pytest.raises(Unproved, match="its array 'rows' does not tell samples, "):
        faults(run, "flips", {}, arrays={"rows": np.array(rows), "pixel_distance": nobody})
    train = {"train_rows": np.array([36, 89]), "test_rows": np.array([0])}
    assert not faults(run, "compare", {}, arrays=train)
    for odd in ({"train_rows": np.array([90])}, {"test_rows": np.array([36])}):
        with pytest.raises(Unproved, match="does not tell samples, numbered from 0 to"):
            faults(run, "compare", {}, arrays=train | odd)


@pytest.mark.parametrize("pairs", [[[0, 1]], [[0, 0]], [[0, 3], [3, 6]], [0, 3], [[0.0, 3.0]]])
def test_pairs_that_are_no_pairs_of_samples_predicted_alike(run, pairs):
    own = run.subjects.predicted("test")
    alike = np.flatnonzero(own == own[0])[:3]
    assert own[0] != own[1]
    pairs = np.array(pairs)
    known = np.where(pairs == 3, alike[1], np.where(pairs == 6, alike[2], pairs)).astype(pairs.dtype)
    with pytest.raises(Unproved, match="its array 'alike' does not tell"):
        faults(run, "morph", {}, arrays={"alike": known})
    assert not faults(run, "morph", {}, arrays={"alike": alike[None, :2]})


def figures(run, study, claims, arrays):
    """What the claims say of arrays and values of a record."""
    found, proof = Found.of(run, claims).beside(arrays), PROOFS[study]
    return proof.arrays(found) | proof.values(found)


def test_figures_of_images_are_those_of_their_claims(run):
    part = run.subjects.parts["test"]
    z = np.asarray(part.features[[4, 0]], np.float64)
    start, images = np.zeros((2, 4), np.float32), np.full((2, 4), 0.5, np.float32)
    moved = MovedImage(start[1:], images[1:], 0.0, 1.0000004, np.array([1.0]))
    feature = fg.flip_points(run.subjects.head, z)
    asked = {"rows": np.array([4, 0]), "pixel_distance": np.array([np.inf, 0.7])}
    said = figures(run, "flips", {"images": moved, "feature-flips": feature.certificate}, asked)
    np.testing.assert_array_equal(said["pixel_distance"], [np.inf, 1.0])
    np.testing.assert_array_equal(said["feature_distance"], feature.distance)
    assert said["bounds"] == [0.0, 1.0000004]
    assert "[0, 1.0000004]" in moved.statement(0)
    reached = ReachedFeatures(z, z, np.array([0.0, 1e-9]))
    margins = Cells(run.subjects.head).margins(z).certificate
    both = replace(moved, start=start, images=images, distance=np.array([1.0, 2.0]))
    said = figures(run, "invert", {"images": both, "features": reached, "classes": margins}, {})
    assert said["moved"].tolist() == [1.0, 2.0]
    assert said["residual"].tolist() == [0.0, 1e-9]
    assert said["class"].tolist() == run.subjects.predicted("test")[[4, 0]].tolist()


def test_what_is_drawn_of_a_slice_is_its_claim(run, capsys):
    with edited(run, "boundaries") as forged:
        forged["values"]["slices"][0]["polygons"]["0"][0][0] += 1e-3
        forged["values"]["slices"][0]["window"][0] -= 1
    out = told(run, capsys)
    assert "REFUTED boundaries/values: slices/0/window/0 says" in out
    assert "REFUTED boundaries/values: slices/0/polygons/0/0/0 says" in out
