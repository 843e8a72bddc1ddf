"""The catalogue of studies is the one place from which everything about them comes."""

import importlib.util
import inspect
from importlib import import_module
from pathlib import Path

import pytest

from featgeom.catalog import STUDIES, find_studies
from featgeom.errors import BadArgument
from featgeom.options import Count, Several, Switch

ROOT = Path(__file__).parents[1]
MADE = [study for study in STUDIES.values() if study.study]


@pytest.mark.parametrize("study", MADE, ids=lambda s: s.name)
def test_an_entry_leads_to_its_study_whose_options_are_those_of_the_entry(study):
    function = import_module(f"featgeom.{study.study}").study
    keywords = {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    assert keywords == {option.name for option in study.options}
    defaults = [p.default for p in inspect.signature(function).parameters.values() if p.name in keywords]
    assert all(default is inspect.Parameter.empty for default in defaults), "a default stands once"


@pytest.mark.parametrize("study", [s for s in STUDIES.values() if s.draw], ids=lambda s: s.name)
def test_an_entry_leads_to_its_drawings(study):
    assert callable(import_module(f"featgeom.{study.draw}").draw)


def test_every_module_of_a_study_is_in_the_catalogue():
    listed = {study.study for study in MADE}
    for path in (ROOT / "featgeom" / "studies").glob("*.py"):
        if "\ndef study(" in path.read_text("utf-8"):
            assert f"studies.{path.stem}" in listed


@pytest.mark.parametrize("study", MADE, ids=lambda s: s.name)
def test_defaults_are_in_their_ranges(study):
    assert study.chosen({}) == {option.name: option.checked(option.default) for option in study.options}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        (Count("samples", 4, ""), 0, "--samples: expected a whole number from 1 to"),
        (Count("samples", 4, ""), True, "got True"),
        (Count("samples", 4, ""), 2.5, "got 2.5"),
        (Count("train_samples", 4, ""), 10**30, "--train-samples"),
        (Switch("traces", True, ""), "no", "--traces: expected true or false"),
        (Several("beside", (), "", word="beside"), "RUN", "--beside: expected several values"),
    ],
)
def test_a_value_out_of_its_range_is_refused(option, value, said):
    with pytest.raises(BadArgument, match=said):
        option.checked(value)


def test_wrong_names_are_refused_with_the_nearest():
    with pytest.raises(BadArgument, match="did you mean 'hulls'"):
        find_studies("overview,hull")
    with pytest.raises(BadArgument, match="did you mean 'samples'"):
        STUDIES["flips"].chosen({"sample": 3})
    with pytest.raises(BadArgument, match="--slice: expected three classes"):
        STUDIES["boundaries"].chosen({"slices": ["cat,dog"]})
    with pytest.raises(BadArgument, match="--method: unknown method"):
        STUDIES["retrain"].chosen({"methods": ["sgd"]})


def test_the_readme_has_every_study_in_its_words():
    place = ROOT / "docs" / "readme.py"
    spec = importlib.util.spec_from_file_location("readme", place)
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    text = (ROOT / "README.md").read_text("utf-8")
    assert all(f"featgeom {study.name} " in text for study in STUDIES.values())
    assert readme.filled(text) == text, "`make format` writes the table"
    assert readme.filled(text.replace(STUDIES["hulls"].answers, "something else")) == text
