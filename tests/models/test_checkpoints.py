"""Every way to store weights gives the same network; every bad file gives one clear line."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, BadCheckpoint, BadData
from featgeom.models.architectures import find_architecture, parse_arguments
from featgeom.models.checkpoints import read_checkpoint

ARCH = "cifar_resnet20"
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32)).astype(np.uint8)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return find_architecture(ARCH).build()


def prefixed(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


NESTINGS = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "epoch": 3, "best_prec1": np.float64(0.9)},
    "model": lambda s: {"model": s, "optimizer": {"state": {0: {"step": torch.ones(1)}}, "param_groups": []}},
    "net": lambda s: {"net": s, "acc": 0.9},
    "nested twice": lambda s: {"model": {"state_dict": s}},
    "module.": lambda s: {"state_dict": prefixed("module.", s)},
    "two prefixes": lambda s: prefixed("_orig_mod.module.", s),
}


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("ending", [".pt", ".pth", ".th"])
def test_same_network_however_nested(network: nn.Module, tmp_path: Path, nesting: str, ending: str) -> None:
    path = tmp_path / f"weights{ending}"
    torch.save(NESTINGS[nesting](network.state_dict()), path, _use_new_zipfile_serialization=ending != ".th")
    clf = fg.load_classifier(path, ARCH)
    assert clf.weights_hash == fg.load_classifier(network, pixels=clf.pixels).weights_hash
    assert clf.residual < 1e-4
    assert not clf.tapped.training


def test_own_checkpoint_needs_no_architecture(network: nn.Module, tmp_path: Path) -> None:
    pixels = find_architecture(ARCH).pixels
    names = tuple("abcdefghij")
    for name in ("one", "two"):
        fg.save_checkpoint(
            tmp_path / f"{name}.safetensors", network, ARCH, {"num_classes": 10}, pixels, names
        )
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    clf = fg.load_classifier(tmp_path / "one.safetensors")
    assert (clf.arch, clf.pixels, clf.classes) == (ARCH, pixels, names)


def test_number_of_classes_is_taken_from_the_checkpoint(tmp_path: Path) -> None:
    torch.save(find_architecture(ARCH).build(num_classes=7).state_dict(), tmp_path / "seven.pt")
    assert fg.load_classifier(tmp_path / "seven.pt", ARCH).head.classes == 7


class Runs:
    """A pickle of this calls a function when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never be printed",)


def write_bad_files(folder: Path, state: dict[str, torch.Tensor]) -> dict[str, str]:
    """Bad files by name, with a piece of the line that each must give."""
    (folder / "empty.pth").touch()
    (folder / "text.pth").write_text("these are not weights\n")
    (folder / "code.pth").write_bytes(pickle.dumps({"state_dict": Runs()}))
    save_file(state, folder / "whole.safetensors")
    whole = (folder / "whole.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:-1000])
    (folder / "head_only.safetensors").write_bytes(whole[:20])
    torch.save(state, folder / "whole.pt")
    (folder / "cut.pt").write_bytes((folder / "whole.pt").read_bytes()[:-5000])
    torch.save({"epoch": 3}, folder / "none.pt")
    torch.save([1, 2], folder / "list.pt")
    bad = {k: v.clone() for k, v in state.items()}
    bad["linear.weight"][0, 0] = float("nan")
    torch.save(bad, folder / "nan.pt")
    (folder / "folder.pt").mkdir()
    return {
        "missing.pth": "no such file",
        "folder.pt": "a folder with no checkpoint alone in it; it has nothing",
        "empty.pth": "empty",
        "text.pth": "not a PyTorch checkpoint",
        "code.pth": "no weights found; it holds builtins.print",
        "cut.safetensors": "truncated",
        "head_only.safetensors": "truncated",
        "cut.pt": "truncated",
        "none.pt": "no weights found",
        "list.pt": "no weights found",
        "nan.pt": "1 of 640 weights in 'linear.weight' are NaN",
    }


def test_bad_files(network: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, piece in write_bad_files(tmp_path, network.state_dict()).items():
        with pytest.raises(BadCheckpoint) as caught:
            fg.load_classifier(tmp_path / name, ARCH)
        line = str(caught.value)
        assert piece in line, name
        assert name in line
        assert "\n" not in line
    assert capsys.readouterr().out == ""


def test_wrong_architecture_lists_keys_with_the_nearest(network: nn.Module, tmp_path: Path) -> None:
    torch.save(find_architecture("cifar_resnet32").build().state_dict(), tmp_path / "r32.pt")
    with pytest.raises(BadCheckpoint, match=r"60 unexpected: 'layer1\.3\..*nearest: 'layer1\..*52 more"):
        fg.load_classifier(tmp_path / "r32.pt", ARCH)
    state = network.state_dict()
    state["fc.weight"], state["conv1.weight"] = state.pop("linear.weight"), torch.zeros(16, 1, 3, 3)
    torch.save(state, tmp_path / "renamed.pt")
    with pytest.raises(BadCheckpoint) as caught:
        fg.load_classifier(tmp_path / "renamed.pt", ARCH)
    line = str(caught.value)
    assert "1 missing: 'linear.weight'" in line
    assert "1 unexpected: 'fc.weight'" in line
    assert "'conv1.weight' (16, 1, 3, 3), wanted (16, 3, 3, 3)" in line


def test_wrong_number_of_classes(tmp_path: Path) -> None:
    (tmp_path / "fixed.py").write_text(
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(16, 10))\n"
    )
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(16, 7)).state_dict(), tmp_path / "seven.pt")
    with pytest.raises(
        BadCheckpoint, match="wrong number of classes: the checkpoint has 7, the architecture 10"
    ):
        fg.load_classifier(tmp_path / "seven.pt", f"{tmp_path}/fixed.py:net")
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(16, 10)).state_dict(), tmp_path / "ten.pt")
    pixels = fg.PixelSpec((1, 4, 4))
    with pytest.raises(BadArgument, match="3 names for a head of 10 classes"):
        fg.load_classifier(tmp_path / "ten.pt", f"{tmp_path}/fixed.py:net", classes="abc", pixels=pixels)


