"""A run folder that somebody else made runs no code of its own, and asks no network."""

import json
import socket

import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, BadData
from featgeom.files import json_bytes
from featgeom.models import trust
from featgeom.runs.commit import commit
from featgeom_cli.main import run as featgeom

CODE = """
from pathlib import Path
from torch import nn
Path({marker!r}).touch()
def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10))
"""


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Nothing was named before."""
    monkeypatch.setenv(
        "LOCALAPPDATA" if trust.sys.platform == "win32" else "XDG_STATE_HOME", str(tmp_path / "s")
    )
    monkeypatch.setattr(trust, "_named", set())


@pytest.fixture
def made(tmp_path):
    """A run whose network is built by a file, and the mark that this file leaves when it is run."""
    marker = tmp_path / "ran"
    file = tmp_path / "arch.py"
    file.write_text(CODE.format(marker=str(marker)))
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    words = ["extract", str(tmp_path / "net.pth"), "digits", "--arch", f"{file}:net", "--split", "test"]
    assert featgeom([*words, "-o", str(tmp_path / "run"), "--quiet"]) == 0
    assert marker.exists()
    marker.unlink()
    return tmp_path / "run", file, marker


def forget(monkeypatch, tmp_path):
    """As on the machine of somebody else."""
    monkeypatch.setattr(trust, "_named", set())
    for path in (tmp_path / "s").rglob("*.json"):
        path.unlink()
    for name in [name for name in trust.sys.modules if name.startswith("featgeom_user_")]:
        monkeypatch.delitem(trust.sys.modules, name)


def test_a_file_that_was_named_is_run_again_also_by_another_process(made, monkeypatch):
    run, _, marker = made
    monkeypatch.setattr(trust, "_named", set())  # another process knows only what was written down
    assert fg.open_run(run).classifier().head.dimension == 5
    marker.unlink(missing_ok=True)


def test_a_file_that_the_user_did_not_name_is_not_run(made, monkeypatch, tmp_path, capsys):
    run, file, marker = made
    forget(monkeypatch, tmp_path)
    for command in ("flips", "invert", "morph", "planes", "compare"):
        assert featgeom([command, str(run)]) == 2
        assert f"if you trust it, give --arch {file}:net" in capsys.readouterr().err
    assert not marker.exists()
    assert fg.open_run(run, arch=f"{file}:net").classifier().head.classes == 10
    assert marker.exists()


def test_a_file_that_was_edited_is_not_run(made):
    run, file, marker = made
    file.write_text(file.read_text() + "# edited\n")
    for arch in (None, f"{file}:net"):
        with pytest.raises(BadData, match=r"arch\.py: has changed since"):
            fg.open_run(run, arch=arch).classifier()
    assert not marker.exists()


def test_the_same_code_at_another_place_is_not_trusted(made, monkeypatch, tmp_path):
    """It may have other neighbours, which it imports."""
    run, file, marker = made
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere/arch.py"
    other.write_text(file.read_text())
    asked = json.loads((run / "run.json").read_text())
    asked["model"]["source"]["arch"] = f"{other}:net"
    commit(run, "run", {"run.json": json_bytes(asked)})
    with pytest.raises(BadArgument, match="have not named"):
        fg.open_run(run).classifier()
    assert not marker.exists()


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to leave this machine fails the test."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"the network was asked: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_pages_of_a_run_with_a_published_source_ask_no_network(copied, tmp_path, no_network):
    asked = json.loads((copied / "run.json").read_text())
    asked["data"]["source"] = "hf:evil/images"
    asked["model"] |= {
        "arch": "hf:evil/net",
        "arch_sha256": "x",
        "weights_sha256": "0" * 64,
        "pixels": {},
        "head": {},
    }
    asked["model"]["source"] = {"path": "hf:evil/net", "arch": None}
    commit(copied, "run", {"run.json": json_bytes(asked)})
    run = fg.open_run(copied)
    for study in run.studies:
        run.study(study)
    run.report()
    assert featgeom(["view", str(copied), "--html", str(tmp_path / "v.html"), "--quiet"]) == 0


WITH_NEIGHBOUR = """
from torch import nn
from layers import Scaled
def net():
    return nn.Sequential(Scaled(), nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10))
