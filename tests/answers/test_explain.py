"""`featgeom explain`: every figure of an image is what the public verbs say, and what is certified holds."""

import html
import json
import re

import numpy as np
import pytest
from PIL import Image

import featgeom as fg
from featgeom.answers.explain_page import explain_page
from featgeom.answers.explained_words import sentences, to_text
from featgeom.errors import BadArgument
from featgeom.runs.making import make_run
from featgeom_cli.main import run as featgeom


@pytest.fixture(scope="module")
def explained(digits_run):
    return fg.explain(digits_run, ["test:0-3", "train:5"])


def test_figures_are_those_of_the_public_verbs(digits_run, explained):
    test, train = digits_run.features("test"), digits_run.features("train")
    right = train.predictions == train.labels
    for row, found in enumerate(explained[:4]):
        z = test.features[[row]].astype(float)
        own = test.predictions[row]
        flips = fg.flip_points(test.head, z)
        assert found.facts["prediction"] == digits_run.classes[own]
        assert found.facts["boundary"] == pytest.approx(flips.distance[0])
        assert found.facts["rival"] == digits_run.classes[flips.classes[0, 1]]
        hull = fg.ConvexHull(train.features[right & (train.labels == own)])
        assert found.facts["hull"] == pytest.approx(hull.project(z).distance[0], rel=1e-5)
        assert found.facts["guaranteed"] == (found.facts["inside"] == "INSIDE")
        alike = np.flatnonzero((test.predictions == own) & (np.arange(500) != row))
        far = hull.project(test.features[alike].astype(float)).distance
        counted = (1 + (far >= found.facts["hull"] * (1 + 2e-3)).sum()) / (1 + len(far))
        most = (1 + (far >= found.facts["hull"] * (1 - 2e-3)).sum()) / (1 + len(far))
        assert counted <= found.facts["p_calibration"] <= most
        assert all(found.certified.values())


def test_the_mixture_is_the_nearest_point_of_the_hull(digits_run, explained):
    train = digits_run.features("train")
    for row, found in enumerate(explained[:4]):
        weights = np.array([one.value for one in found.mixture])
        assert (np.diff(weights) <= 0).all()
        assert {one.label for one in found.mixture} == {found.facts["prediction"]}
        mixed = weights @ train.features[[one.row for one in found.mixture]].astype(float)
        z = digits_run.features("test").features[row]
        rest = 1 - weights.sum()
        span = np.linalg.norm(train.features, axis=1).max()
        assert np.linalg.norm(mixed - z) == pytest.approx(found.facts["hull"], abs=2 * rest * span + 1e-6)


def test_neighbours_are_the_nearest(digits_run, explained):
    train = digits_run.features("train").features.astype(float)
    apart = np.linalg.norm(train - digits_run.features("test").features[0], axis=1)
    np.testing.assert_allclose([one.value for one in explained[0].neighbours], np.sort(apart)[:6])


def test_a_training_image_is_compared_with_the_others(digits_run, explained):
    found = explained[4]
    assert found.facts["one_of_them"]
    assert found.facts["guaranteed"]  # it spans the guaranteed region
    assert 5 not in [one.row for one in (*found.mixture, *found.neighbours)]
    said = " ".join(text for text, _ in sentences(found, digits_run))
    assert f"the {found.facts['training']} other rightly predicted train features" in said
    assert "with which it spans the guaranteed region" in said


def test_what_is_certified_was_checked(digits_run, monkeypatch):
    from featgeom.certificates.hulls import HullDistance
    from featgeom.status import Status

    monkeypatch.setattr(HullDistance, "decide", lambda self, i: (Status.UNDECIDED, "on purpose"))
    monkeypatch.setattr(HullDistance, "screened", lambda self: np.zeros(len(self), bool))
    (found,) = fg.explain(digits_run, "test:0")
    assert not found.certified["hull"]
    said = dict(sentences(found, digits_run))
    assert [said[text] for text in said if text.startswith("It lies")] == [False]
    assert [said[text] for text in said if "nearest boundary" in text] == [True]


def test_files_arrays_and_samples_say_the_same(digits_run, pictures, explained):
    (file,) = fg.explain(digits_run, [str(pictures / "0.png")])
    array, _ = fg.explain(digits_run, digits_run.images("test").images[:2])
    for other in (file, array):
        assert other.facts["label"] is None
        assert other.facts["prediction"] == explained[0].facts["prediction"]
    assert array.facts["boundary"] == pytest.approx(explained[0].facts["boundary"], rel=1e-5)


def test_a_flip_is_another_class(digits_run):
    (found,) = fg.explain(digits_run, "test:3", flip=True)
    classifier = digits_run.classifier()
    assert classifier.classes[classifier.logits(found.flip[None]).argmax()] == found.facts["flip_class"]
    change = np.linalg.norm(found.flip - digits_run.images("test").images[3])
    assert found.facts["flip"] == pytest.approx(change, rel=1e-4)


def test_features_alone_explain_their_samples(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=60)
    z = 3 * np.eye(3)[labels] + rng.random((60, 3))
    np.savez(tmp_path / "f.npz", features=z, labels=labels, weight=np.eye(3), bias=np.zeros(3))
    run = make_run(tmp_path / "run", str(tmp_path / "f.npz"))
    (found,) = fg.explain(run, "all:7")
    assert found.image is None
    assert found.facts["p_calibration"] is None
    assert "No picture is known" in explain_page(run, [found])
    image = Image.fromarray(np.zeros((8, 8), np.uint8))
    image.save(tmp_path / "a.png")
    with pytest.raises(BadArgument, match="made of features alone"):
        fg.explain(run, str(tmp_path / "a.png"))


def test_more_than_a_page_is_refused(digits_run):
    with pytest.raises(BadArgument, match="1 to 100 images, got 500"):
        fg.explain(digits_run, "test")


def test_the_page_holds_everything_and_loads_nothing(digits_run):
    found = fg.explain(digits_run, ["test:3"], flip=True)
    page = explain_page(digits_run, found)
    assert "script-src 'none'" in html.unescape(page)
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 1 + len(found[0].mixture) + len(found[0].neighbours) + len(found[0].way) + 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert page.count('class="standing proved"') == 1 + sum(p for _, p in sentences(found[0], digits_run))


def test_the_page_stands_on_narrow_and_wide_screens_and_breaks_no_policy(digits_run, chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(explain_page(digits_run, fg.explain(digits_run, ["test:3", "train:5"], flip=True)))
    for width in (340, 1200):
        page = chromium.new_page(viewport={"width": width, "height": 800})
        said = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
        assert said == []
        page.close()


def test_the_command(digits_run, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert featgeom(["explain", str(digits_run.folder), "test:3", "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("test:3\n* The network says 5; its label is 5. [computed]\n")
    assert to_text(fg.explain(digits_run, "test:3")[0], digits_run) in printed
    assert out.exists()
    assert featgeom(["explain", str(digits_run.folder), "test:3", "-o", str(out), "--json", "--quiet"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["report"] == str(out)
    assert said["result"][0]["image"] == "test:3"
    assert featgeom(["explain", str(digits_run.folder), "test:1000"]) == 2
