"""Laws of training: reproducible, resumable, and what it leaves behind."""

import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import featgeom as fg
from featgeom.errors import BadArgument, BadCheckpoint
from featgeom.training import loop
from featgeom.training.augmentation import shift_and_flip
from featgeom.training.losses import LOSSES, log_of_mean_cross_entropy
from featgeom.training.optimisers import OPTIMISERS
from featgeom.training.schedule import log_spaced


def contents(run):
    files = [
        *sorted(run.folder.glob("step-*.safetensors")),
        run.folder / "history.json",
        run.folder / "state.pt",
    ]
    return {file.name: file.read_bytes() for file in files}


def test_the_same_call_gives_the_same_bytes(tmp_path):
    first = fg.train("digits", tmp_path / "a", steps=30)
    second = fg.train("digits", tmp_path / "b", steps=30)
    other = fg.train("digits", tmp_path / "c", steps=30, seed=1)
    assert contents(first) == contents(second)
    assert first.last.read_bytes() != other.last.read_bytes()


def test_it_leaves_the_callers_torch_as_it_was(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    fg.train("digits", tmp_path, steps=2)
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("sift", [0, 3])
@pytest.mark.parametrize("optimiser", sorted(OPTIMISERS))
def test_stopped_anywhere_it_ends_the_same(tmp_path, monkeypatch, optimiser, sift):
    changes = {"steps": 40, "optimiser": optimiser, "rate": 0.01, "sift": sift}
    whole = fg.train("digits", tmp_path / "whole", **changes)
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    advance = loop.Session.advance

    def stop_at_25(session):
        if session.step == 25:
            raise KeyboardInterrupt
        advance(session)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Session, "advance", stop_at_25)
        with pytest.raises(KeyboardInterrupt):
            fg.train("digits", tmp_path / "stopped", **changes)
    assert contents(fg.train("digits", tmp_path / "stopped", **changes)) == contents(whole)


SIFTED = {"steps": 60, "cycle": 20, "sift": 7, "optimiser": "adam", "rate": 0.01, "batch": 128}


def test_half_of_each_batch_is_hard_once_samples_are_sifted(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    draw = loop.Session.batch_rows

    def watched(session):
        rows = draw(session)
        seen[session.step] = rows, session.hard
        return rows

    monkeypatch.setattr(loop.Session, "batch_rows", watched)
    monkeypatch.setattr(loop, "losses_of", lambda *_: (torch.arange(1297.0), torch.zeros(1297)))
    fg.train("digits", tmp_path, **SIFTED)
    assert all(not len(seen[step][1]) for step in range(20))
    for step in range(27, 60):
        rows, hard = seen[step]
        assert len(rows) == 128 or step % 11 == 10  # the last batch of an epoch is smaller
        assert (hard == torch.arange(649, 1297)).all()
        assert (rows[-64:] > 648).all()
        assert (rows[:-64] <= 648).any()
        assert len(rows[:-64]) == len(set(rows[:-64].tolist()))


def test_a_training_ends_where_sifting_finds_no_loss_above_the_limit(tmp_path):
    run = fg.train("digits", tmp_path / "long", **(SIFTED | {"steps": 1000}), until=0.05)
    *before, last = run.history
    assert last["worst"] <= 0.05 < before[-1]["worst"]
    assert (last["step"] - 20) % 7 == 0  # between two marks of log t
    assert last["step"] < 1000
    again = fg.train("digits", tmp_path / "long", **(SIFTED | {"steps": 1000}), until=0.05)
    assert again.history == run.history


def test_killed_in_the_middle_it_resumes_to_the_same_bytes(tmp_path):
    command = "import featgeom as fg, sys; fg.train('digits', sys.argv[1], steps=400)"
    process = subprocess.Popen([sys.executable, "-c", command, str(tmp_path / "killed")])
    mark = tmp_path / "killed" / "step-00000100.safetensors"
    deadline = time.monotonic() + 120
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert mark.exists()
    assert not (tmp_path / "killed" / "step-00000400.safetensors").exists()
    resumed = fg.train("digits", tmp_path / "killed", steps=400)
    assert contents(resumed) == contents(fg.train("digits", tmp_path / "whole", steps=400))


def test_a_finished_training_is_returned_as_it_is(tmp_path):
    run = fg.train("digits", tmp_path, steps=20)
    before = {name: os.stat(tmp_path / name).st_mtime_ns for name in contents(run)}
    again = fg.train("digits", tmp_path, steps=20)
    assert again.history == run.history
    assert {name: os.stat(tmp_path / name).st_mtime_ns for name in contents(run)} == before


def test_a_folder_with_another_training_is_refused(tmp_path):
    fg.train("digits", tmp_path, steps=2)
    with pytest.raises(BadArgument, match="another training"):
        fg.train("digits", tmp_path, steps=3)
    with pytest.raises(BadArgument, match="another training"):
        fg.train("digits", tmp_path, steps=2, seed=1)


def test_a_damaged_state_is_named(tmp_path):
    fg.train("digits", tmp_path, steps=2)
    (tmp_path / "state.pt").write_bytes(b"nothing")
    with pytest.raises(BadCheckpoint, match=r"state\.pt"):
        fg.train("digits", tmp_path, steps=2)


def test_every_checkpoint_loads_with_its_own_recipe(tmp_path):
    run = fg.train("digits", tmp_path, steps=10, classes=("3", "8"))
    images = fg.load_images("digits", split="test")
    chosen = images.take((images.labels == 3) | (images.labels == 8))
    for checkpoint in run.checkpoints:
        classifier = fg.load_classifier(checkpoint.path)
        assert classifier.classes == ("3", "8")
    accuracy = np.mean((classifier.logits(chosen).argmax(1) == 1) == (chosen.labels == 8))
    assert accuracy == run.history[-1]["test_accuracy"]


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_goes_down(tmp_path, loss):
    run = fg.train("digits", tmp_path, steps=30, loss=loss, rate=0.002, optimiser="adam")
    assert run.history[-1]["loss"] < run.history[0]["loss"]


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_takes_many_samples_as_it_takes_each(loss):
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    each = [LOSSES[loss](logits[i : i + 1], labels[i : i + 1]) for i in range(6)]
    torch.testing.assert_close(LOSSES[loss](logits, labels), torch.cat(each))


def test_a_loss_that_is_no_number_is_an_error(tmp_path):
    with pytest.raises(BadArgument, match="lower the rate"):
        fg.train("digits", tmp_path, steps=20, loss="squared", rate=1e6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "hinges"}, "did you mean 'hinge'"),
        ({"optimiser": "adamw"}, "did you mean 'adam'"),
        ({"steps": 0}, "steps: expected a whole number from 1"),
        ({"rate": float("nan")}, "rate must be"),
        ({"classes": ("3", "eight")}, "no class 'eight'"),
        ({"classes": ("3",)}, "two or more"),
        ({"arch": "digits_cn"}, "did you mean 'digits_cnn'"),
        ({"images": "digit"}, "did you mean 'digits'"),
    ],
)
def test_wrong_values_are_named(tmp_path, changes, message):
    with pytest.raises(BadArgument, match=message):
        fg.train("digits", tmp_path, **changes)