def test_unknown_names(network: nn.Module, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "w.pt")
    (tmp_path / "arch.py").write_text(
        "def build_network():\n    return 1\ndef fails():\n    raise KeyError('k')\n"
    )
    (tmp_path / "broken.py").write_text("import no_such_module_at_all\n")
    cases = {
        "cifar_resnt20": "did you mean 'cifar_resnet20'",
        f"{tmp_path}/none.py:f": "no such file",
        f"{tmp_path}/arch.py": "say which function",
        f"{tmp_path}/arch.py:build_netwrk": "did you mean 'build_network'",
        f"{tmp_path}/arch.py:build_network": "returned a int, not a torch.nn.Module",
        f"{tmp_path}/arch.py:fails": "raised KeyError: 'k'",
        f"{tmp_path}/broken.py:f": "raised ModuleNotFoundError",
    }
    for arch, piece in cases.items():
        with pytest.raises(BadArgument) as caught:
            fg.load_classifier(tmp_path / "w.pt", arch)
        assert piece in str(caught.value), arch
    torch.save(nn.Linear(4, 2).state_dict(), tmp_path / "alone.pt")
    with pytest.raises(BadArgument, match="holds weights alone"):
        fg.load_classifier(tmp_path / "alone.pt")
    with pytest.raises(BadCheckpoint, match="neither a checkpoint file"):
        fg.load_classifier("digitz")
    (tmp_path / "w.ckpt").write_text("x")
    with pytest.raises(BadCheckpoint, match="not a PyTorch checkpoint"):
        read_checkpoint(tmp_path / "w.ckpt")


def package(root: Path, width: int) -> Path:
    """A package whose network is made of a layer that it imports relatively."""
    (root / "nets" / "vision").mkdir(parents=True)
    for folder in ("nets", "nets/vision"):
        (root / folder / "__init__.py").write_text("")
    (root / "nets" / "parts.py").write_text(
        f"from torch import nn\ndef last():\n    return nn.Linear({width}, 3)\n"
    )
    (root / "nets" / "vision" / "model.py").write_text(
        "from torch import nn\nfrom ..parts import last\n"
        "def net():\n    return nn.Sequential(nn.Flatten(), last())\n"
    )
    return root / "nets" / "vision" / "model.py"


