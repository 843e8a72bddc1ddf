"""Whatever is altered in a run, by someone who makes every digest anew, verify says no and names it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from forging import altered, claims_of, edited, restored_array, seal, sealed_claims, told

from featgeom import open_run
from featgeom.certificates.extent import HullDiameter
from featgeom.certificates.guarantees import GuaranteedHull
from featgeom.certificates.separations import HullSeparation
from featgeom.proofs.checking import check_record
from featgeom.proofs.proof import Found
from featgeom.proofs.studies import PROOFS
from featgeom.runs.making import arrays_run
from featgeom.status import Status
from featgeom_cli.main import run as featgeom_run


def test_an_honest_run_is_sound(run, capsys):
    assert featgeom_run(["verify", str(run.folder)]) == 0
    out = capsys.readouterr().out
    assert "0 refuted, 0 undecided, 0 missing" in out
    assert "all say what the claims prove" in out
    assert featgeom_run(["verify", str(run.folder / "report.html"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert found["holds"] is True
    first = next(c for c in found["checks"] if c["claim"] == "diameter-correct-1")
    assert first["about"].startswith("train/features of class 1 predicted 1 (")
    assert first["first"].startswith(f"the diameter of {first['about']} is between ")
    assert featgeom_run(["verify", str(run.folder), "--statements"]) == 0
    assert f"hulls/diameter-correct-1: {first['first']}" in capsys.readouterr().out


def other(value):
    """A value of the same type that is another one."""
    if isinstance(value, bool) or value is None:
        return 7
    return value + 1 if isinstance(value, int | float) else f"{value}x"


@pytest.mark.parametrize("study", ["overview", "hulls", "regions", "svm"])
def test_a_cell_of_any_proved_column(run, study):
    record = run.result(study)
    claims = {one.name: one for one in run.claims(study)}
    found = Found(
        {name: one.claim for name, one in claims.items()}, {name: one.about for name, one in claims.items()},
        run.subjects.beside(record.arrays), run.classes, record.settings,
    )  # fmt: skip
    proved = dict.fromkeys(claims, Status.PROVED)
    tried = 0
    for table in record.tables:
        for j in [j for j, column in enumerate(table.columns) if column.proved]:
            rows = [list(row) for row in table.rows]
            rows[-1][j] = other(rows[-1][j])
            forged = replace(table, rows=tuple(map(tuple, rows)))
            tables = tuple(forged if one is table else one for one in record.tables)
            checks = check_record(study, PROOFS[study], found, replace(record, tables=tables), proved)
            (fallen,) = [check for check in checks if check.status is not Status.PROVED]
            assert fallen.name == table.name
            assert f"row {len(rows)}, {table.columns[j].name}: says" in fallen.failures[0][3]
            tried += 1
    assert tried > 5


def test_tables_that_are_swapped_dropped_or_called_proved(run, capsys):
    with edited(run, "hulls") as forged:
        rows = forged["tables"][0]["rows"]
        rows[1], rows[2] = rows[2], rows[1]
        del forged["tables"][1]
    with edited(run, "collapse") as forged:
        forged["tables"][0]["columns"][1]["proved"] = True
    with edited(run, "svm") as forged:
        column = next(c for c in forged["tables"][1]["columns"] if not c["proved"])
        column["proved"] = True
    out = told(run, capsys)
    assert "REFUTED hulls/hulls: row 2" in out
    assert "REFUTED hulls/pairs-all: is missing" in out
    assert "REFUTED collapse/collapse-train: the record calls it proved, and no claim says so" in out
    assert f"REFUTED svm/pairs: other columns are proved than the claims say ({column['name']})" in out


@pytest.mark.parametrize("study", ["overview", "hulls", "regions", "svm"])
@pytest.mark.parametrize("word", ["title", "note"])
def test_a_title_or_note_of_a_proved_table(run, capsys, study, word):
    with edited(run, study) as forged:
        proved = [t for t in forged["tables"] if any(c["proved"] for c in t["columns"])]
        for table in proved:
            table[word] = "PROVED upper bounds on distances between class means"
    out = told(run, capsys)
    assert len(proved) > 1
    for table in proved:
        assert f"REFUTED {study}/{table['name']}: its {word} is 'PROVED upper bounds" in out


def widened(table, like, **other):
    """A column of unproved ones put after the others of a table of a record."""
    column = next(c for c in table["columns"] if c["name"] == like)
    table["columns"].append(column | {"proved": False} | other)
    for row in table["rows"]:
        row.append(1.0)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("table", "there are two tables of the name pairs-all"),
        ("column", "table pairs-all: two columns are called 'distance'"),
        ("unit", "table pairs-all: two columns are called 'distance'"),
        ("space", "table pairs-all: two columns are called 'distance'"),
        ("label", "table hulls: two columns are called 'diameter, at most'"),
    ],
)
def test_a_table_or_column_beside_the_proved_one_of_its_name(run, capsys, how, why):
    with edited(run, "hulls") as forged:
        hulls, pairs = forged["tables"][:2]
        if how == "table":
            false = json.loads(json.dumps(pairs))
            for row in false["rows"]:
                row[3] = 1e-9
            forged["tables"].insert(1, false)
        elif how == "label":
            widened(hulls, "diameter", name="diameter, at most", end="")
        else:
            odd = {"column": {}, "unit": {"unit": ""}, "space": {"name": " distance "}}[how]
            widened(pairs, "distance", **odd)
    out = told(run, capsys)
    assert "REFUTED hulls/results: " in out
    assert f"damaged ({why}" in out


@pytest.mark.parametrize("study", ["overview", "hulls", "regions", "boundaries", "svm"])
def test_a_sentence_with_another_number(run, capsys, study):
    with edited(run, study) as forged:
        proved = [f for f in forged["findings"] if f["standing"] == "proved"]
        for finding in proved:
            finding["text"] = finding["text"].replace("0", "9").replace("1", "2").replace("3", "4")
    out = told(run, capsys)
    assert out.count("the record calls it proved, and no claim says so") == len(proved)
    assert out.count("the claims say so, and the record does not") == len(proved)
    assert f"REFUTED {study}/{proved[0]['text'][:40]}" in out


def test_sentences_that_are_invented_or_raised_to_proved(run, capsys):
    with edited(run, "collapse") as forged:
        forged["findings"][0] |= {"standing": "proved", "by": ["machine-standard"]}
    with edited(run, "svm") as forged:
        forged["findings"].append({"text": "All is well.", "standing": "proved", "by": ["machine-standard"]})
    out = told(run, capsys)
    assert "REFUTED svm/All is well.: the record calls it proved" in out
    assert "REFUTED collapse/On train: NC1" in out


PLACES = ["hulls/0/diameter", "hulls/2/inside", "pairs/all/1/distance", "hulls/1/samples"]


@pytest.mark.parametrize("place", PLACES)
def test_a_figure_for_programs(run, capsys, place):
    with edited(run, "hulls") as forged:
        *path, last = place.split("/")
        value = forged["values"]
        for key in path:
            value = value[int(key) if key.isdigit() else key]
        value[last] = other(value[last])
    assert f"REFUTED hulls/values: {place} says" in told(run, capsys)


@pytest.mark.parametrize(
    ("study", "array"),
    [("overview", "test_distance"), ("overview", "test_prediction"), ("hulls", "test_own_all"),
     ("hulls", "pair_distance_correct"), ("boundaries", "distance"), ("regions", "test_inside")],
)  # fmt: skip
def test_an_array_of_a_record(run, capsys, study, array):
    with restored_array(run, study) as arrays:
        value = arrays[array].copy()
        value.flat[1] = not value.flat[1] if value.dtype == bool else value.flat[1] + 1
        arrays[array] = value
    assert f"REFUTED {study}/arrays: {array} is not what the claims say" in told(run, capsys)


@pytest.mark.parametrize(
    ("study", "name"),
    [("overview", "balls-test"), ("overview", "correct-1"), ("hulls", "extreme-all-2"),
     ("hulls", "distance-everything"), ("hulls", "pair-all-0-1"), ("regions", "ties"),
     ("regions", "inside-0"), ("boundaries", "nearest"), ("boundaries", "slice-0"), ("boundaries", "means")],
)  # fmt: skip
def test_a_claim_that_is_left_out(run, capsys, study, name):
    sealed_claims(run, study, {k: v for k, v in claims_of(run, study).items() if k != name})
    out = told(run, capsys)
    assert f"MISSING {study}/{name}: the study must have this claim" in out
    assert "1 missing" in out


def test_a_claim_that_may_be_left_out_takes_its_sentence_along(run, capsys):
    claims = claims_of(run, "svm")
    sealed_claims(run, "svm", {k: v for k, v in claims.items() if k != "pair-0-1-standard"})
    out = told(run, capsys)
    assert "REFUTED svm/pairs: has 3 rows, and the claims say 2" in out


@pytest.mark.parametrize("what", ["claims", "claims/hulls.json", "claims/svm.npz", "results/hulls.json"])
def test_files_that_are_gone(run, capsys, what):
    path = run.folder / what
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "REFUTED files/: " in told(run, capsys)
    seal(run)
    out = told(run, capsys)
    assert {
        "claims": "MISSING overview/balls-train",
        "claims/hulls.json": "MISSING hulls/ball-everything",
        "claims/svm.npz": "REFUTED svm/claims",
        "results/hulls.json": "REFUTED hulls/results",
    }[what] in out


def test_a_claim_that_does_not_belong_to_a_study(run, capsys):
    claims = claims_of(run, "hulls")
    sealed_claims(run, "hulls", claims | {"diameter-of-mine": claims["diameter-all-0"]})
    assert "REFUTED hulls/diameter-of-mine: no claim of this name belongs to the study" in told(run, capsys)


def test_true_claims_about_something_else(run, capsys):
    claims = claims_of(run, "hulls")
    swapped = {"diameter-all-0": claims["diameter-all-1"], "ball-all-0": claims["diameter-all-0"]}
    sealed_claims(run, "hulls", claims | swapped)
    out = told(run, capsys)
    assert "REFUTED hulls/diameter-all-0: is about {'points': 'train/features of class 1'}" in out
    assert "REFUTED hulls/ball-all-0: is no enclosing-ball" in out


def test_the_hull_of_fewer_points_than_all(run, capsys):
    claims = claims_of(run, "hulls")
    few = "train/features rows 0,1,2,3"
    points = run.subjects.points(few)
    far = max((np.linalg.norm(points[i] - points[j]), i, j) for i in range(4) for j in range(i))
    middle = points.mean(axis=0, dtype=float)
    claim = HullDiameter(points, np.array(far[1:]), middle, far[0] * 0.999, far[0] * 1.001)
    sealed_claims(run, "hulls", claims | {"diameter-everything": claim.named(points=few)})
    out = told(run, capsys)
    assert f"hulls/diameter-everything: is about {{'points': '{few}'}}, not points train/features" in out


def test_any_box_as_domain(run, capsys):
    claims = claims_of(run, "regions")
    changed = replace(claims["ties"], lo=np.full(3, -np.inf)).named(domain="space")
    sealed_claims(run, "regions", claims | {"ties": changed})
    assert "REFUTED regions/ties: is about {'head': 'head', 'domain': 'space'}, not domain orthant" in told(
        run, capsys
    )


def test_a_false_claim_and_the_sentence_that_rests_on_it(run, capsys):
    claims = claims_of(run, "hulls")
    false = {
        name: replace(claim, lower=claim.lower + 9, upper=claim.upper + 9)
        for name, claim in claims.items()
        if isinstance(claim, HullSeparation)
    }
    assert false
    sealed_claims(run, "hulls", claims | false)
    out = told(run, capsys)
    assert f"REFUTED hulls/{next(iter(false))}[0]: the hulls of train/features of class" in out
    assert "rests on pair-" in out


def rolled(labels):
    return np.roll(labels, 1)


@pytest.mark.parametrize(
    ("split", "array", "change", "why"),
    [
        ("train", "labels", rolled, "REFUTED overview/"),
        ("test", "labels", rolled, "REFUTED hulls/"),
        ("test", "predictions", lambda p: p[::-1].copy(), "the predictions are not those of the logits"),
        ("test", "weight", np.negative, "the features of 'test' have another head than the others"),
        ("test", "logits", lambda x: x + np.float32([1, 0, 0]), "REFUTED features/test: the"),
        ("train", "features", lambda z: z.astype(np.int8).astype(np.float32), "REFUTED features/train"),
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_stored_features_labels_predictions_or_a_head_that_were_altered(
    run, capsys, split, array, change, why, sealed
):
    altered(run, split, array, change, sealed)
    out = told(run, capsys)
    assert (why if sealed else f"REFUTED features/{split}: ") in out
    assert sealed or "its SHA-256 is not that of manifest.json" in out or "another head" in out


def test_a_check_that_ends_by_an_error_is_undecided_and_no_pass(run, capsys, monkeypatch):
    def broken(self, i):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(GuaranteedHull, "decide", broken)
    out = told(run, capsys)
    assert "UNDECIDED overview/correct-0[0]: every point" in out
    assert "the check ended with ZeroDivisionError: by zero" in out
    assert "0 refuted" in out


@pytest.mark.parametrize(
    ("study", "name", "words"),
    [
        ("boundaries", "nearest", "closest tie in orthant with any class is between"),
        ("boundaries", "means", "from number 0 of train/means rows 0,0,1 to that of train/means rows 1,2,2"),
        ("boundaries", "means", "(within "),
        ("boundaries", "slice-0", "no logit exceeds that of its class by more than"),
        ("regions", "ties", "meet in orthant, apart from all others"),
        (
            "regions",
            "ball-0",
            "in the cell of class 0 in box of train/features (90) has a radius of at least",
        ),
        ("overview", "balls-train", "at every point of space closer than"),
        (
            "svm",
            "pair-0-1-standard",
            "over train/features of classes 0, 1 predicted as labelled (57) lies between",
        ),
    ],
)
def test_a_statement_says_what_it_rests_on(run, study, name, words):
    stored = {one.name: one.claim for one in run.claims(study)}
    assert words in stored[name].statement(0)


def test_verify_says_which_studies_it_looked_at(run, capsys):
    assert featgeom_run(["verify", str(run.folder)]) == 0
    said = (
        "studies: boundaries, collapse, hulls, overview, regions, svm (nothing is called proved in collapse)"
    )
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("left", [(), ("collapse",)])
def test_a_run_in_which_nothing_is_called_proved_is_no_success(tmp_path, made, capsys, left):
    arrays = made.folder.parent / "features.npz"
    run = open_run(arrays_run(tmp_path / "bare", arrays).folder)
    for study in left:
        run.study(study)
    out = told(run, capsys)
    assert "MISSING run/claims: nothing of this run is called proved: there is nothing to verify" in out
    assert f"studies: {'collapse (nothing is called proved in collapse)' if left else 'none'}" in out
    assert "0 proved, 0 refuted, 0 undecided, 1 missing" in out
