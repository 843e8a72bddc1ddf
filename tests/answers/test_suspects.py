"""`featgeom suspects`: wrong labels come first, reasons are true, the page is gone through by keyboard."""

import csv
import io
import json
import tracemalloc

import numpy as np
import pytest

import featgeom as fg
from featgeom.answers.label_views import (
    as_far_out,
    hull_distances,
    hull_ratio,
    label_margins,
    neighbours,
    seen,
)
from featgeom.answers.suspecting import _suggested, suspects
from featgeom.answers.suspects_page import suspects_page
from featgeom.certificates.guarantees import GuaranteedHull
from featgeom.certificates.hulls import HullMembership
from featgeom.errors import BadArgument
from featgeom.runs.making import make_run
from featgeom.status import Status
from featgeom_cli.main import run as featgeom


def features(folder, labels, z, **more):
    np.savez(folder / "f.npz", features=z, labels=labels, weight=np.eye(3), bias=np.zeros(3), **more)
    return make_run(folder / "run", str(folder / "f.npz"))


@pytest.fixture
def blobs(rng):
    labels = rng.integers(3, size=150)
    return 3 * np.eye(3)[labels] + rng.random((150, 3)), labels


def test_wrong_labels_come_first(blobs, rng, tmp_path):
    z, true = blobs
    wrong = rng.choice(150, 8, replace=False)
    labels = true.copy()
    labels[wrong] = (true[wrong] + 1) % 3
    found = suspects(features(tmp_path, labels, z), most=8).table
    assert set(found.column("row")) == set(wrong.tolist())
    assert found.column("suggested") == [str(true[row]) for row in found.column("row")]
    assert (np.diff(found.column("score")) <= 0).all()
    assert all("breaks the guarantee" in reason for reason in found.column("reasons"))


def test_reasons_are_true(tmp_path):
    """A label inside the region of another class, and a copy with another label in another part."""
    corners = np.array([[3.0, 0, 0], [5, 0, 0], [4, 1, 0], [4, 0, 1]])
    train = np.concatenate(
        [corners, np.roll(corners, 1, axis=1), np.roll(corners, 2, axis=1), [[4, 0.2, 0.2]]]
    )
    labels = [*np.repeat([0, 1, 2], 4).tolist(), 1]
    np.savez(
        tmp_path / "f.npz", features_train=train, labels_train=labels,
        features_test=[[5.0, 0, 0], [0, 4, 0.3]], labels_test=[2, 1], weight=np.eye(3), bias=np.zeros(3),
    )  # fmt: skip
    found = suspects(make_run(tmp_path / "run", str(tmp_path / "f.npz")), most=1).table
    train_row, test_row = found.rows
    assert train_row[0] == "train:12"
    assert found.column("reasons")[0] == "in the guaranteed region of 0; breaks the guarantee of 1"
    assert test_row[0] == "test:0"
    assert "near-duplicate of train:" in found.column("reasons")[1]
    assert "in another part" in found.column("reasons")[1]


def test_a_near_duplicate_with_another_label_need_not_be_the_nearest(run_of):
    z = 3 * np.eye(3).repeat(8, axis=0) + np.random.default_rng(0).random((24, 3))
    z[:3] = z[0]
    labels = np.repeat([0, 1, 2], 8)
    labels[2] = 1
    found = suspects(run_of(features=z, labels=labels), 24).table
    reasons = dict(zip(found.column("row"), found.column("reasons"), strict=True))
    for row, other in ((0, "train:2, labelled 1"), (1, "train:2, labelled 1"), (2, ", labelled 0")):
        assert other.replace("train", found.column("split")[0]) in reasons[row]
    assert not any("near-duplicate" in reasons[row] for row in range(3, 24))


def test_label_margins_are_signed_distances(rng):
    head = fg.AffineHead(rng.normal(size=(4, 5)), rng.normal(size=4))
    z = rng.normal(size=(30, 5))
    own = head.classify(z)
    rival, margin = label_margins(z, own, head)
    np.testing.assert_allclose(margin, fg.Cells(head).radius(z).ball, rtol=1e-9, atol=1e-12)
    wrong, negative = label_margins(z, (own + 1) % 4, head)
    assert (negative < 0).all()
    assert (rival != own).all()
    assert (wrong != (own + 1) % 4).all()