def test_a_file_of_a_package_may_import_relatively(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).state_dict(), tmp_path / "w.pt")
    file = package(tmp_path / "one", 16)
    assert (
        fg.load_classifier(tmp_path / "w.pt", f"{file}:net", pixels=fg.PixelSpec((1, 4, 4))).head.classes == 3
    )
    other = package(tmp_path / "two", 9)  # the same file beside other parts
    with pytest.raises(BadCheckpoint, match="of another shape"):
        fg.load_classifier(tmp_path / "w.pt", f"{other}:net")
    (tmp_path / "one" / "nets" / "vision" / "broken.py").write_text("from ..no_such_part import x\n")
    with pytest.raises(BadArgument, match="raised ModuleNotFoundError"):
        fg.load_classifier(tmp_path / "w.pt", f"{file.with_name('broken.py')}:net")


def test_files_in_two_folders_have_each_their_own_neighbours(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).state_dict(), tmp_path / "w.pt")
    found = []
    for folder, gain in (("one", 1.0), ("two", -2.0)):
        (tmp_path / folder / "blocks").mkdir(parents=True)
        (tmp_path / folder / "blocks" / "deep.py").write_text(f"GAIN = {gain}\n")
        (tmp_path / folder / "gains.py").write_text("import blocks.deep\nGAIN = blocks.deep.GAIN\n")
        (tmp_path / folder / "model.py").write_text(
            "from torch import nn\nfrom gains import GAIN\n"
            "class Net(nn.Sequential):\n"
            "    def __init__(self):\n        super().__init__(nn.Flatten(), nn.Linear(16, 3))\n"
            "    def forward(self, x):\n        return super().forward(GAIN * x)\n"
        )
        classifier = fg.load_classifier(
            tmp_path / "w.pt", f"{tmp_path / folder}/model.py:Net", pixels=fg.PixelSpec((1, 4, 4))
        )
        found.append(classifier.features(torch.ones(1, 1, 4, 4)))
    np.testing.assert_allclose(found[1], -2 * found[0])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "words", ["from parts import last", "from nets.parts import last", "from .parts import last"]
)
def test_neighbours_by_every_name_at_once_or_when_the_network_is_made(
    words: str, late: bool, tmp_path: Path
) -> None:
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).state_dict(), tmp_path / "w.pt")
    found = []
    for i, gain in enumerate((1.0, -2.0)):
        folder = tmp_path / str(i) / "nets"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "parts.py").write_text(
            "from torch import nn\nclass Last(nn.Linear):\n"
            f"    def forward(self, x):\n        return super().forward({gain} * x)\n"
            "def last():\n    return nn.Sequential(nn.Flatten(), Last(16, 3))\n"
        )
        imports = f"    {words}\n" if late else ""
        (folder / "model.py").write_text(
            ("" if late else f"{words}\n")
            + ("from . import parts\n" if "." in words else "")
            + f"def net():\n{imports}    return last()\n"
        )
        classifier = fg.load_classifier(
            tmp_path / "w.pt", f"{folder}/model.py:net", pixels=fg.PixelSpec((1, 4, 4))
        )
        found.append(classifier.logits(torch.ones(1, 1, 4, 4)) - classifier.logits(torch.zeros(1, 1, 4, 4)))
    np.testing.assert_allclose(found[1], -2 * found[0], rtol=1e-4)


def test_a_file_that_changes_the_path_of_imports_is_read_like_others(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).state_dict(), tmp_path / "w.pt")
    (tmp_path / "own.py").write_text(
        "import sys\nfrom torch import nn\nsys.path.pop(0)\n"
        "def net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))\n"
    )
    before = list(sys.path)
    fg.load_classifier(tmp_path / "w.pt", f"{tmp_path}/own.py:net", pixels=fg.PixelSpec((1, 4, 4)))
    assert sys.path == before


def test_a_file_that_reads_the_command_line_is_told(tmp_path: Path) -> None:
    torch.save(nn.Linear(4, 2).state_dict(), tmp_path / "w.pt")
    (tmp_path / "script.py").write_text("from torch import nn\nnet = nn.Linear(4, 2)\nraise SystemExit(2)\n")
    for _ in range(2):  # what is half run does not stand for the whole the next time
        with pytest.raises(BadArgument, match="ends the program as it is imported"):
            fg.load_classifier(tmp_path / "w.pt", f"{tmp_path}/script.py:net")
    (tmp_path / "later.py").write_text("def net():\n    raise SystemExit(2)\n")
    with pytest.raises(BadArgument, match="raised SystemExit: 2"):
        fg.load_classifier(tmp_path / "w.pt", f"{tmp_path}/later.py:net")


