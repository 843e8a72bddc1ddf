"""The first paper's experiments, and the page that sets them beside what the paper says."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from featgeom.data.synthetic import SYNTHETIC
from featgeom.errors import BadArgument, BadData
from featgeom.models.reference import ACTIVATIONS
from featgeom.papers.earlier import first_paper
from featgeom.papers.experiments import EXPERIMENTS, find_experiments
from featgeom.papers.first import ROWS, compared
from featgeom.papers.pictures import sheet
from featgeom.papers.reproduction import open_experiments, reproduce
from featgeom.papers.spending import spending, spent
from featgeom.training.losses import LOSSES
from featgeom.training.recipes import find_recipe
from featgeom_cli.main import run as featgeom_run

PAGE = (Path(__file__).parents[2] / "docs" / "first-paper.md").read_text("utf-8")


def page_rows():
    """The rows of the page's first table: six cells each."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    cells = [[c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if len(row) == 6 and row[0] in EXPERIMENTS]


def number(text):
    return float(re.match(r"-?[\d.]+(e-?\d+)?", text.replace("−", "-"))[0])


def held_to_the_page(run_records, name, tolerance):
    ours = compared({name: run_records}).rows
    on_page = [row for row in page_rows() if row[0] == name]
    assert len(ours) == len(on_page) > 0
    for row, stated in zip(ours, on_page):
        assert [cell or "–" for cell in row[:5]] == stated[:5]
        assert abs(number(row[5]) - number(stated[5])) <= tolerance, row


def test_the_page_has_every_row_and_says_of_the_paper_what_the_code_does():
    """What takes training on images may be absent from the page, but never in part."""
    there = {row[0] for row in page_rows()}
    absent = {row.experiment for row in ROWS} - there
    assert all(EXPERIMENTS[name].needs in ("mnist", "cifar10") for name in absent)
    expected = [
        [
            row.experiment,
            row.quantity,
            row.says,
            row.measured,
            first_paper().figure(row.experiment, row.quantity) or "–",
        ]
        for row in ROWS
    ]
    assert [row[:5] for row in page_rows()] == [row for row in expected if row[0] in there]


def test_everything_the_paper_simulated_has_an_experiment():
    names = set(EXPERIMENTS)
    assert set(SYNTHETIC) < names
    assert {f"loss_{name}" for name in LOSSES} < names
    assert {f"activation_{name}" for name in ACTIVATIONS if name != "identity"} < names
    assert {f"optimiser_{name}" for name in ("gd", "momentum", "rmsprop", "adam")} < names
    assert {"asymmetric", "mnist_two", "mnist_three", "cifar10_two", "published_mnist3"} < names


@pytest.mark.parametrize("full", [False, True])
def test_every_experiment_makes_a_recipe_of_its_size(full):
    for experiment in EXPERIMENTS.values():
        if experiment.recipe:
            recipe = find_recipe(experiment.recipe, full, **experiment.fields(full))
            assert recipe.name == experiment.recipe
            if experiment.recipe.startswith("simulated_") and experiment.name != "asymmetric":
                assert recipe.options["hidden"] == (2000 if full else 200)
    full_cifar = find_recipe("cifar10_two", True, **EXPERIMENTS["cifar10_two"].fields(True))
    assert full_cifar.options == {"depth": 40, "growth": 12, "features": 2}
    assert full_cifar.steps == 501 * 157


def test_names_and_parts():
    assert len(find_experiments(())) == len(EXPERIMENTS)
    with pytest.raises(BadArgument, match="did you mean 'moons'"):
        find_experiments(("moon",))


def test_the_trap_is_what_the_page_says(tmp_path):
    held_to_the_page(reproduce(EXPERIMENTS["trap"], tmp_path, None).results, "trap", 0.011)


