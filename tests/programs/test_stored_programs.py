"""Networks stored as programs give the features of the network itself, and run no code of their own."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import featgeom as fg
from featgeom.errors import BadCheckpoint, FeatgeomError, Unsupported
from featgeom.programs.operators import ALLOWED, apply

IMAGES = np.random.default_rng(0).random((6, 3, 16, 16), np.float32)
SPEC = fg.PixelSpec((3, 16, 16))


class Plain(nn.Module):
    """Convolutions, pooling, a loop, views with the batch's own size."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.3)
        self.hidden = nn.Linear(6 * 16, 7)
        self.head = nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm(self.first(x))) + x.mean(dim=(1, 2, 3), keepdim=True)
        y = functional.max_pool2d(y, 4)
        y = self.drop(y.reshape(y.size(0), -1))
        y = torch.tanh(self.hidden(y))
        for i in range(3):
            y = y * (1.0 + i)
        return self.head(y)


class Attention(nn.Module):
    """Patches, a class token, layer norms, products of three axes."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.mixed = nn.Linear(8, 24)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], dim=1)
        q, k, v = self.mixed(self.norm(y)).chunk(3, dim=-1)
        y = y + (q @ k.transpose(-2, -1) / 8**0.5).softmax(dim=-1) @ v
        return self.head(functional.gelu(y)[:, 0])


class Several(nn.Module):
    """Branches, a residual sum, pooling to one, a 1 × 1 convolution for a head."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(3, 4, 3, padding=1, groups=1)
        self.right = nn.Sequential(nn.Conv2d(3, 4, 1), nn.SiLU(), nn.GroupNorm(2, 4))
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([self.left(x), self.right(x)], dim=1)
        y = functional.hardswish(y) + functional.interpolate(functional.avg_pool2d(y, 2), scale_factor=2.0)
        return functional.adaptive_avg_pool2d(self.head(y), 1).flatten(1)