"""
LAYERS = """
from pathlib import Path
from torch import nn
from constants.gain import GAIN
Path({marker!r}).touch()
class Scaled(nn.Module):
    def forward(self, x):
        return GAIN * x
"""


@pytest.fixture
def with_neighbours(tmp_path):
    """A run whose network is built by a file that imports one beside it, and that one of a package."""
    folder, marker = tmp_path / "code", tmp_path / "ran"
    (folder / "constants").mkdir(parents=True)
    (folder / "arch.py").write_text(WITH_NEIGHBOUR)
    (folder / "layers.py").write_text(LAYERS.format(marker=str(marker)))
    (folder / "constants" / "gain.py").write_text("GAIN = 1.0\n")
    net = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    assert featgeom(analysis(tmp_path)) == 0
    marker.unlink()
    return tmp_path / "run", folder, marker


def analysis(place):
    words = ["extract", str(place / "net.pth"), "digits", "--arch", f"{place}/code/arch.py:net"]
    return [*words, "--split", "test", "-o", str(place / "run"), "--quiet"]


@pytest.mark.parametrize("which", ["layers.py", "constants/gain.py"])
def test_a_neighbour_that_was_edited_is_not_run(which, with_neighbours, tmp_path, capsys):
    run, folder, marker = with_neighbours
    assert fg.open_run(run).classifier().head.dimension == 5
    marker.unlink(missing_ok=True)
    (folder / which).write_text((folder / which).read_text().replace("GAIN", "GAIN ") + "# edited\n")
    for arch in (None, f"{folder}/arch.py:net"):
        with pytest.raises(BadData, match=rf"{which}: .*arch\.py imports it, and it has changed since"):
            fg.open_run(run, arch=arch).classifier()
    assert featgeom(["flips", str(run)]) == 2
    assert not marker.exists()
    assert featgeom(analysis(tmp_path)) == 2  # nor are features of both joined
    assert f"({which}, which its architecture imports, differs)" in capsys.readouterr().err


def test_a_neighbour_that_is_gone_or_hides_another_is_told(with_neighbours):
    run, folder, marker = with_neighbours
    (folder / "torch.py").write_text("raise AssertionError\n")
    with pytest.raises(BadData, match=r"torch\.py: .*arch\.py imports it"):
        fg.open_run(run).classifier()
    (folder / "torch.py").unlink()
    (folder / "constants" / "gain.py").unlink()
    with pytest.raises(BadData, match=r"constants/gain\.py: .*arch\.py imports it"):
        fg.open_run(run).classifier()
    assert not marker.exists()


def test_files_that_nothing_imports_may_change(with_neighbours):
    run, folder, _ = with_neighbours
    (folder / "train.py").write_text("raise AssertionError\n")
    assert fg.open_run(run).classifier().head.dimension == 5


def test_runs_that_do_not_tell_of_neighbours_still_open_and_go_on(with_neighbours, tmp_path):
    run, _, _ = with_neighbours
    asked = json.loads((run / "run.json").read_text())
    assert set(asked["model"].pop("arch_files")) == {"layers.py", "constants/gain.py"}
    commit(run, "run", {"run.json": json_bytes(asked)})
    manifest = run / "features" / "test" / "manifest.json"
    kept = json.loads(manifest.read_text())
    del kept["made_from"]["classifier"]["arch_files"]
    manifest.write_text(json.dumps(kept))
    assert fg.open_run(run).classifier().head.dimension == 5
    assert featgeom(analysis(tmp_path)) == 0


def test_features_of_code_that_has_changed_are_not_taken_for_those_of_the_new(with_neighbours, tmp_path):
    _, folder, _ = with_neighbours
    images, arch = fg.load_images("digits", split="test"), f"{folder}/arch.py:net"

    def features():
        clf = fg.load_classifier(tmp_path / "net.pth", arch=arch, pixels=fg.PixelSpec((1, 8, 8)))
        return fg.extract(clf, images, store=tmp_path / "store"), clf

    first, _ = features()
    (folder / "constants" / "gain.py").write_text("GAIN = 3.0\n")
    with pytest.raises(BadData, match=r"constants/gain\.py"):
        features()
    clf = fg.load_classifier(tmp_path / "net.pth", arch=arch, pixels=fg.PixelSpec((1, 8, 8)))
    assert abs(clf.features(images.images).sum()) > 1.5 * abs(first.features.sum())  # in one process, too
