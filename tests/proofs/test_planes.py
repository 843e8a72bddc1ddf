"""True claims about other planes than those of the corners named, or in another norm than the one named."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from forging import claims_of, faults, remade, told
from scipy.sparse import csr_array

import featgeom as fg
from featgeom.certificates.sections import HullSection
from featgeom.proofs.boundaries import chosen_norm
from featgeom.proofs.flat import through
from featgeom.proofs.proof import Found, Unproved
from featgeom.runs.subjects import of_class
from featgeom.status import Status


def slice_of_another(run, claim, how):
    """The partition of another plane, or of another window, than the corners ask for."""
    origin, basis, window = claim.origin, claim.basis, tuple(claim.window)
    if how == "elsewhere":
        origin = origin + 1.0
    elif how == "tilted":
        turned = np.linalg.qr(np.vstack([basis[0], basis[1] + 1e-8 * np.cross(*basis)]).T)[0].T
        basis = turned * np.sign((turned * basis).sum(axis=1))[:, None]
    elif how == "away":
        window = (window[2], window[3], window[2] + 1, window[3] + 1)
    found = fg.slice_cells(run.subjects.head, fg.Plane(origin, basis), window).certificate
    assert set(found.check().status) == {Status.PROVED}
    return replace(found, words=claim.words)


WHY = {
    "elsewhere": "its origin is not that meant",
    "tilted": "its basis must be two axes at right angles, of length 1, in the plane through its corners",
    "away": "its window must hold its corners",
}


@pytest.mark.parametrize("how", WHY)
def test_a_slice_through_other_points_than_the_corners_named(run, capsys, how):
    claims = claims_of(run, "boundaries")
    claims["slice-0"] = slice_of_another(run, claims["slice-0"], how)
    remade(run, "boundaries", claims)
    assert f"REFUTED boundaries/slice-0: {WHY[how]}" in told(run, capsys)


def test_a_trace_on_another_plane_than_its_slice(run):
    mean = run.subjects.means("train")
    names, c = list(run.classes), 1
    points = run.subjects.points(of_class("train", c, True))
    settings = {"slices": [names], "traces": True, "norm": "2"}
    for corners, fault in ((mean, None), (mean + 0.01, "its origin is not that meant")):
        trace = fg.slice_hull(points, fg.Plane.through(*corners)).certificate
        asked = {"trace-0-1": trace.named(points=of_class("train", c, True))}
        assert faults(run, "boundaries", asked, settings).get("trace-0-1") == fault


def test_a_sample_as_a_corner(run):
    part = run.subjects.parts["test"]
    corners = np.asarray(part.features[[4, 0, 2]], np.float64)
    plane = fg.Plane.through(*corners)
    claim = fg.slice_cells(run.subjects.head, plane, plane.window(corners)).certificate
    for names, fault in ((["#4", "#0", "#2"], None), (["#4", "#0", "#1"], WHY["tilted"])):
        found = faults(run, "boundaries", {"slice-0": claim}, {"slices": [names], "norm": "2"})
        assert found.get("slice-0") == fault
    for rows, fault in (([4, 0, 2], None), ([0, 4, 2], "its origin is not that meant")):
        assert faults(run, "planes", {"slice-0": claim}, arrays={"rows": np.array([rows])}).get(
            "slice-0"
        ) == (fault)


@pytest.mark.parametrize(
    "rows",
    [
        [[5, 5, 5]], [[5, 5, 6]], [[-31, -30, -29]], [[0, 1, 36]], [[4, 0, 2], [0, 4, 2]],
        [[4, 0, 2], [2, 0, 4]], [[4, 0, 2], [4, 0, 2]], [[4.0, 0.0, 2.0]], [4, 0, 2], [[4, 0]],
    ],
)  # fmt: skip
def test_planes_of_samples_that_are_no_three_or_told_twice(run, rows):
    assert len(run.subjects.parts["test"].labels) == 36
    with pytest.raises(Unproved, match="its array 'rows' does not tell samples, "):
        faults(run, "planes", {}, arrays={"rows": np.array(rows)})
    assert not faults(run, "planes", {}, arrays={"rows": np.array([[4, 0, 2], [35, 0, 2]])})


@pytest.mark.parametrize("name", ["#-1", "#36", "# 4", "#4 ", "#", "9", "14"])
def test_a_corner_that_is_no_sample(run, name):
    with pytest.raises(Unproved, match=f"there is no class or sample '{name}'"):
        faults(run, "boundaries", {}, {"slices": [["#0", "#2", name]], "norm": "2"})


def planes_through(corners, basis):
    """What is wrong with the basis of a trace, of all planes through three corners (3, d)."""
    d = len(corners[0])
    nothing = csr_array((0, 2))
    trace = HullSection(
        np.ones((2, d)), np.array(corners[0], float), np.array(basis, float), np.zeros((0, d)), np.zeros(0),
        np.zeros((0, 2)), nothing, np.zeros(0),
    )  # fmt: skip
    found = Found({"trace": trace}, {"trace": {}}, SimpleNamespace(parts={"train": None}), (), {})
    found.must("trace", HullSection)
    through(found, "trace", corners)
    return found.faults.get("trace", "")


def test_corners_on_a_line_tell_no_plane():
    axes = np.eye(3)[:2]
    for corners in ([[0, 0, 0], [1, 1, 0], [3, 3, 0]], [[1, 1, 0]] * 3, [[0, 0, 0], [1, 0, 0], [0, 0, 0]]):
        with pytest.raises(Unproved, match="the corners of 'trace' lie on a line"):
            planes_through(corners, axes)
    for corners in ([[0, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]):
        with pytest.raises(Unproved, match=f"'trace' has {len(corners)} corners, not 3"):
            planes_through(corners, axes)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_axes_of_a_plane_are_at_right_angles_and_in_it(scale):
    corners = scale * np.array([[0, 0, 0], [1, 0, 0], [1, 1e-9, 0]])
    assert planes_through(corners, [[1, 0, 0], [0, 1, 0]]) == ""
    for basis in ([[1, 0, 0], [0, 1 + 1e-5, 0]], [[1, 0, 0], [1e-11, 1, 0]], [[1, 0, 0], [0, 0, 1]]):
        assert planes_through(corners, basis) == WHY["tilted"], basis
    wide = scale * np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    assert planes_through(wide, [[1, 0, 0], [0, np.cos(1e-10), np.sin(1e-10)]]) == WHY["tilted"]


def test_every_plane_that_the_solvers_make_is_the_one_meant(rng):
    for d in (2, 3, 40, 2048):
        points = rng.standard_normal((3, d)) * 10.0 ** rng.integers(-6, 6, (3, 1))
        plane = fg.Plane.through(*points)
        assert planes_through(points, plane.basis) == ""
    thin = np.array([[0.1, 0.2, 0.3], [1.1, 0.4, 0.9], [2.1, 0.6, 1.5 + 1e-9]])
    assert planes_through(thin, fg.Plane.through(*thin).basis) == ""


@pytest.mark.parametrize("norm", ["1", "inf", "mahalanobis", "3", None, 2])
def test_a_tie_in_another_norm_than_that_named(run, norm):
    ties = {"nearest": claims_of(run, "boundaries")["nearest"]}
    assert "nearest" not in faults(run, "boundaries", ties, {"norm": "2"})
    assert faults(run, "boundaries", ties, {"norm": norm})["nearest"].startswith("is no nearest-in-norm")


def test_a_claim_in_the_norm_named_and_no_other(run):
    z, head = run.subjects.parts["test"].features, run.subjects.head
    words = {"points": "test/features", "domain": "orthant"}
    stretched = chosen_norm("mahalanobis", run.subjects.parts["train"])
    norms = {"1": 1, "inf": np.inf, "mahalanobis": stretched}
    flips = {name: fg.flip_points(head, z, None, "orthant", norm) for name, norm in norms.items()}
    claims = {name: flip.certificate.named(**words) for name, flip in flips.items()}
    for name, claim in claims.items():
        for said in (*norms, "2"):
            wrong = faults(run, "boundaries", {"nearest": claim}, {"norm": said}).get("nearest")
            assert (wrong is None) == (name == said), (name, said, wrong)
    fewer = chosen_norm("mahalanobis", run.subjects.parts["test"])
    for factor in (fewer.factor, stretched.factor * (1 + 1e-8), stretched.factor[:0]):
        other = replace(claims["mahalanobis"], factor=factor)
        wrong = faults(run, "boundaries", {"nearest": other}, {"norm": "mahalanobis"})["nearest"]
        assert wrong == "its factor must be that of the covariance within the classes of train"