def test_schedule_is_even_in_the_logarithm():
    marks = log_spaced(10**6, per_decade=3)
    assert marks[0] == 0
    assert marks[-1] == 10**6
    assert list(marks) == sorted(set(marks))
    ratios = np.diff(np.log10([m for m in marks if m >= 100]))
    np.testing.assert_allclose(ratios, 1 / 3, atol=0.01)


def test_normalised_steps_have_the_length_of_the_rate():
    layer = torch.nn.Linear(3, 2)
    before = torch.cat([p.detach().flatten().clone() for p in layer.parameters()])
    optimiser = OPTIMISERS["normalised_gd"](list(layer.parameters()), 0.1, 0.0)
    layer(torch.ones(4, 3)).sum().backward()
    optimiser.step()
    after = torch.cat([p.detach().flatten() for p in layer.parameters()])
    torch.testing.assert_close(torch.linalg.vector_norm(after - before), torch.tensor(0.1))


def test_the_built_in_digits_network_reaches_its_accuracy():
    classifier = fg.load_classifier("digits")
    images = fg.load_images("digits", split="test")
    assert np.mean(classifier.logits(images).argmax(1) == images.labels) >= 0.98
    assert classifier.features(images).min() >= 0
    assert classifier.head.dimension == 32


def test_after_a_cycle_the_network_trains_as_it_is_used_and_stops_where_every_loss_is_small(tmp_path):
    """The rate rises and falls, images are shifted and mirrored; then images and statistics stay."""
    changes = {"classes": ("0", "1"), "arch": "small_resnet", "options": {"width": 2}, "optimiser": "adam"}
    changes |= {"rate": 0.02, "settled": 0.01, "cycle": 30, "shift": 1, "flip": True, "batch": 32}
    run = fg.train("digits", tmp_path / "whole", steps=4_000, until=0.05, per_decade=3, **changes)
    assert run.history[-1]["worst"] <= 0.05 < run.history[-2]["worst"]
    assert run.history[-1]["step"] < 4_000
    assert [c.step for c in run.checkpoints] == [r["step"] for r in run.history]
    assert (
        fg.train("digits", tmp_path / "whole", steps=4_000, until=0.05, per_decade=3, **changes).history
        == run.history
    )
    settled = [fg.load_classifier(c.path).network for c in run.checkpoints if c.step >= 30]
    statistics = [[b for name, b in network.named_buffers() if "running" in name] for network in settled]
    for one, other in itertools.pairwise(statistics):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_shift_moves_images_and_a_flip_mirrors_them():
    x = torch.arange(1.0, 1 + 2 * 3 * 5 * 4).reshape(2, 3, 5, 4).repeat(200, 1, 1, 1)
    moved = shift_and_flip(x, 1, True, np.random.default_rng(0))
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    ways = list(itertools.product(range(3), range(3), (False, True)))
    seen = set()
    for image, before in zip(moved, padded, strict=True):
        tried = {(i, j, flip): before[:, i : i + 5, j : j + 4] for i, j, flip in ways}
        found = [way for way, part in tried.items() if torch.equal(image, part.flip(2) if way[2] else part)]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) == 18


def test_the_logarithm_of_the_loss_has_a_gradient_of_the_same_direction_and_never_underflows():
    labels = torch.tensor([0, 1, 2, 0])
    for scale in (0.1, 3.0, 8.0):
        logits = scale * torch.tensor([[3.0, 1, 0], [0, 2, 1], [0, 1, 4], [2, 1, 0]], dtype=torch.float64)
        gradients = []
        for loss in (lambda z, y: LOSSES["cross_entropy"](z, y).mean(), log_of_mean_cross_entropy):
            z = logits.clone().requires_grad_()
            loss(z, labels).backward()
            gradients.append(z.grad / z.grad.norm())
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)
        value = LOSSES["cross_entropy"](logits, labels).mean().log()
        torch.testing.assert_close(log_of_mean_cross_entropy(logits, labels), value, rtol=1e-6, atol=1e-7)
    z = (1e4 * logits).float().requires_grad_()
    log_of_mean_cross_entropy(z, labels).backward()
    assert z.grad.isfinite().all()
    assert z.grad.norm() > 0.5
