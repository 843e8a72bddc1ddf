"""Questions that several trainings answer: what each measures, and what the command writes of it."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom import Status
from featgeom.data.sources import load_splits
from featgeom.margins.comparison import joint_margin
from featgeom.papers import alone, attack, forgetting, whole_networks
from featgeom.papers.questions import QUESTIONS, answered, ask
from featgeom.studies.trajectory import trajectory
from featgeom.training.head import train_head
from featgeom_cli.main import run as featgeom_run

SHORT = {"steps": 300, "options": {"hidden": 20, "features": 4}, "per_decade": 1}


@pytest.fixture
def two_settings(monkeypatch):
    monkeypatch.setattr(whole_networks, "BASE", whole_networks.BASE | SHORT)
    some = {name: whole_networks.SETTINGS[name] for name in ("base", "no_bias")}
    monkeypatch.setattr(whole_networks, "SETTINGS", some)


def test_the_command_asks_a_question_and_keeps_the_answer(two_settings, tmp_path, capsys):
    assert featgeom_run(["reproduce", "whole", "-o", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)["result"]
    assert [row["setting"] for row in document["whole"]] == [
        s.words for s in whole_networks.SETTINGS.values()
    ]
    assert "experiments" not in document  # nothing but the question was asked
    kept = answered(tmp_path)
    assert list(kept) == ["whole"]
    drawn = sorted(path.name for path in (tmp_path / "questions").glob("*.svg"))
    assert drawn == ["whole-base.svg", "whole-no_bias.svg"]
    assert kept["whole"].table("whole").column("loss") == [row["loss"] for row in document["whole"]]
    page = (tmp_path / "first-paper.md").read_text("utf-8")
    assert "## Does training the whole network converge to the machine of its own features?" in page
    assert featgeom_run(["reproduce", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["result"]
    assert {name for name, said in listed.items() if said["part"] == "questions"} == set(QUESTIONS)


def test_a_homogeneous_network_tends_to_the_machine_of_its_own_features(tmp_path):
    """As theory has it of networks without bias; nothing of the loss underflows on the way."""
    changes = whole_networks.BASE | {"steps": 1_500, "options": {"hidden": 30, "features": 6, "bias": False}}
    run = fg.train("simulated_blobs", tmp_path, **changes)
    values = trajectory([c.path for c in run.checkpoints], "synthetic:blobs").values
    angles = [angle for angle in values["to augmented"] if angle is not None]
    assert angles[-1] < 3 < 10 < angles[0]
    assert values["margin with bias"][-1] > 0.995
    assert run.history[-1]["loss"] < 1e-45  # float32 has no such number


def test_the_augmented_machine_has_the_most_of_the_margin_with_bias():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    x = 5 * np.eye(3)[y] + rng.normal(size=(60, 3))
    svm = fg.max_margin(x, y, bias="augmented")
    best = fg.AffineHead(svm.weight, svm.bias)
    most = joint_margin(best, x, y)
    own = flat(best)
    for size in (0.01, 0.1, 0.5):
        moved = fg.AffineHead(
            best.weight + size * rng.normal(size=best.weight.shape), best.bias + size * rng.normal(size=3)
        )
        share = joint_margin(moved, x, y) / most
        assert share < 1
        cosine = own @ flat(moved) / np.linalg.norm(own) / np.linalg.norm(flat(moved))
        assert cosine >= share - 1e-6


def flat(head):
    both = np.hstack([head.weight, head.bias[:, None]])
    return (both - both.mean(axis=0)).ravel()


def test_training_alone_is_measured_against_the_whole_network(monkeypatch, tmp_path):
    monkeypatch.setattr(alone, "SEEDS", 6)
    changes = {"options": {"hidden": 20, "features": 4}, "steps": 300}
    monkeypatch.setattr(alone, "TASKS", {"blobs": ("simulated_blobs", changes)})
    monkeypatch.setattr(alone, "STEPS", 300)
    table = ask(QUESTIONS["alone"], tmp_path, None).table("alone")
    rows = {row[1]: row for row in table.rows}
    assert rows["standard machine"][5] < 1e-9  # it halves every gap
    assert rows["whole network"][8] is None
    for row in rows.values():
        assert row[3] <= row[2] <= row[4] <= 1
        assert row[6] <= row[5] <= row[7]
        assert row[8] is None or row[8] + row[9] <= 6


def test_a_second_task_is_learned_at_the_cost_of_the_first_and_old_samples_protect_it():
    memories, kept = forgetting.forget(0, steps=120)
    assert memories["before"].support == memories["before"].apart == 1
    assert memories["before"].test > 0.9
    assert memories["nothing"].test < 0.2
    for way in ("support vectors", "as many at random"):
        assert memories[way].test > memories["nothing"].test
    assert memories["support vectors"].support > memories["nothing"].support
    assert 0 < kept < 100


def test_flips_of_a_network_whose_features_are_pixels_move_along_the_normal():
    """Away from black and white, the closest flip of a linear network is straight along the head's normal."""
    rng = np.random.default_rng(0)
    parts = load_splits("digits")
    x, y = parts["train"].pixels().reshape(-1, 64), parts["train"].labels
    head = train_head(x, y, steps=3_000, method="accelerated_gd").last
    layer = nn.Linear(64, 10)
    network = nn.Sequential(nn.Flatten(), nn.Identity(), layer).double()
    layer.weight.data[:] = torch.from_numpy(head.weight / np.linalg.norm(head.weight))
    layer.bias.data[:] = torch.from_numpy(head.bias / np.linalg.norm(head.weight))
    classifier = fg.load_classifier(network.float(), pixels=fg.PixelSpec((1, 8, 8), (-9.0, 9.0)))
    images = parts["test"].pixels()[:20]
    flips = fg.pixel_flips(classifier, images)
    assert (flips.status == Status.SOLVED).all()
    a, b = flips.classes.T
    moved = (flips.images - images).reshape(20, -1)
    normal = head.weight[b] - head.weight[a]
    assert attack.between_lines(moved, normal).max() < 3
    assert np.median(attack.between_lines(rng.normal(size=moved.shape), normal)) > 70


def test_the_attack_is_measured_on_what_is_there(monkeypatch, tmp_path):
    monkeypatch.setattr(attack, "SAMPLES", 8)
    table = ask(QUESTIONS["attack"], tmp_path, None).table("attack")
    assert set(table.column("network")) == {"digits"}  # no folder of real data was named
    assert table.note.endswith("no checkpoint of it: LeNet-5; LeNet-5, adversarial.")
    rows = {row[3]: row for row in table.rows}
    assert rows["the machine's normal"][4] < rows["the machine's normal, by noise"][4]
    assert 80 < rows["a random line"][4] < 90
    assert rows["the machine's normal"][1] == 8