def test_false_is_false_however_it_is_written(tmp_path: Path) -> None:
    assert parse_arguments("a=False,b=false,c=TRUE,d=none,e=nothing") == {
        "a": False, "b": False, "c": True, "d": None, "e": "nothing",
    }  # fmt: skip


def test_a_folder_called_like_a_built_in_network_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()  # such as a run of it
    monkeypatch.chdir(tmp_path)
    clf = fg.load_classifier("digits")
    assert clf.source == {"path": "digits", "arch": None}  # which loads it again from anywhere
    with pytest.raises(BadCheckpoint, match="a folder with no checkpoint"):
        fg.load_classifier("./digits")
    (tmp_path / "digits").rmdir()
    (tmp_path / "digits").write_text("x")
    with pytest.raises(BadCheckpoint, match="not a PyTorch checkpoint"):
        fg.load_classifier("digits")


def test_grey_images_into_a_colour_network(network: nn.Module, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "w.pt")
    clf = fg.load_classifier(tmp_path / "w.pt", ARCH)
    with pytest.raises(BadData, match="images are 1x32x32, but this classifier takes 3x32x32"):
        clf.features(IMAGES[:, :1])
    with pytest.raises(BadData, match="images are 1x28x28, but this classifier takes 3x32x32"):
        fg.load_classifier(tmp_path / "w.pt", ARCH, probe=np.zeros((2, 1, 28, 28), np.uint8))
    free = fg.load_classifier(network)  # no shape known: the network itself objects
    assert free.pixels.shape is None
    with pytest.raises(BadData, match="cannot take images of 1x32x32"):
        free.features(IMAGES[:, :1])


def test_architectures_of_a_file_may_be_functions_classes_and_networks(tmp_path: Path) -> None:
    (tmp_path / "arch.py").write_text(
        "from torch import nn\n"
        "def net(width, num_classes, depth=1):\n"
        "    head = nn.Linear(width, num_classes)\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(16, width), nn.ReLU(), head)\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, width=5):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 3))\n"
        "made = Net()\n"
        "class Cuda(Net):\n"
        "    def forward(self, x):\n"
        "        return super().forward(x.cuda())\n"
        "class Lazy(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Flatten(), nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(3))\n"
    )
    torch.manual_seed(0)
    made = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3))
    torch.save(made.state_dict(), tmp_path / "w.pt")
    pixels = fg.PixelSpec((1, 4, 4))

    def load(name: str, **args: object) -> fg.Classifier:
        return fg.load_classifier(
            tmp_path / "w.pt", f"{tmp_path}/arch.py:{name}", pixels=pixels, arch_args=args
        )

    for name, args in (("net", {"width": 5}), ("Net", {}), ("made", {}), ("Net", {"width": 5}), ("Lazy", {})):
        np.testing.assert_array_equal(
            load(name, **args).head.weight, made[3].weight.detach().double().numpy()
        )
    with pytest.raises(BadArgument, match="needs width: give --arch-args width="):
        load("net")
    with pytest.raises(BadArgument, match="takes no argument 'widht'; did you mean 'width'"):
        load("Net", widht=5)
    with pytest.raises(BadData, match="cannot take images"):
        load("Cuda")


def test_code_of_a_pickled_network_runs_only_where_it_is_trusted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3))
    torch.save({"net": made}, tmp_path / "w.pt")
    with pytest.raises(
        BadArgument, match=r"class torch\.nn\.modules\.container\.Sequential, whose code is not"
    ):
        fg.load_classifier(tmp_path / "w.pt")
    clf = fg.load_classifier(tmp_path / "w.pt", pixels=fg.PixelSpec((1, 4, 4)), trust_pickle=True)
    np.testing.assert_array_equal(clf.head.weight, made[3].weight.detach().double().numpy())
    torch.save(made.state_dict(), tmp_path / "s.pt")
    with pytest.raises(BadCheckpoint, match="holds no pickled network; weights are read without"):
        fg.load_classifier(tmp_path / "s.pt", trust_pickle=True)
