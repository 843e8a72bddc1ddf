"""Two checkers that share nothing agree: on runs, on every truth and on every lie."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256 as digest
from pathlib import Path

import numpy as np
import pytest
from forging import altered, claims_of, edited, seal, sealed_claims, small_run
from lies import LIES
from scipy.sparse import csr_array
from truths import TRUTHS

from featgeom import open_run
from featgeom.certificates.classes import ClassBall
from featgeom.certificates.hulls import HullVertices
from featgeom.exact.fields import specs
from featgeom.exact.heads import ExactHead
from featgeom.runs.claims import load_claims
from featgeom.runs.making import arrays_run
from featgeom_check import KINDS, Claim, Run, lowest, main, outside, solve
from featgeom_cli.main import run as featgeom_run

ROOT = Path(__file__).parents[2]
NOT_HERE = "not decided here"


def kind_of(name):
    return name.partition(",")[0]


def field(value):
    """A field as the second checker reads it: a sparse matrix by rows of columns and values."""
    if not isinstance(value, csr_array):
        return value
    cuts = value.indptr[1:-1]
    return list(zip(np.split(value.indices, cuts), np.split(value.data, cuts)))[: value.shape[0]]


def found(claim):
    """What the second checker finds of each statement of a claim; None where it does not let it in."""
    fields = {name: field(getattr(claim, name)) for name, _ in specs(claim)}
    if claim.kind in ("tie", "nearest-tie"):  # what the subject `points` fills
        fields["points"] = fields.pop("features")
    if "lo" in fields:
        fields.setdefault("vertices", np.zeros((0, len(fields["lo"]))))
        fields.setdefault(
            "bias", np.zeros(len(fields["weight"]))
        )  # of a head, which a bounded cell has whole
    try:
        return list(Claim(claim.kind, fields).verdicts())
    except (ValueError, IndexError):
        return None


@pytest.mark.parametrize("name", [name for name in TRUTHS if kind_of(name) in KINDS])
def test_a_truth_is_proved(name):
    claim = TRUTHS[name]()
    assert found(claim) == ["proved"] * len(claim)


@pytest.mark.parametrize("number", [k for k, one in enumerate(LIES) if kind_of(one.truth) in KINDS])
def test_a_lie_is_not_proved(number):
    one = LIES[number]
    verdicts = found(replace(TRUTHS[one.truth](), **one.change))
    assert verdicts is None or verdicts[one.at] != "proved"


def test_the_pages_tell_how_many_lies_it_was_shown_and_which_kinds_it_decides():
    page = (ROOT / "docs" / "certificates.md").read_text("utf-8")
    shown = sum(kind_of(one.truth) in KINDS for one in LIES)
    told = re.search(r"(\d+) of the (\d+) lies .* (\d+) of (\d+) kinds", page.replace("\n", " "))
    assert told is not None
    names = re.search(r"told beside it: (.*?)\. What fails", page.replace("\n", " "))
    assert names is not None
    assert set(re.findall(r"`([a-z-]+)`", names[1])) == set(KINDS)
    kinds = {kind_of(name) for name in TRUTHS}
    assert tuple(map(int, told.groups())) == (shown, len(LIES), len(KINDS), len(kinds))
    assert set(KINDS) <= kinds
    for name in ("README.md", "CHANGELOG.md", "docs/trust.md"):
        text = (ROOT / name).read_text("utf-8").replace("\n", " ").replace(" of the ", " of ")
        assert f"{len(KINDS)} of {len(kinds)} kinds" in text, name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("twice"), train=9, test=5)


@pytest.fixture
def run(made, tmp_path):
    return open_run(shutil.copytree(made.folder, tmp_path / "run"))


def told(run, capsys):
    """Exit status and what is said of a run."""
    capsys.readouterr()
    status = main([str(run.folder), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_both_agree_on_an_honest_run(run, capsys):
    status, said = told(run, capsys)
    assert (status, said["faults"]) == (0, [])
    counts = Counter()
    for study in ("overview", "hulls", "regions", "boundaries", "svm"):
        for one in run.claims(study):
            assert one.claim.check().tally.keys() <= {"PROVED"}
            counts[one.kind] += len(one.claim)
    for kind, count in counts.items():
        assert said["kinds"][kind].get("proved" if kind in KINDS else NOT_HERE, 0) == count, kind
    assert main([str(run.folder)]) == 0
    assert "every statement that it decides is proved" in capsys.readouterr().out


def test_it_finds_the_same_points_as_the_first(run):
    second, subjects = Run(run.folder), run.subjects
    assert second.faults == []
    for words in (
        "train/features",
        "test/features of class 1",
        "train/features of classes 0, 2 predicted as labelled",
        "train/features of class 2 predicted 2",
        "test/features predicted 0",
        "train/features rows 4,4,1",
    ):
        assert np.array_equal(second.points(words, {})[0], subjects.points(words)), words
    for words in ("train/features of class 1 rows 3", "head", "nothing/features", "train/labels"):
        with pytest.raises((ValueError, KeyError)):
            second.points(words, {})


def test_it_refutes_what_is_forged_with_every_digest_right(run, capsys):
    study = "overview"
    claims = claims_of(run, study)
    ball = claims["balls-test"]
    sealed_claims(run, study, {**claims, "balls-test": replace(ball, radius=ball.radius * 1.0001)})
    status, said = told(run, capsys)
    assert status == 1
    assert said["kinds"]["class-ball"]["refuted"] == len(ball)
    assert [fault.split()[0] for fault in said["faults"]] == ["overview/balls-test"]


@pytest.mark.parametrize("sealed", [False, True])
def test_it_refutes_features_that_were_changed(run, capsys, sealed):
    altered(run, "test", "features", lambda z: z * np.float32(1.25), sealed)
    status, said = told(run, capsys)
    assert status == 1
    assert said["faults"]


def test_damage_is_told_in_a_line_and_never_raises(run, capsys):
    rng = np.random.default_rng(0)
    places = ["claims/hulls.npz", "claims/svm.json", "results/hulls.npz", "run.json", "index.json"]
    places += ["features/test/features.safetensors", "features/train/manifest.json"]
    for place in places:
        path = run.folder / place
        whole = path.read_bytes()
        for change in (whole[: len(whole) // 2], b"[" * 10000, bytes(rng.permutation(list(whole[:5000])))):
            path.write_bytes(change)
            capsys.readouterr()
            assert main([str(run.folder)]) == 1, place
            assert capsys.readouterr().err == ""
        path.unlink()
        assert main([str(run.folder)]) == (2 if place == "index.json" else 1), place
        path.write_bytes(whole)
    assert main([str(run.folder)]) == 0


def test_a_claim_that_stores_what_it_is_about_or_hides_beside_the_index_is_refuted(run, capsys):
    (run.folder / "claims" / "more.json").write_text('{"format": 2, "claims": []}')
    status, said = told(run, capsys)
    assert (status, said["faults"]) == (1, ["claims/more.json: is not what was written"])
    (run.folder / "claims" / "more.json").unlink()
    path = run.folder / "claims" / "overview.json"
    document = json.loads(path.read_text())
    entry = next(e for e in document["claims"] if e["kind"] == "class-ball")
    entry["fields"]["points"] = entry["fields"]["radius"]
    plain = {key: value for key, value in entry.items() if key != "sha256"}
    entry["sha256"] = digest(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(document))
    seal(run)
    status, said = told(run, capsys)
    assert status == 1
    assert "stores what it is about" in said["faults"][0]


@pytest.mark.parametrize("name", ["class-ball", "nearest-tie"])
def test_a_hull_is_no_domain_of_a_kind_without_vertices(run, name):
    """Both checkers took the bounds of all of space for those of the hull."""
    entry = {"class-ball": ("overview", "balls-test"), "nearest-tie": ("boundaries", "nearest")}[name]
    path = run.folder / "claims" / f"{entry[0]}.json"
    document = json.loads(path.read_text())
    one = next(e for e in document["claims"] if e["name"] == entry[1])
    one["about"]["domain"] = "hull of test/features rows 0,1"
    plain = {key: value for key, value in one.items() if key != "sha256"}
    one["sha256"] = digest(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(document))
    seal(run)
    first = next(c for c in load_claims(path, run.subjects) if c.name == entry[1])
    assert first.claim is None
    assert "is a hull" in first.problem
    second = Run(run.folder)
    fault = next(fault for said, _, _, fault in second.claims() if said == "/".join(entry))
    assert "a hull where it is none" in fault


def test_sentences_are_none_of_its_business(run, capsys):
    with edited(run, "hulls") as document:
        document["findings"] = []
    assert told(run, capsys)[0] == 0


def test_a_bug_that_solver_and_first_checker_share_is_caught(tmp_path, monkeypatch, capsys):
    """Distances of rows two thirds too short, in the kernel and in the solver: radii 1.5 times too large."""
    rng, halves = np.random.default_rng(3), {}
    labels = np.tile([0, 1, 2], 20)
    for split in ("train", "test"):
        z = np.abs(np.eye(3)[labels] * 3 + rng.standard_normal((60, 3))).astype(np.float32)
        halves |= {f"features_{split}": z, f"labels_{split}": labels}
    np.savez(tmp_path / "features.npz", weight=np.eye(3, dtype=np.float32), bias=np.zeros(3), **halves)
    right, above, norms = (
        ExactHead.gap2,
        *(
            __import__(f"featgeom.{room}", fromlist=[name]).__dict__[name]
            for room, name in (("certificates.classes", "gaps_above"), ("regions.radius", "pair_norms"))
        ),
    )
    monkeypatch.setattr(ExactHead, "gap2", lambda self, a, b: right(self, a, b) * Fraction(4, 9))
    monkeypatch.setattr("featgeom.certificates.classes.gaps_above", lambda w, c: above(w, c) / 1.5)
    for room in ("radius", "survey"):
        monkeypatch.setattr(f"featgeom.regions.{room}.pair_norms", lambda head: norms(head) / 1.5)
    run = open_run(arrays_run(tmp_path / "run", tmp_path / "features.npz").folder)
    run.study("overview")
    first = {
        one.name: one.claim.check().tally
        for one in run.claims("overview")
        if isinstance(one.claim, ClassBall)
    }
    assert first == {"balls-train": {"PROVED": 60}, "balls-test": {"PROVED": 60}}
    assert featgeom_run(["verify", str(run.folder)]) == 0
    status, said = told(run, capsys)
    assert status == 1
    assert said["kinds"]["class-ball"]["refuted"] > 100
    assert said["kinds"]["class-ball"].get("proved", 0) <= 20  # radius 0, which no factor changes


def test_the_screens_miss_nothing():
    rng = np.random.default_rng(1)
    for scale in (1, 1e-160, 1e150, 1e-310):
        x = rng.integers(-3, 4, (40, 5)) * float(scale)
        n = rng.integers(-3, 4, (30, 5)) * 1.0 / 3
        for chosen, normal in zip(lowest(x, n), n):
            exact = [
                sum(Fraction(a) * Fraction(b) for a, b in zip(row, normal.tolist())) for row in x.tolist()
            ]
            assert set(np.flatnonzero([v == min(exact) for v in exact])) <= set(chosen)
        centre, radius = x[0], float(np.nextafter(2.0 * scale, 0))
        far = [
            sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(r, centre)) > Fraction(radius) ** 2
            for r in x
        ]
        kept = {tuple(r) for r in outside(x, centre, radius).tolist()}
        assert {tuple(r) for r in x[far].tolist()} <= kept


def solved(a, b):
    try:
        return solve(a, b)
    except ArithmeticError:
        return None


def test_elimination_gives_the_one_solution_or_none():
    rng = np.random.default_rng(2)
    for _ in range(60):
        m, n = rng.integers(1, 5, 2)
        a, x = rng.integers(-2, 3, (m, n)), rng.integers(-3, 4, n)
        one = solved(a, a @ x)
        assert (one is not None) == (np.linalg.matrix_rank(a) == n)
        assert one is None or list(one) == list(x)
        any_ = solve(a, a @ x, unique=False)
        assert list(a @ any_) == list(a @ x)
    assert solved(np.array([[1], [1]]), np.array([1, 2])) is None


def test_it_runs_as_a_copied_file_without_featgeom(run, tmp_path):
    copy = shutil.copy(ROOT / "featgeom_check.py", tmp_path / "copied.py")
    code = (
        "import sys, runpy; sys.modules['featgeom'] = sys.modules['scipy'] = None; sys.argv = sys.argv[1:]; \
runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code, copy, str(run.folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "hull-vertices" in done.stdout
    assert main([str(tmp_path / "nothing")]) == 2


def test_who_is_a_vertex_of_a_hull_of_one_point():
    rows = np.array([0, 5, 9])
    fields = {"points": np.ones((1, 2)), "rows": rows, "inside": rows < 0, "normal": np.zeros((3, 2))}
    fields["support"] = [(np.zeros(0, int), np.zeros(0))] * 3
    assert list(Claim("hull-vertices", fields).verdicts()) == ["proved", "refuted", "refuted"]


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.float32, np.float64])
def test_a_normal_may_be_whole_numbers_and_what_it_proves_is_the_same(kind):
    points = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    normal = np.array([[1, 1], [-1, 0], [0, -1], [-1, -1]]).astype(kind)
    fields = {"points": points, "rows": np.arange(4), "inside": np.zeros(4, bool), "normal": normal}
    fields["support"] = [(np.zeros(0, int), np.zeros(0))] * 4
    assert list(Claim("hull-vertices", fields).verdicts()) == ["proved"] * 3 + ["refuted"]
    claim = HullVertices(points, np.arange(4), np.zeros(4, bool), csr_array((4, 4)), normal)
    assert [status.name for status in claim.check().status] == ["PROVED"] * 3 + ["REFUTED"]


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.bool_, np.float16])
def test_other_numbers_are_no_normal(kind):
    fields = {"points": np.ones((2, 2)), "rows": np.arange(2), "inside": np.zeros(2, bool)}
    fields |= {"normal": np.ones((2, 2), kind), "support": [(np.zeros(0, int), np.zeros(0))] * 2}
    with pytest.raises(ValueError, match="normal is of a wrong type"):
        Claim("hull-vertices", fields)


def test_a_run_in_which_nothing_is_decided_is_no_success(run, capsys):
    shutil.rmtree(run.folder / "claims")
    seal(run)
    status, said = told(run, capsys)
    assert (status, said["holds"], said["kinds"]) == (1, False, {})
    assert said["faults"] == ["there is no statement that it decides: nothing is proved"]
