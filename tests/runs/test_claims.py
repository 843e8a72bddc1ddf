"""Claims come back from disk as they were, and a record that was tampered with is never proved."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from featgeom import AffineHead, Box, Cells, ConvexHull, separate
from featgeom.certificates.claim import KINDS
from featgeom.errors import BadArgument, BadData
from featgeom.features.features import FeatureSet
from featgeom.regions.domains import Hull
from featgeom.runs.checks import check_claim, total, verify_claims
from featgeom.runs.claims import _digest_of, load_claims, save_claims
from featgeom.runs.subjects import Subjects
from featgeom.status import Status


@pytest.fixture(scope="module")
def world():
    """A head, features, and a claim of every kind about cells and some about hulls."""
    rng = np.random.default_rng(4)
    head = AffineHead(rng.standard_normal((6, 3)), rng.standard_normal(6))
    z = rng.standard_normal((80, 3)).astype(np.float32)
    box = Box.around(z)
    cells, hull_cells = Cells(head, box), Cells(head, Hull(z))
    found = cells.margins(z)
    c = int(np.bincount(found.classes).argmax())
    mine = z[found.classes == c]
    claims = {
        "balls": cells.radius(z).certificate.named(points="all/features", domain="box of all/features"),
        "classes": found.certificate.named(points="all/features"),
        "kept": cells.guarantee(mine, c).certificate.named(points=f"all/features predicted {c}"),
        "broken": cells.guarantee(z, c).certificate.named(points="all/features"),
        "distance": ConvexHull(mine)
        .project(z[:3])
        .certificate.named(points=f"all/features predicted {c}", queries="all/features rows 0,1,2"),
        "apart": separate(ConvexHull(z[:5]), ConvexHull(z[:5] + 20)).certificate.named(
            points_a="all/features rows 0,1,2,3,4", points_b="record/far"
        ),
    }
    for name, some in (("box", cells), ("hull", hull_cells)):
        graph, domain = some.adjacency().graph, f"{name} of all/features"
        claims[f"ties-{name}"] = graph["ties"].named(domain=domain)
        claims[f"no-ties-{name}"] = graph["no_ties"].named(domain=domain)
        claims[f"ball-{name}"] = some.chebyshev(c).certificate.named(domain=domain)
    part = FeatureSet.of(z, found.rival, head)
    return claims, Subjects({"all": part}, {"far": z[:5] + 20})


@pytest.fixture(scope="module")
def others():
    """Claims about the cells of other heads."""
    dominated = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, -1.0])
    small = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, 1.0])
    return {
        "empty": Cells(dominated, "orthant").is_empty(2).certificate,
        "ray": Cells(small, "orthant").is_unbounded(0).certificate,
        "end": Cells(small, "orthant").is_unbounded(2).certificate,
    }


def test_every_kind_about_cells_is_here(world, others):
    kinds = {claim.kind for claim in (world[0] | others).values()}
    module = "featgeom.certificates."
    mine = [module + name for name in ("classes", "guarantees", "cells", "shapes")]
    assert {kind for kind, claim in KINDS.items() if claim.__module__ in mine} <= kinds


def test_claims_come_back_and_are_proved(world, tmp_path):
    claims, known = world
    path = save_claims(tmp_path, "all", claims, known)
    for stored in load_claims(path, known):
        assert stored.problem == ""
        for name, value in claims[stored.name].evidence.items():
            back = getattr(stored.claim, name)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(back, value)
                assert back.dtype == value.dtype
            elif hasattr(value, "tocsr"):
                assert (back != value).nnz == 0
            else:
                assert back == value
    checks = verify_claims(path, known)
    assert [c.name for c in checks if c.status is not Status.PROVED] == []
    assert total(checks)["PROVED"] == sum(len(claim) for claim in claims.values())


def entries(path):
    return json.loads(path.read_text())["claims"]


def rewritten(path, change):
    """The document as someone leaves it who changes an entry and computes its digest anew."""
    document = json.loads(path.read_text())
    for entry in document["claims"]:
        change(entry)
        entry["sha256"] = _digest_of(entry)
    path.write_text(json.dumps(document))
    return path


def test_what_a_claim_is_about_is_said_and_never_stored(world, tmp_path):
    claims, known = world
    path = save_claims(tmp_path, "all", {k: claims[k] for k in ("kept", "balls")}, known)
    kept, balls = entries(path)
    assert kept["about"] == {"head": "head", **claims["kept"].words}
    assert balls["about"] == {"points": "all/features", "head": "head", "domain": "box of all/features"}
    assert not {"points", "weight", "bias", "lo", "hi"} & (set(kept["fields"]) | set(balls["fields"]))
    n = len(claims["kept"].points)
    said = load_claims(path, known)[0].claim.statement(0)
    assert f"{claims['kept'].words['points']} ({n})" in said


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"points": "all/features"}, "not points, head"),
        ({"points": "all/features of class 9999", "head": "head"}, "points is empty"),
        ({"points": "all/features rows 80", "head": "head"}, "no such rows"),
        ({"points": "other/features", "head": "head"}, "no part 'other'"),
        ({"points": "record/none", "head": "head"}, "no array 'none'"),
        ({"points": "all/features of class", "head": "head"}, "names nothing"),
        ({"points": "all/labels", "head": "head"}, "names nothing"),
        ({"points": "all/features", "head": "record/head"}, "is no head"),
    ],
)
def test_words_that_name_something_else_are_refuted(world, tmp_path, about, why):
    claims, known = world
    path = save_claims(tmp_path, "all", {"kept": claims["kept"]}, known)
    (check,) = verify_claims(rewritten(path, lambda entry: entry.update(about=about)), known)
    assert check.status is Status.REFUTED
    assert why in check.failures[0][3]


def test_fewer_or_other_points_beside_the_evidence_are_refuted(world, tmp_path):
    claims, known = world
    path = save_claims(tmp_path, "all", {"balls": claims["balls"]}, known)

    def add(entry):
        entry["fields"]["points"] = entry["fields"]["radius"]

    (check,) = verify_claims(rewritten(path, add), known)
    assert "stores points, which it may only name" in check.failures[0][3]


def test_a_count_of_a_million_is_refuted(world, tmp_path):
    claims, known = world
    path = save_claims(tmp_path, "all", {"balls": claims["balls"]}, known)
    (check,) = verify_claims(rewritten(path, lambda entry: entry.update(count=10**6)), known)
    assert check.failures[0][3] == "holds 80 statements, not 1000000"


def test_a_claim_is_stored_only_under_words_that_fit_it(world, tmp_path):
    claims, known = world
    with pytest.raises(BadArgument, match="its points is not what its words say"):
        save_claims(tmp_path, "all", {"kept": claims["kept"].named(points="all/features")}, known)
    with pytest.raises(BadArgument, match="'points' names nothing"):
        save_claims(tmp_path, "all", {"kept": replace(claims["kept"], words={})}, known)


def arrays_of(path):
    with np.load(path.with_suffix(".npz")) as stored:
        return {name: stored[name] for name in stored.files}


def test_one_flipped_bit_anywhere_is_found(world, tmp_path):
    claims, known = world
    path = save_claims(tmp_path, "all", claims, known)
    arrays = arrays_of(path)
    rng = np.random.default_rng(0)
    document = path.read_text()
    for name in [n for n, a in arrays.items() if a.size]:
        raw = bytearray(arrays[name].tobytes())
        bit = int(rng.integers(8 * len(raw)))
        raw[bit // 8] ^= 1 << (bit % 8)
        changed = np.frombuffer(bytes(raw), arrays[name].dtype).reshape(arrays[name].shape)
        np.savez(path.with_suffix(".npz"), **{**arrays, name: changed})
        bad = [s for s in load_claims(path, known) if s.problem]
        assert bad, name
        users = [e["name"] for e in json.loads(document)["claims"] if f'"{name}"' in json.dumps(e)]
        assert {s.name for s in bad} == set(users)


@pytest.mark.parametrize(
    ("old", "new"), [('"integer": ', '"integer": 1'), ("0x1.", "0x1.1"), ('"a1"', '"a2"')]
)
def test_an_edited_document_is_found(world, tmp_path, old, new):
    claims, known = world
    path = save_claims(tmp_path, "all", {k: claims[k] for k in ("kept", "broken")}, known)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    checks = verify_claims(path, known)
    assert any(c.status is Status.REFUTED for c in checks)


@pytest.mark.parametrize("which", ["features", "head"])
def test_other_features_or_another_head_are_found(world, tmp_path, which):
    claims, known = world
    path = save_claims(tmp_path, "all", claims, known)
    part = known.parts["all"]
    if which == "features":
        part = replace(part, features=np.roll(part.features, 1, axis=0))
    else:
        part = replace(part, head=AffineHead(part.head.weight[::-1], part.head.bias))
    checks = verify_claims(path, Subjects({"all": part}, known.arrays))
    assert {c.name for c in checks if c.status is not Status.PROVED} >= {"balls", "classes"}


def test_parts_with_different_heads_are_found(world):
    part = world[1].parts["all"]
    negated = replace(part, head=AffineHead(-part.head.weight, part.head.bias))
    with pytest.raises(BadData, match="'test' have another head"):
        Subjects({"train": part, "test": negated})


@pytest.mark.parametrize("damage", ["cut", "gone", "text", "pickle", "no json", "format"])
def test_damaged_files_are_refuted(world, tmp_path, damage):
    claims, known = world
    path = save_claims(tmp_path, "all", {"balls": claims["balls"]}, known)
    packed = path.with_suffix(".npz")
    if damage == "cut":
        packed.write_bytes(packed.read_bytes()[:-200])
    elif damage == "gone":
        packed.unlink()
    elif damage == "text":
        packed.write_text("nothing")
    elif damage == "pickle":
        np.savez(packed, a0=np.array([{}], dtype=object), allow_pickle=True)
    elif damage == "no json":
        path.write_text("{")
    else:
        path.write_text('{"format": 99, "claims": []}')
    assert [c.status for c in verify_claims(path, known)] == [Status.REFUTED]


def forged(claims, others):
    """False statements, as someone would write them who recomputes every digest."""
    claims = claims | others
    balls, kept, broken = claims["balls"], claims["kept"], claims["broken"]
    yield "ball: longer", replace(balls, radius=balls.radius * 1.001)
    yield "ball: other class", replace(balls, own=(balls.own + 1) % 6)
    classes = claims["classes"]
    yield "class: other", replace(classes, own=(classes.own + 1) % 6)
    yield "class: margin", replace(classes, margin=classes.margin * (1 + 1e-6))
    yield "hull: other class", replace(kept, own=(kept.own + 1) % 6)
    yield "hull: margin", replace(kept, margin=kept.margin * 1.0001)
    yield "hull: margin by a bit", replace(kept, margin=float(np.nextafter(kept.margin, 9)))
    yield "hull: inflation", replace(kept, inflation=float(np.nextafter(kept.inflation, 9)))
    yield "hull: no bound", replace(kept, inflation=np.inf)
    whole = np.setdiff1d(np.arange(80), broken.breakers)[: len(broken)]
    yield "broken: who does not", replace(broken, breakers=whole, rivals=broken.rivals[: len(whole)])
    yield "broken: index", replace(broken, breakers=broken.breakers + 80)
    yield "broken: itself", replace(broken, rivals=np.full(len(broken), broken.own))
    for name in ("box", "hull"):
        ties, apart, ball = (claims[f"{k}-{name}"] for k in ("ties", "no-ties", "ball"))
        n = min(len(ties), len(apart))
        for swap in (1, -1):
            some = replace(
                ties, pairs=apart.pairs[:n, ::swap].copy(), ends=ties.ends[:n], steps=ties.steps[:n]
            )
            yield f"tie: {name}", some
        multipliers = apart.multipliers[:n]
        yield (
            f"no tie: {name}",
            replace(apart, pairs=ties.pairs[:n], multipliers=multipliers, solved=apart.solved[:n]),
        )
        negative = replace(apart, pairs=ties.pairs[:n], multipliers=-multipliers, solved=apart.solved[:n])
        yield f"no tie, sign: {name}", negative
        yield f"tie, no segment: {name}", replace(ties, steps=np.zeros_like(ties.steps))
        yield f"tie, out of the segment: {name}", replace(ties, steps=ties.steps + 2)
        yield f"ball in {name}: longer", replace(ball, radius=ball.radius * 1.001, upper=ball.upper * 2)
        yield f"ball in {name}: bound", replace(ball, upper=ball.radius * 0.999)
        yield f"ball in {name}: class", replace(ball, own=(ball.own + 1) % 6)
    yield "empty: other class", replace(claims["empty"], own=np.array([0]))
    yield "empty: sign", replace(claims["empty"], own=np.array([1]), multipliers=-claims["empty"].multipliers)
    yield "ray: backwards", replace(claims["ray"], rays=-claims["ray"].rays)
    yield "ray: other class", replace(claims["ray"], own=np.array([2]))
    yield "ray: none", replace(claims["ray"], rays=0 * claims["ray"].rays)
    yield "end: other class", replace(claims["end"], own=0)
    yield "end: nothing", replace(claims["end"], multipliers=0 * claims["end"].multipliers)


def test_no_forged_statement_is_proved(world, others):
    for name, claim in forged(world[0], others):
        verdicts = claim.check()
        assert len(verdicts.status) == len(claim) > 0, name
        proved = np.flatnonzero(verdicts.status == Status.PROVED)
        if name.startswith("broken: who"):
            assert len(proved) == 0, name
        assert len(proved) == 0, (name, [claim.statement(int(i)) for i in proved[:3]])


def test_flipped_bits_in_evidence_prove_nothing_false(world):
    """Whatever bit is flipped, a check ends, and a radius that it still proves is true."""
    balls = world[0]["balls"]
    rng = np.random.default_rng(1)
    true = balls.radius * (1 + 1e-6)
    for _ in range(300):
        raw = balls.radius.copy().view(np.uint64)
        i, bit = rng.integers(len(raw)), rng.integers(64)
        raw[i] ^= np.uint64(1) << np.uint64(bit)
        claim = replace(balls, radius=raw.view(np.float64))
        status = check_claim(claim)
        if status.status is Status.PROVED:
            assert (claim.radius <= true).all()
    for claim in world[0].values():
        for name, value in claim.evidence.items():
            if not isinstance(value, np.ndarray) or not value.size or value.dtype == bool:
                continue
            for _ in range(5):
                raw = bytearray(value.tobytes())
                bit = int(rng.integers(8 * len(raw)))
                raw[bit // 8] ^= 1 << (bit % 8)
                wrong = np.frombuffer(bytes(raw), value.dtype).reshape(value.shape)
                found = replace(claim, **{name: wrong}).check()
                assert len(found.status) > 0, (claim.kind, name)


@pytest.mark.parametrize("value", [None, [1, 2], {"a": 1}])
def test_a_claim_of_something_else_cannot_be_stored(world, tmp_path, value):
    claim = replace(world[0]["kept"], margin=value)
    with pytest.raises(BadArgument, match="cannot hold"):
        save_claims(tmp_path, "odd", {"odd": claim}, world[1])
    assert list(Path(tmp_path).iterdir()) == []


def test_a_document_that_is_not_there(world):
    with pytest.raises(BadData, match="cannot be read"):
        load_claims("no/such.json", world[1])