def test_the_published_network_is_what_the_page_says(tmp_path, real_data):
    published = replace(EXPERIMENTS["published_mnist3"], studies=("svm", "maps"))  # what its rows are made of
    run = reproduce(published, tmp_path, str(real_data))
    held_to_the_page(run.results, "published_mnist3", 0.011)
    text = run.result("svm").to_text()
    assert "loss" in run.result("svm").findings[0].text
    assert "Boundaries in the plane of features" in text


def test_the_command_makes_runs_and_the_table(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("FEATGEOM_DATA", raising=False)
    blobs = EXPERIMENTS["blobs"]
    short = replace(
        blobs, small=blobs.small | {"steps": 60}, retraining=60, studies=("svm", "retrain", "maps")
    )
    monkeypatch.setitem(EXPERIMENTS, "blobs", short)
    assert featgeom_run(["reproduce", "blobs", "images", "-o", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)["result"]
    assert document["left_out"] == ["published_mnist3", "mnist_two", "mnist_three", "cifar10_two"]
    assert "left out" in captured.err
    assert [row["experiment"] for row in document["experiments"]] == ["blobs"]
    assert document["experiments"][0]["processor time"] == round(spent(tmp_path)["blobs"]) > 0
    run = open_experiments(tmp_path)["blobs"]
    assert set(run.results) == {"svm", "retrain", "maps", "trajectory"}
    assert (run.folder / "report.html").exists()
    assert "| blobs |" in (tmp_path / "first-paper.md").read_text()
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["maps-data.png"]
    drawing = sheet("data", {"blobs": run})
    shown = [axes for axes in drawing.figure.axes if axes.get_visible()]
    assert [len(axes.images) for axes in shown] == [1] * 6  # three panels in either space
    maps = run.result("maps").arrays
    alike = maps["feature_network"] == maps["feature_machine"]
    own, both = (np.asarray(shown[i].images[0].get_array()) for i in (0, 2))
    np.testing.assert_array_equal((own == both).all(axis=2), alike)
    assert featgeom_run(["verify", str(run.folder)]) == 0
    with monkeypatch.context() as patch:  # interrupted, or under way in another process
        patch.setitem(EXPERIMENTS, "blobs", replace(short, studies=(*short.studies, "collapse")))
        assert open_experiments(tmp_path) == {}
    assert featgeom_run(["reproduce", "mnist_two", "-o", str(tmp_path)]) == 2
    assert "needs real data" in capsys.readouterr().err


def test_processor_time_adds_up_over_calls_and_counts_what_failed(tmp_path):
    with spending(tmp_path, "one"):
        sum(i * i for i in range(300_000))
    first = spent(tmp_path)["one"]
    with pytest.raises(BadArgument), spending(tmp_path, "one"):
        find_experiments(("x" * 300,))
    with spending(tmp_path, "other"):
        pass
    assert spent(tmp_path)["one"] > first > 0
    assert set(spent(tmp_path)) == {"one", "other"}
    assert spent(tmp_path / "elsewhere") == {}


def test_every_earlier_figure_is_of_a_row_or_of_what_another_method_gave():
    """A figure of the first page that no row asks for is of the descent that was replaced since."""
    asked = {(row.experiment, row.quantity) for row in ROWS}
    stored = {(name, quantity) for name, part in first_paper().figures.items() for quantity in part}
    assert len(stored & asked) > 25
    assert all("normalised descent" in quantity for _, quantity in stored - asked)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(BadData, match="there is no"):
        reproduce(EXPERIMENTS["mnist_two"], tmp_path, str(tmp_path))
    with pytest.raises(BadArgument, match="no experiment is there"):
        open_experiments(tmp_path)


def test_digits_zero_and_one_are_told_apart(tmp_path, real_data):
    """The small size of MNIST 0 and 1, at a third of its steps."""
    from featgeom.training.loop import train

    experiment = EXPERIMENTS["mnist_two"]
    changes = experiment.fields(False) | {"images": f"mnist:{real_data / 'mnist'}", "steps": 200}
    run = train(experiment.recipe, tmp_path, **(changes | {"per_decade": 1, "measured": 500}))
    assert run.history[-1]["test_accuracy"] > 0.99
