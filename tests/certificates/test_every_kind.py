"""Every kind of claim there is: stored, read, proved, and safe from whoever tampers with it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from stored import named
from torch import nn

import featgeom as fg
from featgeom.certificates.claim import KINDS
from featgeom.certificates.pixels import MovedImage, ReachedFeatures
from featgeom.exact.fields import specs
from featgeom.exact.rounding import rounded_up
from featgeom.runs.checks import check_claim, verify_claims
from featgeom.runs.claims import load_claims, save_claims
from featgeom.runs.told import is_told, told
from featgeom.status import Status


def about_cells(head, z):
    """Claims of `regions`."""
    cells = fg.Cells(head, fg.Box.around(z))
    found = cells.margins(z)
    c = int(np.bincount(found.classes).argmax())
    graph = cells.adjacency().graph
    small = fg.Cells(fg.AffineHead([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, 1.0]), "orthant")
    none = fg.Cells(fg.AffineHead([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, -1.0]), "orthant")
    results = [
        found,
        cells.radius(z),
        cells.radius(z, 1),
        cells.guarantee(z[found.classes == c], c),
        cells.guarantee(z, c),
        cells.chebyshev(c),
        none.is_empty(2),
        small.is_unbounded(0),
        small.is_unbounded(2),
    ]
    return [graph["ties"], graph["no_ties"], *(r.certificate for r in results)]


def about_boundaries(head, z):
    """Claims of `boundaries`."""
    plane, far = (fg.Plane.through(*(z[:3] + shift)) for shift in (0, 50))
    apart = fg.AffineHead([[1.0, 0.0], [0.0, 0.0]], [1.0, 0.0])
    results = [
        fg.flip_points(head, z[:5], domain="orthant"),
        fg.flip_points(head, z[:5], "every", fg.Box.around(z), np.inf),
        fg.tie_points(head, z[:5], [0, 1, 2]),
        fg.flip_points(apart, [[1.0, 1.0]], domain="orthant"),
        fg.crossings(head, z[:5], z[5:10]),
        fg.slice_cells(head, plane, (-2, -2, 2, 2)),
        fg.slice_hull(z, plane),
        fg.slice_hull(z, far),
        fg.sparse_flips(head, z[:5], fg.Box.around(z)),
    ]
    return [*(r.certificate for r in results), results[3].certificate_empty]


def about_hulls(z):
    """Claims of `hulls` and `margins`."""
    hull = fg.ConvexHull(z)
    right = (z[:, 0] > 0).astype(int)
    results = [
        hull.project(z[:5] + 3),
        hull.contains(z[:5] / 2),
        hull.extreme_points(),
        hull.support(np.eye(3)),
        hull.enclosing_ball(),
        hull.diameter(),
        fg.separate(hull, fg.ConvexHull(z + 20)),
        fg.separate(hull, fg.ConvexHull(z + 0.1)),
        fg.max_margin(z + np.where(right[:, None] > 0, 3, -3), right),
        fg.max_margin(z, np.arange(80) % 2),
    ]
    return [r.certificate for r in results]


def pieces_of_pixels():
    """Around and between images of four pixel values, as solvers find them."""
    torch.manual_seed(2)
    layers = [nn.Flatten(), nn.Linear(4, 5), nn.LeakyReLU(0.1), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3)]
    classifier = fg.load_classifier(nn.Sequential(*layers), pixels=fg.PixelSpec((1, 2, 2)))
    images = np.random.default_rng(6).random((3, 1, 2, 2), dtype=np.float32)
    window = (-0.1, -0.1, 0.4, 0.4)
    return [
        fg.prove_pixel_balls(classifier, images, parts=8).certificate,
        fg.prove_pixel_crossings(classifier, images[:2], images[1:]).certificate,
        fg.prove_pixel_regions(classifier, *images, window=window).certificate,
    ]


def about_pixels(z):
    """Claims of `pixels`."""
    images = np.random.default_rng(5).random((4, 6)).astype(np.float32)
    start = images[::-1].copy()
    moved = np.linalg.norm(images.astype(float) - start, axis=1)
    near = z[:4] + np.float32(1e-4)
    residual = np.linalg.norm(near.astype(float) - z[:4], axis=1) / np.linalg.norm(
        z[:4].astype(float), axis=1
    )
    return [
        MovedImage(start, images, 0.0, 1.0, rounded_up(moved, 6)),
        ReachedFeatures(z[:4], near, rounded_up(residual, 3)),
        *pieces_of_pixels(),
    ]


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(4)
    head = fg.AffineHead(rng.standard_normal((6, 3)), rng.standard_normal(6))
    z = rng.standard_normal((80, 3)).astype(np.float32)
    claims = [*about_cells(head, z), *about_boundaries(head, z), *about_hulls(z), *about_pixels(z)]
    return {f"{i} {claim.kind}": claim for i, claim in enumerate(claims) if len(claim)}


def test_every_kind_is_here(world, tmp_path):
    claim, known = named(next(iter(world.values())))
    load_claims(save_claims(tmp_path, "one", {"one": claim}, known), known)  # makes every kind known
    assert {claim.kind for claim in world.values()} >= set(KINDS)


def test_all_of_them_are_proved_from_disk(world, tmp_path):
    for name, one in world.items():
        claim, known = named(one)
        (check,) = verify_claims(save_claims(tmp_path, "one", {name: claim}, known), known)
        assert check.status is Status.PROVED, (check.name, check.failures)
        assert check.tally["PROVED"] == len(claim)


def test_what_is_only_told_of_a_claim_proves_nothing_and_says_the_same(world):
    for name, claim in world.items():
        known = told(claim)
        assert is_told(known), name
        assert not is_told(claim)
        assert len(known) == len(claim)
        assert known.check().tally.get("PROVED", 0) == 0, name


def tampered(value, rng):
    """A field as someone may leave it who tampers with it, and by what."""
    if isinstance(value, csr_array):
        if value.nnz:
            yield "sign", -value
            yield "scale", value * 1.5
            yield "columns", csr_array((value.data, value.indices[::-1].copy(), value.indptr), value.shape)
        yield "shape", value[:, :-1]
    elif isinstance(value, np.ndarray) and value.size:
        if value.dtype.kind == "f":
            yield "sign", -value
            yield "scale", value * 1.5
            yield "NaN", np.full_like(value, np.nan)
        elif value.dtype.kind in "iu":
            yield "index", value + 1
            yield "far index", value + 10**6
            yield "sign", -value - 1
        yield "shape", value[..., :-1]
        raw = bytearray(value.tobytes())
        bit = int(rng.integers(8 * len(raw)))
        if value.dtype != bool:
            raw[bit // 8] ^= 1 << (bit % 8)
            yield "bit", np.frombuffer(bytes(raw), value.dtype).reshape(value.shape)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield "one more", value + 1
        yield "sign", -value - 1


def test_no_tampering_breaks_a_check(world):
    """Whatever is changed, the check ends with a verdict for the claim, and never by an exception."""
    rng = np.random.default_rng(0)
    broken = []
    with np.errstate(all="ignore"):
        for name, claim in world.items():
            for field, _ in specs(claim):
                for how, value in tampered(getattr(claim, field), rng):
                    changed = replace(claim, **{field: value})
                    found = check_claim(changed, name)
                    if any("the check ended with" in reason for *_, reason in found.failures):
                        broken.append((name, field, how, found.failures[0][3]))
                    assert sum(found.tally.values()) > 0 or len(changed) == 0
    assert broken == []


def test_one_flipped_bit_in_any_stored_array_is_refuted(world, tmp_path):
    rng = np.random.default_rng(1)
    for name, one in world.items():
        claim, known = named(one)
        path = save_claims(tmp_path, "one", {name: claim}, known)
        with np.load(path.with_suffix(".npz")) as stored:
            arrays = {key: stored[key] for key in stored.files}
        for key in [k for k, a in arrays.items() if a.size]:
            raw = bytearray(arrays[key].tobytes())
            bit = int(rng.integers(8 * len(raw)))
            raw[bit // 8] ^= 1 << (bit % 8)
            flipped = np.frombuffer(bytes(raw), arrays[key].dtype).reshape(arrays[key].shape)
            np.savez(path.with_suffix(".npz"), **{**arrays, key: flipped})
            (check,) = verify_claims(path, known)
            assert check.status is Status.REFUTED, (name, key)