def test_hull_ratios_are_of_the_hulls_without_the_sample(blobs, tmp_path):
    z, labels = blobs
    part = seen(features(tmp_path, labels, z), "all")
    ratios = hull_ratio(*hull_distances(part, part, "cpu"))
    for i in range(5):
        mine = (labels == labels[i]) & (np.arange(150) != i)
        own = fg.ConvexHull(part.unit[mine]).project(part.unit[i : i + 1]).distance[0]
        other = fg.ConvexHull(part.unit[labels == part.rival[i]]).project(part.unit[i : i + 1]).distance[0]
        assert ratios[i] == pytest.approx(own / (own + other), abs=0.02)


def test_every_figure_of_a_row(blobs, run_of):
    """Margins, hull ratios, neighbours and the score of all samples, each as it is defined."""
    z, labels = blobs
    labels = np.where(np.arange(150) % 25 == 0, (labels + 1) % 3, labels)
    found = suspects(run_of(features=z, labels=labels), most=150).table
    row = np.array(found.column("row"))
    y, unit = labels[row], z / np.linalg.norm(z, axis=1, keepdims=True)
    margin, ratio, other, score = (
        np.array(found.column(name)) for name in ("label margin", "hull ratio", "other neighbours", "score")
    )
    rivals = np.where(np.eye(3, dtype=bool)[labels], -np.inf, z)
    rival = rivals.argmax(axis=1)[row]
    np.testing.assert_allclose(margin, (z[row, y] - z[row, rival]) / np.sqrt(2), atol=1e-12)
    for k in range(0, 150, 7):
        i = row[k]
        nearest = [j for j in np.argsort(-(unit @ unit[i]), kind="stable") if j != i][:15]
        assert other[k] == np.mean(labels[nearest] != y[k])
        assert found.column("nearest other")[k] == f"all:{nearest[0]}"
        own, theirs = (
            fg.ConvexHull(unit[(labels == c) & (np.arange(150) != i)]).project(unit[[i]]).distance[0]
            for c in (y[k], rival[k])
        )
        assert ratio[k] == pytest.approx(own / (own + theirs), abs=0.02)

    def higher(values):
        return np.array([((values > v).sum() + (values == v).sum() / 2) / 150 for v in values])

    together = higher(-margin) * higher(ratio) * higher(other)
    np.testing.assert_allclose(score, 1 - together ** (1 / 3))
    assert len(set(other)) > 3


def test_what_lies_in_both_hulls_is_nearer_to_neither(run_of):
    """Copies with another label are at distance zero from both hulls, whatever rounding leaves of it."""
    z = np.array([2.0, 0]) + np.random.default_rng(1).random(
        (12, 2)
    )  # two classes, each the rival of the other
    run = run_of(features=np.tile(z, (4, 1)), labels=np.repeat([0, 1, 0, 1], 12))
    assert suspects(run, most=48).table.column("hull ratio") == [0.5] * 48


@pytest.mark.parametrize("kind", [GuaranteedHull, HullMembership])
def test_a_region_is_named_only_where_its_claims_hold(tmp_path, monkeypatch, kind):
    z = np.concatenate([4 * np.eye(3)[[c]] + np.eye(3) for c in range(3)] + [[[4.5, 0.25, 0.25]]])
    run = features(tmp_path, [*np.repeat([0, 1, 2], 3).tolist(), 1], z)

    def said():
        found = suspects(run, 10).table
        return dict(zip(found.column("sample"), found.column("reasons"), strict=True))["all:9"]

    assert said() == "in the guaranteed region of 0; breaks the guarantee of 1"
    monkeypatch.setattr(kind, "decide", lambda self, i: (Status.UNDECIDED, "on purpose"))
    monkeypatch.setattr(kind, "screened", lambda self: np.zeros(len(self), bool))
    assert said() == "breaks the guarantee of 1"


