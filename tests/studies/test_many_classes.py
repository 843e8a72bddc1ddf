"""Where classes are many, not all pairs are asked: which are is said, and that nothing nearer was left out is
proved."""

import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from featgeom import Cells, ConvexHull, open_run, separate
from featgeom.exact.apart import apart_below
from featgeom.figures.regions import draw
from featgeom.head import AffineHead
from featgeom.proofs import hulls, neighbours
from featgeom.proofs import regions as cells
from featgeom.regions import adjacency
from featgeom.runs.making import arrays_run
from featgeom.status import Status
from featgeom.studies import neighbours as choosing
from featgeom.studies import regions
from featgeom_cli.main import run as featgeom_run

sys.path.insert(0, str(Path(__file__).parents[1] / "proofs"))
from forging import claims_of, remade, restored_array, sealed_claims

CLASSES = 12


@pytest.fixture(scope="module", autouse=True)
def few_pairs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hulls, "MOST_CLASSES", 5)
        patch.setattr(cells, "PAIRS_OF_ALL", 5)
        patch.setattr(cells, "NEAREST", 3)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(3)
    means = 6 * rng.standard_normal((CLASSES // 3, 12))[np.arange(CLASSES) // 3]
    means += 2 * rng.standard_normal((CLASSES, 12))
    arrays = {
        "weight": means.astype(np.float32),
        "bias": (-np.square(means).sum(axis=1) / 2).astype(np.float32),
    }
    for split, count in (("train", 8), ("test", 2)):
        labels = np.repeat(np.arange(CLASSES), count)
        arrays[f"features_{split}"] = (means[labels] + rng.standard_normal((len(labels), 12))).astype(
            np.float32
        )
        arrays[f"labels_{split}"] = labels
    np.savez(folder / "features.npz", **arrays)
    run = open_run(arrays_run(folder / "run", folder / "features.npz").folder)
    run.study("hulls")
    run.study("regions")
    return run


@pytest.fixture
def run(made, tmp_path):
    import shutil

    return open_run(shutil.copytree(made.folder, tmp_path / "run"))


def sure(run):
    record = run.result("hulls")
    return {row[0]: row for row in record.table("nearest-all").rows if row[4]}


def test_every_claim_and_sentence_holds(run):
    assert run.verify().holds
    said = " ".join(finding.text for finding in run.result("hulls").findings if finding.standing == "proved")
    assert "it is proved that no hull of another class is nearer than the nearest of those measured" in said


def test_the_nearest_is_that_of_all_pairs(run):
    train = run.features("train")
    parts = [ConvexHull(train.features[train.labels == c]) for c in range(CLASSES)]
    apart = np.full((CLASSES, CLASSES), np.inf)
    for a, b in combinations(range(CLASSES), 2):
        apart[a, b] = apart[b, a] = separate(parts[a], parts[b]).distance
    known = sure(run)
    assert len(known) > CLASSES / 2
    for c, name in enumerate(run.classes):
        if name in known:
            assert known[name][2] == pytest.approx(apart[c].min())
            assert known[name][1] == run.classes[apart[c].argmin()]
    for row in run.result("hulls").table("nearest-all").rows:
        assert row[3] <= apart[run.classes.index(row[0])].min() * (1 + 1e-9)


def test_a_class_is_proved_nearest_only_before_all_others():
    """Class 0: hull 1 is the nearest by its upper bound; hull 2 or one that is not measured may be nearer."""
    rest = np.array([2.0, 1.05, 1.2, np.inf])
    near = neighbours.nearest(4, [(0, 1, 1.0, 1.1), (0, 2, 0.9, 1.3)], rest)
    assert {c: (one.other, one.others) for c, one in near.items()} == {0: (1, 0.9), 1: (0, 1.05), 2: (0, 1.2)}
    found = _found({})
    found.classes = tuple("abcd")
    told = neighbours.columns(found, [(0, 1, 1.0, 1.1), (0, 2, 0.9, 1.3)], rest)
    table = {column.name: values for column, values in told.items()}
    assert table["class"] == ["a", "b", "c"]
    assert table["nearest measured"] == ["b", "a", "a"]
    assert table["distance"] == [1.1, 1.1, 1.3]
    assert table["of any hull"] == [0.9, 1.0, 0.9]
    assert table["proved nearest"] == [False, False, False]
    rest[1] = 1.1
    told = neighbours.columns(found, [(0, 1, 1.0, 1.1), (0, 2, 1.1, 1.3)], rest)
    assert list(told.values())[4] == [True, True, False]
    assert [column.end for column in told] == ["", "", "upper", "lower", ""]


def test_the_nearest_pair_exchanged_for_one_that_says_nothing_is_no_longer_proved(run):
    """A true claim without content moves the row to the next hull, which nothing proves to be the nearest."""
    claims = claims_of(run, "hulls")
    name = next(iter(sure(run)))
    row = sure(run)[name]
    a, b = sorted(run.classes.index(one) for one in row[:2])
    pair = hulls.pair_name("all", a, b)
    claims[pair] = replace(claims[pair], lower=0.0, upper=np.inf)
    remade(run, "hulls", claims)
    rows = {row[0]: row for row in open_run(run.folder).result("hulls").table("nearest-all").rows}
    for c in (run.classes[a], run.classes[b]):
        assert rows[c][3] == 0.0
        assert not rows[c][4]


def test_a_stored_bound_holds_however_another_machine_rounds(rng, monkeypatch):
    """The product is off by as much as it may be: one way where it is stored, the other where asked."""
    from featgeom.exact import heads

    groups = [1e4 + rng.standard_normal(64) + 3 * rng.standard_normal((6, 64)) for _ in range(12)]
    real, side = heads.screened_margins, [0.0]

    def off(*words):
        margins, error = real(*words)
        return margins + side[0] * error, error

    monkeypatch.setattr(heads, "screened_margins", off)
    side[0] = 1.0
    stored = neighbours.unmeasured(apart_below(groups, neighbours.TIMES), []) * neighbours.SLACK
    side[0] = -1.0
    assert (stored <= neighbours.unmeasured(apart_below(groups), [])).all()
    assert (stored > 0).all()


def test_no_class_that_is_ever_right(tmp_path, rng):
    means = 20 * rng.standard_normal((8, 3))
    wrong = np.roll(means, 1, axis=0)
    arrays = {"weight": wrong, "bias": -np.square(wrong).sum(axis=1) / 2}
    for split in ("train", "test"):
        labels = np.repeat(np.arange(8), 4)
        arrays[f"features_{split}"] = (means[labels] + rng.standard_normal((32, 3))).astype(np.float32)
        arrays[f"labels_{split}"] = labels
    np.savez(tmp_path / "features.npz", **arrays)
    run = open_run(arrays_run(tmp_path / "run", tmp_path / "features.npz").folder)
    run.study("hulls")
    assert open_run(run.folder).verify().holds


def test_every_limit_is_said(run, monkeypatch):
    """Hulls of too many points, and hulls that are too much work in so many dimensions, side by side."""
    from featgeom.proofs.proof import Found
    from featgeom.studies.hulls import limits

    monkeypatch.setattr(hulls, "MOST_POINTS", 90)
    monkeypatch.setattr(hulls, "MOST_WORK", 700)
    said = " ".join(finding.text for finding in limits(Found.of(run, claims_of(run, "hulls"))))
    assert "hulls of more than 90 points" in said
    assert "The vertices of hulls of 8 points or more are not counted" in said


def test_bounds_are_below_the_distances(rng):
    for spread in (0.1, 1.0, 1e6):
        groups = [rng.standard_normal((n, 5)) + spread * rng.standard_normal(5) + 1e3 for n in (1, 4, 9, 30)]
        below = apart_below([group.astype(np.float32) for group in groups])
        assert np.isinf(np.diag(below)).all()
        for a, b in combinations(range(4), 2):
            pair = separate(*(ConvexHull(groups[i].astype(np.float32)) for i in (a, b)))
            assert below[a, b] == below[b, a] <= pair.distance
        assert spread < 1e6 or (below > 1e5).all()


def test_a_pair_left_out_is_found(run, capsys):
    claims = claims_of(run, "hulls")
    a, b = min(
        (pair for pair in neighbours.stated(_found(claims), "all")),
        key=lambda pair: claims[hulls.pair_name("all", *pair)].upper,
    )
    del claims[hulls.pair_name("all", a, b)]
    sealed_claims(run, "hulls", claims)
    capsys.readouterr()
    assert featgeom_run(["verify", str(run.folder)]) == 1
    assert "others-all" in capsys.readouterr().out


def _found(claims):
    from featgeom.proofs.proof import Found

    found = Found.__new__(Found)
    found.claims, found.classes = claims, tuple(map(str, range(CLASSES)))
    return found


def test_a_bound_that_says_too_much_is_found(run, capsys):
    with restored_array(run, "hulls") as arrays:
        arrays["others-correct"] = arrays["others-correct"] * 1.5
    capsys.readouterr()
    assert featgeom_run(["verify", str(run.folder)]) == 1
    assert "says more than is so of the pairs that were not measured" in capsys.readouterr().out


def test_a_record_that_proves_less_and_says_so_is_sound(run):
    claims = claims_of(run, "hulls")
    with np.load(run.folder / "results" / "hulls.npz") as stored:
        others = np.zeros_like(stored["others-all"])
    said = remade(run, "hulls", claims, arrays={"others-all": others})
    assert any(text.startswith(f"For 0 of {CLASSES} classes (all samples)") for text in said)
    assert open_run(run.folder).verify().holds


def test_pairs_grow_with_the_classes_and_not_with_their_pairs(rng):
    asked = []

    def nearest(groups, below, most):
        def measure(pairs):
            asked.extend(pairs)
            return {(a, b): separate(ConvexHull(groups[a]), ConvexHull(groups[b])) for a, b in pairs}

        asked.clear()
        means = {c: points.mean(axis=0) for c, points in enumerate(groups)}
        return choosing.nearest_pairs(means, below, measure, most)

    for count in (20, 60):
        groups = [rng.standard_normal((3, 4)) for _ in range(count)]  # all overlap: the bounds tell nothing
        below = apart_below(groups)
        found = nearest(groups, below, most=4)
        assert len(asked) == len(found) <= 4 * count
        # far apart in pairs: the bounds leave out everything else
        groups = [rng.standard_normal((3, 4)) + 1000 * (c // 2) + 10 * (c % 2) for c in range(count)]
        found = nearest(groups, apart_below(groups), most=9)
        assert set(found) >= {(c, c + 1) for c in range(0, count, 2)}
        assert len(found) <= 2 * count


def all_meetings(run):
    """Every pair of cells, whether it meets, and what proves it."""
    head = run.features("train").head
    pairs = np.stack(np.triu_indices(CLASSES, 1), axis=1)
    return adjacency.meetings(head, Cells(head, run.subjects.domain).domain, pairs)


def test_cells_are_asked_about_with_those_of_nearest_rows(run):
    weight, record, whole = run.features("train").head.weight, run.result("regions"), all_meetings(run)
    apart = np.linalg.norm(weight[:, None] - weight, axis=2) + np.diag(np.full(CLASSES, np.inf))
    near = np.argsort(apart, axis=1)[:, :3]
    pairs = {(min(a, b), max(a, b)) for a in range(CLASSES) for b in near[a].tolist()}
    edges = {tuple(pair) for pair in record.arrays["edges"].tolist()}
    apart = {tuple(pair) for pair in record.values["non_edges"]}
    undecided = {tuple(pair) for pair in record.values["undecided"]}
    assert edges | apart | undecided == pairs
    assert record.values["asked"] == len(edges) + len(apart) + len(undecided) < len(whole.pairs)
    known = dict(zip(map(tuple, whole.pairs.tolist()), whole.status, strict=True))
    assert all(known[pair] is Status.SOLVED for pair in edges)
    assert all(known[pair] is Status.INFEASIBLE for pair in apart)
    said = " ".join(finding.text for finding in record.findings if finding.standing == "proved")
    assert f"Of 66 pairs of cells {len(pairs)} are asked about, of each class those with the 3 others" in said
    degree = np.bincount(np.array(sorted(edges)).ravel(), minlength=CLASSES)
    assert record.table("cells").column("neighbours, of those asked about") == degree.tolist()
    (drawing,) = draw(record, tuple(map(str, range(40))))
    assert "of those with which it is asked about" in drawing.caption


def test_a_true_tie_of_cells_that_are_not_asked_about_is_no_claim_of_the_study(run, capsys):
    """With it more pairs would be counted as meeting than were asked about."""
    claims = claims_of(run, "regions")
    claims["ties"] = all_meetings(run).ties.named(**claims["ties"].words)
    remade(run, "regions", claims)
    capsys.readouterr()
    assert featgeom_run(["verify", str(run.folder)]) == 1
    assert "its pairs must be among the pairs that are asked about" in capsys.readouterr().out


def test_a_pair_of_cells_left_out_is_undecided(run):
    claims = claims_of(run, "regions")
    ties = claims["ties"]
    some = {name: getattr(ties, name)[1:] for name in ("pairs", "ends", "steps")}
    said = remade(run, "regions", claims | {"ties": replace(ties, **some)})
    before = run.result("regions").values["undecided"]
    assert any(f", {len(before) + 1} are undecided;" in text for text in said)
    assert featgeom_run(["verify", str(run.folder), "--quiet"]) == 0


def test_the_busiest_border_is_that_of_most_samples(rng):
    own, rival = rng.integers(0, 9, (2, 60))
    own, rival = own[own != rival], rival[own != rival]
    for count in (9, 12):
        borders = regions.border_counts(own, rival, count)
        wanted = np.where(borders.any(axis=1), borders.argmax(axis=1), -1)
        assert (regions.busiest_border(own, rival, count) == wanted).all()


def test_of_programs_no_more_are_solved_than_allowed(rng):
    head = AffineHead(rng.standard_normal((30, 3)))
    cells = Cells(head, "orthant")
    pairs = np.stack(np.triu_indices(30, 1), axis=1)
    whole = adjacency.meetings(head, cells.domain, pairs)
    assert whole.programs > 5
    part = adjacency.meetings(head, cells.domain, pairs, programs=3)
    assert part.programs == 3
    told = part.status != Status.UNDECIDED
    assert (part.status[told] == whole.status[told]).all()
    assert whole.programs - 3 <= (~told).sum() < len(pairs)


def test_what_the_cells_may_cost_is_bounded():
    assert regions.programs(10, 64) > 45
    assert regions.programs(1000, 2048) < 2
