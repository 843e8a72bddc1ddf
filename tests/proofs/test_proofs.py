"""What is proved is said in one place only, and what a proof needs, it declares."""

import ast
import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import featgeom
from featgeom.catalog import STUDIES
from featgeom.certificates.machines import Machine
from featgeom.decimals import bounded, exactly, no_less, no_more
from featgeom.proofs import boundaries, machines, pixels
from featgeom.proofs.headings import HEADINGS
from featgeom.proofs.proof import Found, Unproved, nothing
from featgeom.proofs.studies import PROOFS
from featgeom.runs.record import Column, Table

PACKAGE = Path(featgeom.__file__).parent


def test_nothing_but_a_proof_calls_a_sentence_or_a_column_proved():
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name == "proofs" or path.name == "record.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                said = [ast.unparse(part) for part in (node.func, *node.args, *node.keywords)]
                assert said[0] != "Finding.proved", path
                assert not (said[0] == "Finding" and "'proved'" in said), path
                assert not (said[0] == "Column" and any(word in ("proved=True", "True") for word in said)), (
                    path
                )


def test_only_studies_have_proofs():
    assert set(PROOFS) <= set(STUDIES)


@pytest.fixture
def found():
    nobody = SimpleNamespace(parts={"train": None, "test": None})
    return Found({}, {}, nobody, ("a", "b"), {})


def test_a_claim_that_is_not_there_cannot_be_used(found):
    with pytest.raises(Unproved, match="the claim 'ball' is missing"):
        found["ball"]
    assert found.get("ball") is None
    with pytest.raises(Unproved):
        found.using(lambda claims: claims["ball"])


@pytest.mark.parametrize(
    ("lower", "upper", "text"),
    [
        (1.0, 1.0, "1"),
        (2.34561, 2.34562, "2.346"),
        (0.99996, 1.00004, "1"),
        (1.0, 2.0, "1 to 2"),
        (0.12341, 0.12346, "0.12341 to 0.12346"),
    ],
)
def test_a_number_between_two_bounds_is_shown_as_closely_as_it_is_known(lower, upper, text):
    assert bounded(lower, upper) == text


def test_every_length_in_a_proved_table_says_which_end_of_it_is_shown(made):
    seen = set()
    for study, record in made.results.items():
        for table in record.tables:
            for column in table.columns:
                values = [v for v in table.column(column.name) if isinstance(v, float)]
                if column.proved and (values or column.unit):
                    said = {"lower": "at least", "upper": "at most"}[column.end]
                    assert column.heading.removesuffix(f" [{column.unit}]").endswith(said), (study, column)
                    assert said in table.to_text()
                    seen.add((study, table.name))
    assert {"overview", "hulls", "regions", "svm"} == {study for study, _ in seen}
    page = (made.folder / "report.html").read_text("utf-8")
    assert "radius of the smallest ball, at most <small>[feature distance]" in page


def test_no_length_is_called_proved_without_the_end_that_it_is():
    """Of every table, those of runs of many classes as well."""
    seen = set()
    for path in sorted((PACKAGE / "proofs").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Column":
                given = dict(
                    zip(("name", "unit", "proved", "end"), map(ast.unparse, node.args), strict=False)
                )
                given |= {word.arg: ast.unparse(word.value) for word in node.keywords}
                if given.get("unit", "''") != "''" and given.get("proved") == "True":
                    assert given.get("end") in ("'lower'", "'upper'"), (path, ast.unparse(node))
                    seen.add(path.stem)
    assert seen == {"hulls", "machines", "neighbours", "overview", "regions"}


def test_every_table_that_a_study_proves_has_a_title_of_its_own(made):
    proving = {study: proof for study, proof in PROOFS.items() if proof.tables is not nothing}
    assert set(proving) == set(HEADINGS)
    for study, proof in proving.items():
        found = Found.of(made, {})
        words = HEADINGS[study](found)
        assert set(words) == set(proof.tables(found))
        assert len({title for title, _ in words.values()}) == len(words)


@pytest.mark.parametrize("digits", [1, 4, 15, 16, 17])
@pytest.mark.parametrize(
    "value",
    [
        2**53 + 1,
        2**53 - 1,
        2**63 - 1,
        -(2**53) - 1,
        10**17 + 1,
        3 * 10**200 + 1,
        np.int64(2**53 + 1),
        7,
        0,
        True,
    ],
)
def test_bounds_on_whole_numbers_are_rounded_outwards_from_the_very_number(value, digits):
    assert float(no_more(value, digits)) <= int(value) <= float(no_less(value, digits))
    assert int(float(exactly(value))) == int(value) or int(exactly(value)) == int(value)


def test_the_cells_of_a_table_are_rounded_outwards():
    columns = (Column("least", end="lower"), Column("greatest", end="upper"), Column("near"))
    table = Table("t", "T", columns, ((1.23456, 1.23451, 1.23456), (-9.99999, -1.23456, None)))
    assert table.cells() == [["1.234", "1.235", "1.235"], ["-10", "-1.234", "–"]]
    assert table.to_text().splitlines()[0] == "least, at least  greatest, at most   near"


class Stub(SimpleNamespace):
    """A claim or some claims of which a sentence asks for a few fields."""

    def __len__(self):
        return 1

    def __getitem__(self, name):
        return self.claim


def numbers(text):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text.replace(",", ""))]


ERROR = 1.4321e-9  # to one digit, and to two, the nearest is less


@pytest.mark.parametrize("sentence", ["slices", "means", "nearest", "planes", "gap", "margin"])
def test_no_sentence_rounds_an_error_down(sentence, monkeypatch):
    claim, asked = Stub(classes=[0, 1], error=ERROR), {"slices": [["a"]], "planes": 1}
    known = Stub(claim=claim, settings=asked, classes=("a", "b"), question="test", reference="train")
    known.asked = lambda name, *shape: np.zeros((1, *shape), int)
    known.get, known.count, known.subjects = lambda name: known.claim, lambda words: 1, Stub(domain="space")
    if sentence == "slices":
        (text,) = boundaries.slices(known)
    elif sentence == "planes":
        (text,) = pixels.planes(known)
    elif sentence == "means":
        monkeypatch.setattr(boundaries, "segments", lambda found: np.zeros((1, 2)))
        known.claim = Stub(cells=np.array([0, 1]), first=np.array([0, 2]), error=np.array([ERROR]))
        (text,) = boundaries.between_means(known)
    elif sentence == "nearest":
        known.claim = Stub(lower=np.array([1 - ERROR]), upper=np.array([1.0]))
        (text,) = boundaries.nearest(known)
    else:
        machine = object.__new__(Machine)
        for name, value in {"lower": 3 - 3 * ERROR, "upper": 3.0, "c": np.inf}.items():
            object.__setattr__(machine, name, value)
        known.claim = machine
        text = next(machines.of_all(known))
        if sentence == "margin":
            assert numbers(text)[-1] ** 2 * 2 * machine.lower >= 1
            return
    assert any(ERROR <= number < 2 * ERROR for number in numbers(text)), text


@pytest.mark.parametrize("objective", [5e-324, 0.3, 1.7e308])
def test_margins_are_between_their_bounds_at_any_scale(objective):
    low, high = map(Fraction, machines.margin(Stub(lower=objective, upper=objective)))
    assert low**2 < 1 / (2 * Fraction(objective)) < high**2