class Heads(nn.Module):
    """Torch's own attention, and a list that is changed in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        sizes = [1, 2]
        sizes[0] = x.dim()
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = y + self.attention(y, y, y, need_weights=False)[0] * float(sizes[0])
        return self.head(y.mean(dim=1))


def traced(module: nn.Module, path: Path) -> None:
    torch.jit.trace(module, torch.rand(2, 3, 16, 16), check_trace=False).save(path)


def scripted(module: nn.Module, path: Path) -> None:
    torch.jit.script(module).save(path)


def exported(module: nn.Module, path: Path, batch: int | None = None, core: bool = False) -> None:
    free = None if batch else ({0: torch.export.Dim("n", min=1)},)
    program = torch.export.export(module, (torch.rand(batch or 4, 3, 16, 16),), dynamic_shapes=free)
    torch.export.save(program.run_decompositions() if core else program, path)


FORMS: dict[str, Callable[[nn.Module, Path], None]] = {
    "traced": traced,
    "scripted": scripted,
    "exported": exported,
    "decomposed": lambda module, path: exported(module, path, core=True),
    "for batches of 4": lambda module, path: exported(module, path, batch=4),
    "for one image": lambda module, path: exported(module, path, batch=1),
}


def made(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(3)
    return kind().eval()


def save(form: str, module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        FORMS[form](module, path)
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [Plain, Attention, Several, Heads])
def test_a_program_is_the_network(kind: type[nn.Module], form: str, tmp_path: Path) -> None:
    network = made(kind)
    path = save(form, network, tmp_path / "net.any")
    clf = fg.load_classifier(path, pixels=SPEC)
    whole = fg.load_classifier(network, pixels=SPEC)
    np.testing.assert_allclose(clf.features(IMAGES), whole.features(IMAGES), atol=1e-5)
    np.testing.assert_allclose(clf.logits(IMAGES), whole.logits(IMAGES), atol=1e-5)
    np.testing.assert_allclose(clf.head.weight, whole.head.weight, atol=1e-6)


@pytest.mark.parametrize("kind", [Attention, Heads])
@pytest.mark.parametrize("form", ["scripted", "exported"])
def test_a_program_has_derivatives_and_float64(form: str, kind: type[nn.Module], tmp_path: Path) -> None:
    network = made(kind)
    clf = fg.load_classifier(save(form, network, tmp_path / "net"), pixels=SPEC).to(dtype=torch.float64)
    x = torch.tensor(IMAGES[:2], dtype=torch.float64, requires_grad=True)
    clf.network(x).sum().backward()
    y = torch.tensor(IMAGES[:2], dtype=torch.float64, requires_grad=True)
    network.double()(y).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_sizes_that_programs_say(tmp_path: Path) -> None:
    network = made(Attention)
    for form in ("traced", "exported"):
        assert fg.load_classifier(save(form, network, tmp_path / form)).pixels.shape == (3, 16, 16)
    path = save("scripted", network, tmp_path / "scripted")
    assert fg.load_classifier(path, pixels=SPEC).head.dimension == 8


def rewritten(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    new = path.with_name("evil")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w") as archive:
        for name in old.namelist():
            archive.writestr(name, change(name, old.read(name)))
    return new


CODE = {
    "torch.from_file": "torch.from_file('secret', True, 4)",
    "ops.aten.save": "ops.aten.save(x, 'canary')",
    "a method of a text": "'{0.__class__}'.format(x)",
    "an attribute": "x.__class__",
    "a lambda": "(lambda: x)()",
    "a comprehension": "[y for y in [x]]",
    "an import": "__import__('os').system('touch canary')",
    "open": "open('canary', 'w')",
    "eval": "eval('1')",
    "classes": "__torch__.os.system('touch canary')",
    "terabytes": "torch.zeros([1000000, 1000000])",
    "terabytes by repeating": "torch.repeat(x, [1000000, 1000, 1, 1])",
    "terabytes by strides": "torch.clone(torch.as_strided(x, [1000000, 1000000], [0, 0]))",
    "terabytes by growing": "torch.upsample_nearest2d(x, annotate(Optional[List[int]], None), [1e5, 1e5])",
    "terabytes by joining": "torch.cat(torch.mul([torch.repeat(x, [1000, 1, 1, 1])], 9000))",
    "a million parts": "torch.mul([x], 1000000)",
    "long numbers": "torch.pow(torch.pow(10, 60), 60)",
    "long lists": "torch.list(range(1000000000000))",
    "text a million times": "torch.mul('a' , 10000000000)",
}


@pytest.mark.parametrize("what", CODE)
def test_code_of_an_archive_that_is_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = save("scripted", made(Attention), tmp_path / "net")

    def change(name: str, content: bytes) -> bytes:
        if name.endswith(".py") and b"class Attention" in content:
            lines = content.decode().splitlines()
            place = next(i for i, line in enumerate(lines) if line.endswith("-> Tensor:"))
            lines.insert(place + 1, f"    evil = {CODE[what]}")
            return "\n".join(lines).encode()
        return content

    evil = rewritten(path, change)
    before = set(tmp_path.iterdir())
    with pytest.raises(FeatgeomError) as caught:
        fg.load_classifier(evil, pixels=SPEC)
    assert "\n" not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_set_state_of_an_archive_never_runs(tmp_path: Path) -> None:
    """torch.jit.load would run it, and with it write files."""

    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.flatten(1))

        @torch.jit.export
        def __getstate__(self) -> tuple[Tensor, bool]:
            return self.head.weight, self.training

        @torch.jit.export
        def __setstate__(self, state: tuple[Tensor, bool]) -> None:
            self.training = state[1]
            torch.save(state[0], "canary")

    path = tmp_path / "evil.ts"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.jit.script(Writes()).save(path)
        except Exception:  # this torch cannot make such an archive: make its like by hand
            torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(4, 2))).save(path)
    with pytest.raises(FeatgeomError) as caught:
        fg.load_classifier(rewritten(path, with_state), pixels=fg.PixelSpec((1, 2, 2)))
    assert "\n" not in str(caught.value)
    assert not Path("canary").exists()


def with_state(name: str, content: bytes) -> bytes:
    if name.endswith(".py") and b"class Sequential" in content:
        return (
            content
            + b"\n  def __setstate__(self, state: Tensor) -> NoneType:\n    ops.aten.save(state, 'canary')\n"
        )
    return content.replace(b"Linear\n", b"Nowhere\n") if name.endswith("data.pkl") else content


class Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return open, ("canary", "w")


def test_an_exported_archive_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = save("exported", made(Plain), tmp_path / "net.pt2")

    def change(name: str, content: bytes) -> bytes:
        if name.endswith("model_constants_config.json"):
            opaque = {"path_name": "opaque_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
            return json.dumps({"config": {"evil": opaque}}).encode()
        if name.endswith("model.json"):
            text = content.decode()
            assert '"expr_str"' in text
            start = text.index('"expr_str": "') + len('"expr_str": "')
            end = text.index('"', start)
            return (text[:start] + "__import__('os').mkdir('canary')" + text[end:]).encode()
        return pickle.dumps(Runs()) if name.endswith("sample_inputs/model.pt") else content

    evil = rewritten(path, change)
    with zipfile.ZipFile(evil, "a") as archive:
        archive.writestr("net/data/constants/opaque_0", pickle.dumps(Runs()))
    clf = fg.load_classifier(evil)
    assert clf.head.classes == 4
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"torch.ops.aten.relu.default"', '"torch.ops.aten.from_file.default"', "not among the operators"),
        ('"torch.ops.aten.relu.default"', '"os.system"', "not among the operators"),
        ('"torch.ops.aten.relu.default"', '"torch.ops.higher_order.wrap"', "not among the operators"),
        ('"torch.ops.aten.relu.default"', '"_operator.methodcaller"', "not among the operators"),
        ('"torch.ops.aten.relu.default"', '"math.fsum"', "not among the operators"),
        ('"graph"', '"graf"', "damaged"),
        ('"user_input"', '"custom_obj"', "custom_obj"),
    ],
)
def test_graphs_that_are_refused(before: str, after: str, words: str, tmp_path: Path) -> None:
    path = save("exported", made(Plain), tmp_path / "net.pt2")

    def change(name: str, content: bytes) -> bytes:
        return content.replace(before.encode(), after.encode()) if name.endswith("model.json") else content

    evil = rewritten(path, change)
    with pytest.raises((BadCheckpoint, Unsupported), match=words):
        fg.load_classifier(evil)


def test_the_list_of_operators_holds_nothing_that_reads_or_writes() -> None:
    assert not {
        n for n in ALLOWED if any(word in n for word in ("file", "save", "load", "print", "set_", "import"))
    }
    with pytest.raises(Unsupported, match="not among the operators"):
        apply("resize_", None, [torch.ones(1), [10**12]], {})
    for name in ALLOWED:
        assert hasattr(torch.ops.aten, name), name


def test_weights_of_an_archive_for_an_architecture_named(tmp_path: Path) -> None:
    path = save("traced", fg_network(), tmp_path / "net.pt")
    clf = fg.load_classifier(path, "digits_cnn", pixels=fg.PixelSpec((1, 8, 8)))
    assert clf.arch == "digits_cnn"


def fg_network() -> nn.Module:
    from featgeom.models.reference import digits_cnn

    class Grey(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = digits_cnn()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x[:, :1, :8, :8])

    return Grey().eval()


def test_cut_archives_are_one_line(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for form in ("scripted", "exported"):
        whole = save(form, made(Several), tmp_path / form).read_bytes()
        for place in random.integers(0, len(whole), 25):
            flipped = whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1 :]
            (tmp_path / "flipped").write_bytes(flipped)
            assert said(tmp_path / "flipped") in ("loaded", "one line")
        (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
        assert said(tmp_path / "cut") == "one line"


def said(path: Path) -> str:
    try:
        fg.load_classifier(path, pixels=SPEC)
    except FeatgeomError as error:
        return "one line" if "\n" not in str(error) else str(error)
    return "loaded"
