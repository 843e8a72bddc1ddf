"""featgeom check: agreement by default, and status 1 with a line for each bound that a solver contradicts."""

import json
from dataclasses import replace

import numpy as np
import pytest

import featgeom as fg
from featgeom.analysis import OpenedRun
from featgeom.certificates.separations import HullSeparation
from featgeom_cli.main import run as command


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    place = tmp_path_factory.mktemp("check") / "run"
    images = fg.load_images("digits", split="test")
    fg.analyze("digits", images, out=place, studies=["hulls", "boundaries"])
    return place


def test_it_agrees(small_run, capsys):
    assert command(["check", str(small_run), "--with", "cvxpy", "--samples", "2", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "hull-separation" in printed
    assert printed.strip().endswith("0 differ, 0 without an answer of CLARABEL")


def test_samples_are_of_every_kind_and_drawn_by_the_seed(small_run):
    run = fg.open_run(small_run)
    found, other = run.check(3, seed=1), run.check(3, seed=2)
    assert [o.index for o in found.asked] != [o.index for o in other.asked]
    assert found.asked[0].index == run.check(3, seed=1).asked[0].index
    for kind, count in found.statements.items():
        assert sum(one.kind == kind for one in found.asked) == min(3, count)
    assert set(found.left_out) >= {"hull-diameter", "slice-cells"}


def test_kinds_without_any_answer_are_named(tmp_path, rng, capsys):
    """A solver of linear programs confirms what it can take, and says of what it said nothing."""
    z, labels = np.abs(rng.normal(size=(60, 5))), np.arange(60) % 3
    np.savez(tmp_path / "f.npz", features=z, labels=labels, weight=np.eye(3, 5), bias=np.zeros(3))
    fg.analyze(tmp_path / "f.npz", out=tmp_path / "run", studies=["hulls", "regions"])
    asked = ["check", str(tmp_path / "run"), "--solver", "SCIPY", "--samples", "2", "--quiet"]
    assert command([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    answered = {one["kind"] for one in found["asked"] if one["status"] != "UNDECIDED"}
    assert answered
    assert set(found["unanswered"]) == {kind for kind, n in found["statements"].items() if n} - answered
    assert found["unanswered"]
    widths = {row[0]: row[6] for row in fg.open_run(tmp_path / "run").check(2).to_table().rows}
    assert 0 <= widths["hull-separation"] < 1e-6
    assert np.isnan(widths["cells-meet"])  # two cells meet or do not: that is no interval
    assert command(asked) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == "Of whole kinds nothing was answered, so nothing is checked: " + ", ".join(
        found["unanswered"]
    )


def test_a_bound_that_is_wrong_is_told(small_run, capsys):
    run = fg.open_run(small_run)
    stored = {one.name: one.claim.named(**one.about) for one in run.claims("hulls")}
    false = {
        name: replace(claim, lower=claim.lower + 0.1, upper=claim.upper + 0.1)
        for name, claim in stored.items()
        if isinstance(claim, HullSeparation)
    }
    run.save(replace(run.result("hulls"), claims=stored | false))
    assert command(["check", str(small_run), "--samples", "9", "--json", "--quiet"]) == 1
    found = json.loads(capsys.readouterr().out)["result"]
    wrong = {one["kind"] for one in found["asked"] if not one["agrees"]}
    told = [one for one in found["asked"] if one["kind"] == "hull-separation"]
    assert found["differing"] == len(told) > 1
    assert wrong == {"hull-separation"}
    assert command(["check", str(small_run), "--samples", "9", "--quiet"]) == 1
    assert capsys.readouterr().out.count("DIFFERS hulls/pair-") == found["differing"]


def test_where_nothing_can_be_asked_nothing_is_confirmed(tmp_path, capsys):
    eye = np.eye(3)
    np.savez(tmp_path / "f.npz", features=eye, labels=[0, 1, 2], weight=eye, bias=np.zeros(3))
    fg.analyze(tmp_path / "f.npz", out=tmp_path / "run", studies="collapse")
    assert command(["check", str(tmp_path / "run"), "--quiet"]) == 1
    assert "Nothing was answered" in capsys.readouterr().out


def test_a_claim_that_cannot_be_read_is_named(small_run, monkeypatch, capsys):
    read = OpenedRun.claims

    def damaged(self, study):
        first, *others = read(self, study)
        return [replace(first, claim=None), *others]

    monkeypatch.setattr(OpenedRun, "claims", damaged)
    assert command(["check", str(small_run), "--samples", "1", "--quiet"]) == 1
    assert capsys.readouterr().out.count("UNREADABLE ") == 2


def test_a_solver_that_answers_nothing_confirms_nothing(small_run, monkeypatch):
    monkeypatch.setattr("featgeom.formulations.comparison.solved", lambda program, solver: float("nan"))
    found = fg.open_run(small_run).check(1)
    assert found.silent == len(found.asked) > 3
    assert not found.differing
    assert not found.agrees


@pytest.mark.parametrize(
    ("words", "message"), [(["--solver", "cplexx"], "cvxpy has"), (["--samples", "0"], "1<=x<=")]
)
def test_refusals(small_run, words, message, capsys):
    assert command(["check", str(small_run), *words]) == 2
    assert message in capsys.readouterr().err
