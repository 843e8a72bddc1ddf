"""A run larger than the memory that may be held says and proves the same."""

import numpy as np
import pytest

import featgeom.limits as limits
from featgeom import analyze
from featgeom.certificates.guarantees import BrokenHull, GuaranteedHull
from featgeom.certificates.hulls import HullMembership
from featgeom.errors import BadArgument
from featgeom.limits import memory_budget, set_memory
from featgeom.runs import claims, subjects
from featgeom.runs.claims import bare


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    monkeypatch.setattr(limits, "_budget", [])


def run_of(folder, rng, questions=0):
    middles = rng.normal(size=(4, 64))
    arrays = {"weight": middles, "bias": np.zeros(4)}
    for part, n in {"_train": 6000, "_test": questions}.items() if questions else {"": 6000}.items():
        labels = rng.integers(0, 4, n)
        features = (middles[labels] + 0.9 * rng.normal(size=(n, 64))).astype(np.float32)
        arrays |= {f"features{part}": features, f"labels{part}": labels}
    np.savez(folder / "f.npz", **arrays)
    return folder / "f.npz"


def test_what_is_read_again_is_the_same_as_what_is_held(tmp_path, rng):
    file, said = run_of(tmp_path, rng), {}
    for size in ("1G", "1M"):
        set_memory(size)
        run = analyze(file, out=tmp_path / size)
        assert run.verify().holds
        folders = ("claims/overview.json", "claims/overview.npz", "results/overview.npz")
        said[size] = [(tmp_path / size / name).read_bytes() for name in folders]
    assert said["1G"] == said["1M"]


def test_claims_about_much_let_their_points_go(tmp_path, rng):
    run = analyze(run_of(tmp_path, rng), out=tmp_path / "run")
    for size, held in (("1G", True), ("1M", False)):
        set_memory(size)
        claims = run.study("overview").claims.values()
        hulls = [claim for claim in claims if isinstance(claim, GuaranteedHull | BrokenHull)]
        assert len(hulls) == 8
        assert all((len(claim.points) > 0) == held for claim in hulls)
        assert held or all(claim.points.base is None for claim in hulls)  # nor do they hold what they show


def test_they_let_go_of_much_whatever_memory_there_is(tmp_path, rng, monkeypatch):
    run = analyze(run_of(tmp_path, rng), out=tmp_path / "run")
    set_memory("1T")
    monkeypatch.setattr(claims, "MOST_HELD", 1 << 20)
    made = run.study("overview").claims.values()
    assert all(len(claim.points) == 0 for claim in made if isinstance(claim, GuaranteedHull | BrokenHull))


def test_regions_hold_no_points_of_hulls_and_say_the_same(tmp_path, rng, monkeypatch):
    run, said = analyze(run_of(tmp_path, rng, 400), out=tmp_path / "run"), {}
    kinds = GuaranteedHull | BrokenHull | HullMembership
    for size in ("1G", "1M"):
        set_memory(size)
        with monkeypatch.context() as patch:
            patch.setattr(subjects, "Spool", None)  # nor is there a copy of them on disk
            made = run.study("regions").claims
        hulls = [claim for claim in made.values() if isinstance(claim, kinds)]
        assert any(isinstance(claim, HullMembership) for claim in hulls)
        assert all((len(claim.points) > 0) == (size == "1G") for claim in hulls)
        said[size] = [(run.folder / f"claims/regions.{end}").read_bytes() for end in ("json", "npz")]
        run.report()
        assert run.verify().holds
    assert said["1G"] == said["1M"]


def test_the_words_of_a_claim_without_points_are_held_against_the_rest_of_it(tmp_path, rng):
    run = analyze(run_of(tmp_path, rng), out=tmp_path / "run")
    claim = next(c for c in run.study("regions").claims.values() if isinstance(c, HullMembership))
    about = {"points": claim.words["points"], "queries": "all/features of class 3"}
    with pytest.raises(BadArgument, match="its queries is not what its words say"):
        claims.claim_files("test", {"inside": bare(claim).named(**about)}, run.subjects)


@pytest.mark.parametrize("kind", ["guaranteed", "broken"])
def test_a_claim_without_its_points_proves_nothing(kind):
    points, head = np.array([[2.0, 1.0], [3.0, 0.0]]), (np.eye(2), np.zeros(2))
    own = 0 if kind == "guaranteed" else 1
    if kind == "guaranteed":
        claim = GuaranteedHull(points, *head, own, margin=1.0, centre=points.mean(axis=0), inflation=1.0)
    else:
        claim = BrokenHull(points, *head, own, breakers=np.array([0, 1]), rivals=np.array([0, 0]))
    assert claim.check().tally["PROVED"] == len(claim)
    assert bare(claim).check().tally.get("PROVED", 0) == 0
    assert len(bare(claim)) == len(claim)


def test_the_default_is_a_share_of_the_machine_and_a_size_is_understood():
    assert 1 << 20 <= memory_budget() <= limits.max_memory()
    set_memory("2G")
    assert memory_budget() == 2 << 30
    with pytest.raises(BadArgument, match="memory: expected a size"):
        set_memory("much")
