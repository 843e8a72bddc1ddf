"""Duplicates: all with the same pixels, the nearest in features, whatever the blocks; all are counted."""

import csv
import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image

import featgeom as fg
from featgeom.answers.duplicates import duplicates
from featgeom.answers.near_pairs import near_pairs
from featgeom.answers.suspecting import suspects
from featgeom.answers.suspects_page import suspects_page
from featgeom.errors import BadArgument
from featgeom.remarks import heard
from featgeom.runs.making import make_run
from featgeom_cli.main import run as featgeom


def by_hand(parts, labels, near):
    """Every pair below the threshold, nearest first, by plain loops."""
    z = np.concatenate(parts).astype(float)
    y = np.concatenate(labels)
    part = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    unit = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-300)
    found = [
        (((unit[i] - unit[j]) ** 2).sum() / 2, i, j)
        for i in range(len(z))
        for j in range(i + 1, len(z))
        if 1 - unit[i] @ unit[j] < near
    ]
    across = sum(part[i] != part[j] for _, i, j in found)
    other = sum(y[i] != y[j] and y[i] >= 0 and y[j] >= 0 for _, i, j in found)
    return sorted(found), across, other


@pytest.mark.parametrize("block", [3, 7, 2048])
@pytest.mark.parametrize("most", [4, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_pairs_are_counted_and_the_nearest_kept_whatever_the_blocks(rng, monkeypatch, block, most, dtype):
    monkeypatch.setattr("featgeom.answers.near_pairs.BLOCK", block)
    parts = [rng.random((n, 3)).astype(dtype) for n in (23, 11)]
    labels = [rng.integers(2, size=23), np.full(11, -1)]
    known, across, other = by_hand(parts, labels, 0.02)
    found = near_pairs(parts, labels, [np.arange(23), np.arange(11)], 0.02, most)
    assert (found.count, found.across, found.other) == (len(known), across, other)
    assert len(known) > 10
    assert list(zip(found.first, found.second, strict=True)) == [(i, j) for _, i, j in known[:most]]
    np.testing.assert_allclose(found.distance, [d for d, *_ in known[:most]], rtol=1e-6, atol=1e-12)
    some = near_pairs(parts, labels, [np.arange(0, 23, 2), np.arange(5)], 0.02, 1000)
    chosen = {*range(0, 23, 2), *range(23, 28)}
    assert some.count == sum(i in chosen and j in chosen for _, i, j in known)


def test_a_feature_of_zeros_has_no_direction_and_is_far_from_all():
    z = np.array([[0.0, 0], [0, 0], [1, 0], [1, 1], [5, 0]])
    found = near_pairs([z], [np.zeros(5, int)], [np.arange(5)], 1.5, 20)
    apart = {(i, j): d for i, j, d in zip(found.first, found.second, found.distance, strict=True)}
    assert found.count == len(apart) == 10
    assert all(apart[pair] == 1 for pair in apart if min(pair) < 2)
    assert [apart[2, 4], apart[2, 3]] == pytest.approx([0, 1 - np.sqrt(0.5)])
    assert list(found.distance) == sorted(found.distance)


def test_what_will_take_long_is_said_and_how_to_leave_it_out(monkeypatch, rng):
    z, labels, rows = rng.random((50, 4)), np.zeros(50, int), np.arange(50)
    monkeypatch.setattr("featgeom.answers.near_pairs.BLOCK", 20)
    for long, lines in ((50 * 49 * 2 - 1, 1), (50 * 49 * 2, 0)):
        monkeypatch.setattr("featgeom.answers.near_pairs.LONG", long)
        said = []
        with heard(said.append):
            near_pairs([z], [labels], [rows], 0.1, 10)
        assert len(said) == lines
    monkeypatch.setattr("featgeom.answers.near_pairs.LONG", 0)
    with heard(said.append):
        near_pairs([z], [labels], [rows], 0.1, 10)
    assert "1,225 pairs of 50 features" in said[0]
    assert "--near 0" in said[0]


def test_collapsed_features_are_counted_in_bounded_memory(monkeypatch):
    """A network that gives all images one direction has millions of pairs, of which a few are held."""
    monkeypatch.setattr("featgeom.answers.near_pairs.BLOCK", 512)
    z = np.ones((4000, 8), np.float32)
    z[:3] = [[1, 2, 3, 4, 5, 6, 7, 8], [2, 4, 6, 8, 10, 12, 14, 16], [0] * 8]
    tracemalloc.start()
    found = near_pairs([z], [np.zeros(4000, int)], [np.arange(4000)], 1e-3, 50)
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()
    assert found.count == 3997 * 3996 // 2 + 1  # a feature of zeros has no direction
    assert len(found.first) == 50
    assert (found.distance == 0).all()


@pytest.fixture
def pictures_run(tmp_path, rng):
    """Sixty pictures of noise in two parts and two classes, some of them twice."""
    pixels = rng.integers(256, size=(60, 8, 8), dtype=np.uint8)
    pixels[7] = pixels[3]  # in one part, one label
    pixels[42] = pixels[3]  # and in the other part
    pixels[20] = pixels[12]  # two labels
    for i, image in enumerate(pixels):
        split, c = ("train", "test")[i >= 40], "ab"[(i // 15) % 2]
        place = tmp_path / "data" / split / c / f"{i:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    return make_run(tmp_path / "run", "digits", f"folder:{tmp_path / 'data'}", class_map={"a": "0", "b": "1"})


def test_the_same_pixels_are_found_within_and_across_parts(pictures_run):
    run = pictures_run
    found = duplicates(run, near=0)
    files = {split: [str(f) for f in run.images(split).files] for split in run.splits}
    name = {file.split("/")[-1]: f"{split}:{row}" for split in files for row, file in enumerate(files[split])}
    pairs = set(zip(found.table.column("A"), found.table.column("B"), strict=True))
    assert pairs == {
        (name["03.png"], name["07.png"]), (name["03.png"], name["42.png"]), (name["12.png"], name["20.png"])
    }  # fmt: skip
    assert found.table.column("same pixels") == [True] * 3
    assert found.table.column("pixels apart") == [0] * 3
    assert found.table.column("cosine distance") == [0] * 3
    assert {file.split("/")[-1] for file in found.table.column("image B")} == {"07.png", "42.png", "20.png"}
    assert found.counts == {
        "sets": 2, "samples": 5, "sets_across": 1, "sets_labels": 1,
        "pairs": 0, "pairs_across": 0, "pairs_labels": 0, "left_out": 0, "near_in_pixels": 0,
    }  # fmt: skip
    assert found.summary == (
        "2 sets of images with the same pixels, 5 in all: 1 across parts, 1 with several labels."
    )
    few = duplicates(run, near=0, most=2)
    assert few.table.rows == found.table.rows[:2]
    assert few.summary.endswith("Of each kind the nearest are listed; 1 pair more are not.")


def test_near_pairs_leave_out_what_repeats_another_image(pictures_run):
    found = duplicates(pictures_run, near=2)
    near = [row for row in found.table.rows if not row[5]]
    n = 60 - 3
    assert found.counts["pairs"] == n * (n - 1) // 2 > 1000 - 3
    assert len(near) == 1000
    assert found.counts["left_out"] == found.counts["pairs"] - 1000
    distance = [row[4] for row in near]
    assert distance == sorted(distance)
    repeated = {row[1] for row in found.table.rows if row[5]}
    assert not repeated & {name for row in near for name in row[:2]}
    images = {split: pictures_run.images(split).pixels().astype(float) for split in pictures_run.splits}

    def pixels(sample):
        split, row = sample.split(":")
        return images[split][int(row)]

    for row in near[:20]:
        assert row[6] == pytest.approx(np.linalg.norm(pixels(row[0]) - pixels(row[1])))


def test_images_are_read_once_for_suspects_duplicates_and_the_page(pictures_run, monkeypatch):
    asked, read = [], type(pictures_run).images
    monkeypatch.setattr(
        type(pictures_run), "images", lambda self, split: (asked.append(split), read(self, split))[1]
    )
    suspects_page(pictures_run, suspects(pictures_run, 3, near=1))
    assert asked == ["train", "test"]


def test_the_same_pixels_are_a_reason(pictures_run):
    found = suspects(pictures_run, 60).table
    reasons = dict(zip(found.column("image"), found.column("reasons"), strict=True))
    said = {file.split("/")[-1]: reason for file, reason in reasons.items() if "same pixels" in reason}
    assert set(said) == {"03.png", "07.png", "42.png", "12.png", "20.png"}
    assert ", labelled b" in said["12.png"]
    assert ", labelled a" in said["20.png"]
    assert all("in another part" in said[name] for name in ("03.png", "07.png", "42.png"))


def test_how_many_are_near_in_pixels_too_is_counted(tmp_path, rng):
    """Pictures that differ in one value are near in features and in pixels."""
    pixels = rng.integers(1, 255, size=(40, 8, 8), dtype=np.uint8)
    pixels[20:30] = pixels[:10]
    pixels[20:30, 0, 0] += 1
    images = fg.ImageSet(pixels[:, None], np.arange(40) % 2, ("0", "1"), "made", "all")
    run = make_run(tmp_path / "run", "digits", images)
    run = fg.open_run(tmp_path / "run") if run.held is None else run
    found = duplicates(run, near=2)
    assert (found.counts["sets"], found.counts["near_in_pixels"]) == (0, 10)
    assert "listed 10 are near in pixels, too" in found.summary


def test_features_without_images_are_compared_alone(run_of):
    z = np.eye(3).repeat(4, axis=0) * np.arange(1, 13)[:, None]
    run = run_of(
        features_train=z[::2], labels_train=[0, 0, 1, 1, 2, 2], features_test=z[1::2], labels_test=[0] * 6
    )
    found = duplicates(run)
    assert found.counts["sets"] is None
    assert found.counts["pairs"] == 3 * 6
    assert found.counts["pairs_across"] == 3 * 4
    assert set(found.table.column("same pixels")) == {None}
    assert found.summary.startswith("Not all images were found, unchanged and of one shape")
    for near, most in ((-1, 5), (3, 5), (0.1, 0)):
        with pytest.raises(BadArgument):
            duplicates(run, near, most)


def test_images_of_two_shapes_are_not_called_missing(digits_run):
    """Networks that average over pixels take parts of two sizes."""
    images = {
        split: fg.ImageSet(np.zeros((count, 1, n, n), np.uint8), None, ("0",), "made", split)
        for split, count, n in (("train", 1297, 8), ("test", 500, 9))
    }
    found = duplicates(digits_run, images=images)
    assert found.counts["sets"] is None
    assert "of one shape, so pixels were not compared" in found.summary


def test_the_page_and_the_files_show_the_pairs(pictures_run, chromium, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["suspects", str(pictures_run.folder), "-o", str(out), "--near", "1", "--most", "3"]
    assert featgeom(words) == 0
    said = capsys.readouterr().out
    assert "2 sets of images with the same pixels, 5 in all: 1 across parts, 1 with several labels." in said
    assert featgeom([*words, "--json", "--pairs", "2"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert len(result["duplicates"]) == 4
    assert result["duplicates_counted"]["sets"] == 2
    with open(out / "duplicates.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["same pixels"] for row in rows] == ["True", "True", "False", "False"]
    assert [row["A"] for row in rows] == [row["A"] for row in result["duplicates"]]
    page = chromium.new_page(viewport={"width": 360, "height": 800})
    page.goto((out / "suspects.html").as_uri())
    table = page.locator("#duplicates table")
    assert table.locator("tbody tr").count() == 4
    assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#duplicates .scroll").focus()
    page.keyboard.press("k")  # a key of the cards is none of the table
    assert "0 of 6 decided" in page.locator("#count").inner_text()
    page.close()


def test_what_python_has_is_what_the_page_has(digits_run):
    found = suspects(digits_run, 2)
    assert found.duplicates.table.rows == duplicates(digits_run).table.rows
    assert found.duplicates.summary in suspects_page(digits_run, found)
    assert fg.duplicates(digits_run, near=0).table.rows == ()
