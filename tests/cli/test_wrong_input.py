"""Each kind of wrong input gives one clear line that names it, and status 2; nothing is left behind."""

import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from featgeom.models.architectures import find_architecture
from featgeom_cli.main import run


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    return find_architecture("cifar_resnet20").build().state_dict()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working folder with some colour and some grey images in it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = np.arange(8) % 4
    np.savez("colour.npz", images=rng.integers(0, 256, (8, 32, 32, 3), np.uint8), labels=labels)
    np.savez("grey.npz", images=rng.integers(0, 256, (8, 32, 32), np.uint8), labels=labels)
    return tmp_path


def refused(words, capsys, *said):
    assert run([*words, "-o", "out"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1, captured.err
    assert "Traceback" not in captured.err
    assert "internal error" not in captured.err
    for word in said:
        assert word in captured.err, captured.err
    assert not os.path.exists("out/report.html")


ARCH = ["--arch", "cifar_resnet20"]
COLOUR = "npz:colour.npz"


def test_missing_file(place, capsys):
    refused(["analyze", "none.pth", COLOUR, *ARCH], capsys, "none.pth")


def test_empty_file(place, capsys):
    (place / "empty.pth").write_bytes(b"")
    refused(["analyze", "empty.pth", COLOUR, *ARCH], capsys, "empty.pth", "empty")


def test_text_named_pth(place, capsys):
    (place / "notes.pth").write_text("these are no weights\n" * 50)
    refused(["analyze", "notes.pth", COLOUR, *ARCH], capsys, "notes.pth")


def test_truncated_safetensors(place, weights, capsys):
    save_file(weights, "net.safetensors")
    whole = (place / "net.safetensors").read_bytes()
    (place / "net.safetensors").write_bytes(whole[: len(whole) // 2])
    refused(["analyze", "net.safetensors", COLOUR, *ARCH], capsys, "net.safetensors")


def test_pickle_with_code(place, capsys):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, ("sprung",))

    torch.save({"state_dict": Trap()}, "trap.pth")
    refused(
        ["analyze", "trap.pth", COLOUR, *ARCH], capsys, "trap.pth", "no weights found; it holds posix.mkdir"
    )
    (place / "plain.pth").write_bytes(pickle.dumps(Trap()))
    refused(["analyze", "plain.pth", COLOUR, *ARCH], capsys, "plain.pth")
    assert not (place / "sprung").exists()


def test_wrong_architecture(place, weights, capsys):
    torch.save(weights, "net.pth")
    refused(["analyze", "net.pth", COLOUR, "--arch", "cifar_resnet32"], capsys, "cifar_resnet32")


def test_unknown_architecture(place, weights, capsys):
    torch.save(weights, "net.pth")
    refused(
        ["analyze", "net.pth", COLOUR, "--arch", "cifar_resnt20"], capsys, "did you mean 'cifar_resnet20'"
    )


def test_wrong_number_of_classes(place, weights, capsys):
    torch.save(weights, "net.pth")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 32, 32, 3), np.uint8)
    np.savez("many.npz", images=images, labels=np.arange(12))
    refused(["analyze", "net.pth", "npz:many.npz", *ARCH], capsys, "10", "classes")


def test_grey_images_into_a_colour_network(place, weights, capsys):
    torch.save(weights, "net.pth")
    assert run(["extract", "net.pth", "npz:grey.npz", *ARCH, "-o", "grey"]) == 0
    assert "net takes colours, so their channel is repeated" in capsys.readouterr().err


def test_nan_weights(place, weights, capsys):
    broken = {name: tensor.clone() for name, tensor in weights.items()}
    next(iter(broken.values())).view(-1)[0] = float("nan")
    torch.save(broken, "net.pth")
    refused(["analyze", "net.pth", COLOUR, *ARCH], capsys, "net.pth", "NaN")


def test_empty_folder_of_images(place, weights, capsys):
    torch.save(weights, "net.pth")
    (place / "images").mkdir()
    refused(["analyze", "net.pth", "folder:images", *ARCH], capsys, "images")


def test_labels_out_of_range(place, weights, capsys):
    torch.save(weights, "net.pth")
    images = np.zeros((3, 32, 32, 3), np.uint8)
    np.savez("bad.npz", images=images, labels=[0, -1, 1])
    refused(["analyze", "net.pth", "npz:bad.npz", *ARCH], capsys, "label")


def test_weights_without_an_architecture(place, weights, capsys):
    named = next(iter(weights))
    torch.save({name: value for name, value in weights.items() if name != named}, "net.pth")
    refused(["analyze", "net.pth", COLOUR], capsys, "architecture", "cifar_resnet20")


def test_weights_that_fit_one_architecture_throughout_are_taken_for_it(place, weights, capsys):
    torch.save(weights, "net.pth")
    assert run(["extract", "net.pth", COLOUR, "-o", "out"]) == 0
    assert "cifar_resnet20" in capsys.readouterr().err


def test_classes_that_cannot_be_told_and_their_map(place, weights, capsys):
    from PIL import Image

    torch.save(weights, "net.pth")
    for level, name in enumerate(("cat", "dog, the")):
        (place / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), (90 * level,) * 3).save(place / "pets" / name / "a.png")
    refused(["analyze", "net.pth", "folder:pets", *ARCH], capsys, "--class-map FILE says which is which")
    (place / "map.csv").write_text('cat,3\n"dog, the",5\n')
    words = ["net.pth", *ARCH, "--class-map", "map.csv"]
    assert run(["extract", *words[:1], "folder:pets", *words[1:], "-o", "pets-run"]) == 0
    assert "3 cat ← cat (1)" in capsys.readouterr().err
    assert run(["inspect", *words, "--images", "folder:pets"]) == 0
    assert "5 dog, the ← dog, the (1)" in capsys.readouterr().err
    chosen = ["--classes", 'cat,"dog, the"']
    assert run(["extract", *words[:1], "folder:pets", *words[1:], *chosen, "-o", "chosen"]) == 0
