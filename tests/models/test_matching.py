"""Bare weights tell their architecture where they can, and what they are where they cannot."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.models.architectures import ARCHITECTURES, find_architecture, register
from featgeom.models.matching import (
    UnknownArchitecture,
    facts_of,
    fingerprint,
    known_architectures,
    likeness,
    sketch,
)
from featgeom.models.opening import Opening, open_source
from featgeom.reading.folders import read_contents
from featgeom.remarks import heard
from featgeom_cli.main import run

pytestmark = pytest.mark.usefixtures("torchvision_operators")


def said(path: Path) -> tuple[nn.Module, str, list[str]]:
    lines: list[str] = []
    with heard(lines.append, alone=True):
        opened = open_source(path, Opening())
    return opened.module, opened.arch, lines


def test_a_complete_match_is_taken_and_said(tmp_path: Path) -> None:
    network = find_architecture("cifar_resnet20").build(num_classes=7)
    content = {"state_dict": {f"module.{name}": tensor for name, tensor in network.state_dict().items()}}
    torch.save(content, tmp_path / "w.pth")
    module, arch, lines = said(tmp_path / "w.pth")
    assert arch == "cifar_resnet20"
    assert any("cifar_resnet20 throughout" in line for line in lines)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name])
    assert fg.load_classifier(tmp_path / "w.pth").head.classes == 7


def test_a_network_of_another_package(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torchvision
    network = torchvision.models.shufflenet_v2_x0_5(num_classes=5)
    torch.save({"net": network.state_dict(), "acc": 0.5}, tmp_path / "w.pth")
    assert said(tmp_path / "w.pth")[1] == "torchvision:shufflenet_v2_x0_5"


def deep(activation: type[nn.Module]) -> nn.Module:
    blocks = [nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), activation()) for _ in range(6)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))


def test_networks_that_differ_in_what_weights_do_not_tell(tmp_path: Path) -> None:
    torch.save(deep(nn.ReLU).state_dict(), tmp_path / "w.pth")
    known_architectures.cache_clear()
    try:
        register("of_relu", lambda: deep(nn.ReLU))
        register("of_relu_again", lambda: deep(nn.ReLU))
        assert said(tmp_path / "w.pth")[1] == "of_relu"
        known_architectures.cache_clear()
        register("of_tanh", lambda: deep(nn.Tanh))
        with pytest.raises(UnknownArchitecture, match="several architectures fit and compute other things"):
            open_source(tmp_path / "w.pth", Opening())
    finally:
        for name in ("of_relu", "of_relu_again", "of_tanh"):
            ARCHITECTURES.pop(name, None)
        known_architectures.cache_clear()


def test_likeness_puts_the_right_depth_first(tmp_path: Path) -> None:
    for depth in (20, 32, 56):
        torch.save(find_architecture(f"cifar_resnet{depth}").build().state_dict(), tmp_path / "w.pth")
        facts = facts_of(read_contents(tmp_path / "w.pth").named)
        assert facts.matches[0].arch == f"cifar_resnet{depth}"
        assert (facts.head, facts.classes, facts.channels) == ("linear", 10, 3)
    network = find_architecture("cifar_resnet56").build()
    assert facts.parameters == sum(p.numel() for p in network.parameters())


def test_the_table_holds_both_packages() -> None:
    names = known_architectures()
    assert {"torchvision:resnet18", "torchvision:vit_b_16", "timm:convnext_atto", "cifar_resnet20"} <= set(
        names
    )
    one = fingerprint({f"{i}.weight": (i,) for i in range(40)})
    other = fingerprint({f"{i}.weight": (i,) for i in range(20, 60)})
    assert likeness(one, len(one), sketch(one)) == 1
    assert likeness(one, len(other), sketch(other)) < 1


def test_inspect_tells_what_weights_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 6))
    torch.save(network.state_dict(), tmp_path / "w.pth")
    assert run(["inspect", str(tmp_path / "w.pth")]) == 0
    out = capsys.readouterr().out
    assert "982 parameters in 4 tensors, likely head '2' with 6 classes, 3 input channels" in out
    assert "--arch" in out
    assert run(["inspect", str(tmp_path / "w.pth"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["classes"] == 6
    with pytest.raises(BadArgument, match="holds weights alone"):
        fg.load_classifier(tmp_path / "w.pth")
