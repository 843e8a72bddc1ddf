"""The plan: prices are found again from what they made, work grows as it should, the command says it all."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from featgeom.errors import BadArgument
from featgeom.hulls import separation
from featgeom.limits import memory_budget
from featgeom.margins import comparison, machine
from featgeom.planning import costs
from featgeom.planning.costs import TERMS, WORK, Size, fit, fitted, predict, stored_costs
from featgeom.planning.plan import plan, size_of_network, size_of_run
from featgeom.proofs import hulls as proofs_of_hulls
from featgeom.runs import claims
from featgeom.shelf import held_at_once
from featgeom.studies import hulls, svm
from featgeom_cli.main import featgeom

NUMBERS = ["--samples", "5000", "--questions", "500", "--dimension", "64", "--classes", "20"]


def sizes(rng, count):
    return [
        Size(*(int(10 ** rng.uniform(low, high)) for low, high in ((3, 5), (2, 4), (1, 3), (0.7, 3))))
        for _ in range(count)
    ]


def test_the_plan_counts_what_the_studies_do():
    assert costs.MACHINES == svm.MOST_PAIRS
    assert costs.UNKNOWNS == svm.MOST_UNKNOWNS
    assert (costs.AGREEMENTS, costs.COMPARED) == (comparison.AGREEMENT_POINTS, svm.AT_A_TIME)
    assert costs.WIDE == machine.WIDE == separation.WIDE
    assert costs.READ_AGAIN == claims.MOST_HELD
    assert (costs.ASKED, costs.TOGETHER) == (hulls.ASKED, hulls.QUESTIONS)
    assert costs.MOST_WORK == proofs_of_hulls.MOST_WORK
    assert costs.MANY == proofs_of_hulls.MOST_CLASSES
    assert hulls.WORKING + hulls.ASKING + held_at_once() / memory_budget() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("study", TERMS)
def test_the_prices_that_made_the_times_are_found_again(study, rng):
    prices = {name: 10 ** rng.uniform(-1, 1) for name in TERMS[study]}
    seen = sizes(rng, 60)
    took = [sum(price * WORK[name](size) for name, price in prices.items()) for size in seen]
    found = fitted(seen, took, TERMS[study])
    again = [sum(price * WORK[name](size) for name, price in found.items()) for size in seen]
    np.testing.assert_allclose(again, took, rtol=1e-6)


def test_no_price_is_below_what_is_known_of_it(rng):
    seen = sizes(rng, 20)
    took = [5.0 * WORK["start"](size) for size in seen]
    found = fitted(seen, took, ["start", "logits"], {"logits": 3.0})
    assert found["logits"] == pytest.approx(3.0)


def test_a_fit_predicts_what_it_was_fitted_to(rng):
    runs = [
        {"size": vars(size), "study": name, "seconds": 2.0 * WORK["logits"](size), "speed": 5.0,
         "memory": 4.0 + 3.0 * WORK["features"](size)}
        for size in sizes(rng, 30) for name in ("overview", "collapse")
    ]  # fmt: skip
    costs = fit(runs)
    assert list(costs.studies) == ["overview", "collapse"]
    assert costs.runs == 30
    asked = Size(10_000, 1_000, 256, 100)
    for cost in predict(asked, 10.0, costs):
        assert cost.seconds == pytest.approx(WORK["logits"](asked))
        assert cost.memory == pytest.approx(4.0 + 3.0 * WORK["features"](asked))


@pytest.mark.parametrize("study", TERMS)
def test_more_of_anything_never_costs_less(study):
    base = {"samples": 20_000, "questions": 2_000, "dimension": 128, "classes": 50}
    least = {cost.study: cost for cost in predict(Size(**base), 1.0)}[study]
    for name in ("questions", "dimension"):
        more = {cost.study: cost for cost in predict(Size(**base | {name: 2 * base[name]}), 1.0)}[study]
        assert more.seconds >= least.seconds
        assert more.memory >= least.memory


def test_a_machine_twice_as_fast_takes_half_the_time():
    slow, fast = (plan(Size(5000, 500, 64, 20), speed=speed) for speed in (5.0, 10.0))
    for a, b in zip(slow.costs, fast.costs, strict=True):
        assert a.seconds == pytest.approx(2 * b.seconds)
        assert a.memory == b.memory


def test_every_study_has_its_price():
    assert set(stored_costs().studies) == set(TERMS)


def test_the_command_takes_numbers_a_run_or_a_network(tmp_path):
    said = CliRunner().invoke(featgeom, ["plan", *NUMBERS, "--json"], catch_exceptions=False)
    found = json.loads(said.stdout)["result"]
    assert found["size"] == {"samples": 5000, "questions": 500, "dimension": 64, "classes": 20}
    assert [study["study"] for study in found["studies"]] == list(stored_costs().studies)
    arrays = {"features": np.eye(3), "labels": [0, 1, 2], "weight": np.eye(3), "bias": np.zeros(3)}
    np.savez(tmp_path / "f.npz", **arrays)
    CliRunner().invoke(featgeom, ["analyze", str(tmp_path / "f.npz"), "-o", str(tmp_path / "run")])
    assert size_of_run(tmp_path / "run") == Size(3, 0, 3, 3)
    size, seconds = size_of_network("digits", "digits")
    assert (size.questions, size.dimension, size.classes) == (500, 32, 10)
    assert seconds > 0


def test_the_extraction_is_of_the_samples_that_are_asked_for():
    one, two = (plan(Size(n, 500, 64, 20), each=0.01, speed=5.0) for n in (500, 5000))
    assert (one.extraction, two.extraction) == (pytest.approx(10.0), pytest.approx(55.0))
    assert plan(Size(500, 500, 64, 20), speed=5.0).extraction is None


@pytest.mark.parametrize("words", [NUMBERS, ["run"]])
def test_an_architecture_without_a_checkpoint_is_refused(words):
    with pytest.raises(BadArgument, match="--arch"):
        CliRunner().invoke(
            featgeom, ["plan", *words, "--arch", "x"], standalone_mode=False, catch_exceptions=False
        )


@pytest.mark.parametrize("missing", ["samples", "classes"])
def test_what_is_missing_is_named(missing):
    left = [word for name, value in zip(NUMBERS[::2], NUMBERS[1::2], strict=True)
            for word in (name, value) if name != f"--{missing}"]  # fmt: skip
    with pytest.raises(BadArgument, match=f"--{missing}"):
        CliRunner().invoke(featgeom, ["plan", *left], standalone_mode=False, catch_exceptions=False)


@pytest.mark.parametrize(("name", "value"), [("samples", 0), ("questions", -1), ("classes", 1)])
def test_a_size_that_cannot_be_is_refused(name, value):
    with pytest.raises(BadArgument, match=name):
        Size(**{"samples": 1, "questions": 0, "dimension": 1, "classes": 2} | {name: value})


def test_what_workers_share_is_a_part():
    costs = plan(Size(5000, 500, 64, 20), speed=5.0).costs
    assert all(0 <= cost.shared <= cost.seconds for cost in costs)
    assert [cost.study for cost in costs if cost.shared] == ["overview", "hulls", "regions", "svm"]
    (hulls,) = [cost for cost in costs if cost.study == "hulls"]
    (more,) = [cost for cost in plan(Size(5000, 5000, 64, 20), speed=5.0).costs if cost.study == "hulls"]
    assert more.seconds - more.shared == pytest.approx(hulls.seconds - hulls.shared)
    assert more.shared > hulls.shared


def test_the_memory_of_hulls_is_bounded_by_what_may_be_held():
    size = Size(1_280_000, 50_000, 2048, 1000)
    points = 4.0 * size.samples * size.dimension
    held = [
        next(cost.memory for cost in predict(size, 1.0, budget=budget) if cost.study == "hulls")
        for budget in (1 << 30, 1 << 31)
    ]
    assert held[1] - held[0] == pytest.approx(1 << 30)
    assert held[0] < (1 << 30) + points / 5
    uncounted = Size(1_280_000, 0, 2048, 2)
    few = next(cost.memory for cost in predict(uncounted, 1.0, budget=1 << 30) if cost.study == "hulls")
    assert few < points / 3


def test_small_runs_are_predicted_as_they_were_measured():
    size = Size(2000, 200, 32, 10)
    held = stored_costs().studies["hulls"].bytes
    found = next(cost.memory for cost in predict(size, 1.0, budget=1 << 30) if cost.study == "hulls")
    assert found == pytest.approx(sum(price * WORK[kind](size) for kind, price in held.items()))


@pytest.mark.parametrize("study", ["overview", "collapse"])
def test_what_is_read_again_is_not_held(study):
    size, gib = Size(1_280_000, 10_000, 2048, 1000), 1 << 30
    half, whole, twice = (
        next(cost.memory for cost in predict(size, 1.0, budget=budget) if cost.study == study)
        for budget in (gib // 2, gib, 2 * gib)
    )
    assert whole < 3 * gib
    assert whole - half == pytest.approx(gib / 2)
    assert twice == whole