def test_classes_of_equal_rows_have_their_margin_at_zero_or_nowhere():
    z, labels = np.array([[3.0, 0], [3, 0], [3, 0]]), np.array([0, 1, 2])
    tied = fg.AffineHead([[1.0, 0], [1, 0], [0, 1]])
    rival, margin = label_margins(z, labels, tied)
    assert (rival[:2].tolist(), margin.tolist()) == ([1, 0], pytest.approx([0, 0, -3 / np.sqrt(2)]))
    ordered = fg.AffineHead([[1.0, 0], [1, 0], [0, 1]], [1.0, 0, 0])
    assert label_margins(z, labels, ordered)[1] == pytest.approx([4 / np.sqrt(2), -np.inf, -4 / np.sqrt(2)])


def test_margins_take_blocks_and_no_table_of_all_rows(monkeypatch, rng):
    head = fg.AffineHead(rng.normal(size=(7, 5)), rng.normal(size=7))
    z, labels = rng.normal(size=(50, 5)), rng.integers(7, size=50)
    whole = label_margins(z, labels, head)
    monkeypatch.setattr("featgeom.regions.margins.BLOCK_ENTRIES", 64)
    for one, other in zip(whole, label_margins(z, labels, head), strict=True):
        np.testing.assert_allclose(one, other)
    wide = fg.AffineHead(rng.normal(size=(300, 512)))
    tracemalloc.start()
    label_margins(rng.normal(size=(40, 512)), rng.integers(300, size=40), wide)
    assert tracemalloc.get_traced_memory()[1] < 20e6  # 300 · 300 · 512 numbers are 369 MB
    tracemalloc.stop()


def test_neighbours_are_the_same_whatever_the_blocks(digits_run, monkeypatch):
    training = seen(digits_run, "train")
    for part in (training, seen(digits_run, "test")):
        index, cosine = neighbours(training, part)
        monkeypatch.setattr("featgeom.answers.label_views.ASKED", 100)
        again = neighbours(training, part)
        np.testing.assert_allclose(again[1], cosine, atol=1e-5)
        assert (again[0] == index).mean() > 0.99  # but for equals and what rounding swaps
        monkeypatch.undo()
    assert cosine.shape == (500, 15)


def test_features_of_zeros_are_near_duplicates_of_nothing(run_of):
    """Units of a last ReLU may all be off for some images, which says nothing of them."""
    z = np.array([[0, 0], [0, 0], [1, 0], [1, 1e-9], [0, 2], [0, 3]], float)
    table = suspects(run_of(features=z, labels=[0, 1, 0, 1, 0, 1])).table
    reasons = dict(zip(table.column("row"), table.column("reasons"), strict=True))
    assert {row for row, words in reasons.items() if "near-duplicate" in words} == {2, 3, 4, 5}


def test_a_part_of_one_sample_has_no_neighbours(run_of):
    run = run_of(
        features_train=[[3.0, 0, 0]], labels_train=[0],
        features_test=[[3.0, 0.5, 0], [0, 2, 0]], labels_test=[0, 0],
    )  # fmt: skip
    found = suspects(run).table
    assert found.column("sample") == ["train:0", "test:1", "test:0"]
    assert found.column("nearest other") == ["", "train:0", "train:0"]
    assert found.column("other neighbours") == [0, 0, 0]
    assert found.column("suggested") == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("neighbours", "suggested"),
    [
        ([2] * 6 + [1] * 2 + [0] * 2, 2),  # most neighbours, and not the rival 1
        ([2] * 4 + [1] * 4 + [0] * 2, 1),  # of as many the rival
        ([0] * 10, 1),
        ([], 1),
        ([2, 3, 0], 2),
    ],
)
def test_the_class_of_most_neighbours_is_suggested(neighbours, suggested):
    assert _suggested(np.array(neighbours, np.int64), label=0, rival=1) == suggested


def test_names_with_blanks_survive_the_page(run_of, chromium, tmp_path):
    names = [" b ", "b  b", "a\tc"]
    z = 3 * np.eye(3).repeat(12, axis=0) + np.random.default_rng(0).random((36, 3))
    run = run_of(features=z, labels=[1, *np.repeat([0, 1, 2], 12)[1:]], classes=names)
    assert run.classes == tuple(names)
    found = suspects(run, 3)
    path = tmp_path / "page.html"
    path.write_text(suspects_page(run, found))
    page = chromium.new_page(accept_downloads=True)
    page.goto(path.as_uri())
    for _ in found.table.rows:
        page.keyboard.press("r")
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    read = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
    assert [row["label"] for row in read] == found.table.column("label")
    assert [row["new_label"] for row in read] == found.table.column("suggested")
    assert " b " in found.table.column("suggested")
    page.close()


def test_what_it_refuses(digits_run):
    with pytest.raises(BadArgument, match="most"):
        suspects(digits_run, 0)


@pytest.fixture(scope="module")
def found(digits_run):
    return suspects(digits_run, 3)


def test_the_page_is_gone_through_by_keyboard(digits_run, found, chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(suspects_page(digits_run, found))
    page = chromium.new_page(viewport={"width": 360, "height": 800}, accept_downloads=True)
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    for key in ("ArrowDown", "k", "r", "d", "r", "ArrowUp", "u"):
        page.keyboard.press(key)
    assert "3 of 6 decided" in page.locator("#count").inner_text()
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    read = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
    names, labels, suggested = (found.table.column(c) for c in ("sample", "label", "suggested"))
    assert [row["decision"] for row in read] == ["keep", "relabel", "drop"]
    assert [row["sample"] for row in read] == names[:3]
    assert [row["label"] for row in read] == labels[:3]
    assert [row["new_label"] for row in read] == ["", suggested[1], ""]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
    assert said == []
    page.close()


def test_the_command(digits_run, tmp_path, capsys):
    out = tmp_path / "out"
    assert featgeom(["suspects", str(digits_run.folder), "--most", "3", "-o", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    said = result["suspects"]
    read = list(csv.DictReader(io.StringIO((out / "suspects.csv").read_text())))
    assert [row["sample"] for row in read] == [row["sample"] for row in said]
    assert len(said) == 6
    assert {path.name for path in out.iterdir()} == {"suspects.csv", "suspects.html", "duplicates.csv"}
    pairs = list(csv.DictReader(io.StringIO((out / "duplicates.csv").read_text())))
    assert [pair["A"] for pair in pairs] == [pair["A"] for pair in result["duplicates"]]
    assert result["duplicates_counted"]["pairs"] > len(pairs) == 1000


def test_what_lies_farther_out_than_its_class_is_called_extreme(run_of):
    """By its rank among the samples of its part with its label, each beside the hull of the others."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 120)
    z = 5 * np.eye(4)[labels] + rng.random((240, 4))
    z[7], z[8] = [5, 0, 4, 0], [5, 0, 0, 3.5]
    asked = 5 * np.eye(4)[labels[:120]] + rng.random((120, 4))
    asked[3] = [5, 0, 5, 5]
    run = run_of(features_train=z, labels_train=labels, features_test=asked, labels_test=labels[:120])
    found = suspects(run, 240).table
    reasons = dict(zip(found.column("sample"), found.column("reasons"), strict=True))
    out = dict(zip(found.column("sample"), found.column("as far out"), strict=True))
    assert (out["train:7"], out["test:3"]) == (1 / 120, 1 / 120)
    assert "extreme in 0: none of the other 119 samples of train lies as far out" in reasons["train:7"]
    assert "extreme in 0: none of the other 119 samples of test lies as far out" in reasons["test:3"]
    assert out["train:8"] == 2 / 120
    assert "extreme" not in reasons["train:8"]  # beyond the hundredth of 120
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    own = np.array(
        [
            fg.ConvexHull(unit[(labels == labels[i]) & (np.arange(240) != i)]).project(unit[[i]]).distance[0]
            for i in range(240)
        ]
    )
    for i in range(0, 240, 17):
        mine = own[labels == labels[i]]
        assert out[f"train:{i}"] == pytest.approx((mine >= own[i]).mean(), abs=2 / 120)


def test_few_samples_are_never_called_extreme(blobs, run_of):
    z, labels = blobs  # fifty of each class: none is rarer than one in a hundred
    z[0] = [9, 9, 0]
    assert not any(
        "extreme" in reason
        for reason in suspects(run_of(features=z, labels=labels), 150).table.column("reasons")
    )


def test_equals_are_as_far_out_as_each_other():
    np.testing.assert_array_equal(as_far_out(np.zeros(100), np.zeros(100, int)), np.ones(100))
    assert as_far_out(np.arange(100.0), np.zeros(100, int))[-1] == 0.01  # not a rounding more
