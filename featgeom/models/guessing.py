"""The architecture of bare weights, where it follows from their names and shapes."""

from __future__ import annotations

import inspect
from pathlib import Path

import torch
from torch import nn

from featgeom.errors import FeatgeomError
from featgeom.models.architectures import Architecture, find_architecture
from featgeom.models.building import build_with_weights
from featgeom.models.checkpoints import Checkpoint
from featgeom.models.matching import Facts, UnknownArchitecture, facts_of, known_architectures
from featgeom.remarks import remark, unsaid

TELLING = 10  # tensors below the head: fewer fit by chance
TRIED = 6
EQUAL = 1e-4  # of the logits' size


def guess_architecture(path: Path, checkpoint: Checkpoint, key: str | None) -> Architecture:
    """The built-in architecture or that of torchvision which fits throughout, and that is said.

    Of several, it is the first, if all give the same logits.

    Raises UnknownArchitecture, with what the weights tell of themselves, where none fits or several do that
    compute other things.
    """
    facts = facts_of(checkpoint.named)
    fitting = []
    for match in [match for match in facts.matches if match.share == 1][:TRIED]:
        if known_architectures()[match.arch][0] < TELLING or match.arch.startswith("timm:"):
            continue  # networks of timm may have the same weights and other padding: a person is to choose
        try:
            architecture = find_architecture(match.arch)
            if "activation" in inspect.signature(architecture.factory).parameters:
                continue  # which the weights do not tell
            with unsaid():  # what is said of the one taken is enough
                module, _ = build_with_weights(architecture, {}, checkpoint, match.arch, key)
        except FeatgeomError:
            continue
        fitting.append((architecture, module))
    if fitting and _agree([module for _, module in fitting], facts):
        name = fitting[0][0].name
        remark(
            f"{path}: names and shapes are those of {name} throughout, which is taken; --arch names another"
        )
        return fitting[0][0]
    raise UnknownArchitecture(_complaint(path, checkpoint, facts, len(fitting)), facts)


def _complaint(path: Path, checkpoint: Checkpoint, facts: Facts, fitting: int) -> str:
    if fitting:
        return f"{path}: several architectures fit and compute other things: name one of {facts.advice()}"
    if checkpoint.named.networks:
        kind = next(iter(checkpoint.named.networks.values()))
        return (
            f"{path} holds a pickled network of the class {kind}, whose code is not run: name its "
            "architecture with --arch (FILE.py:NAME), or give --trust-pickle"
        )
    return f"{path} holds weights alone ({facts.describe()}): name the architecture: {facts.advice()}"


def _agree(modules: list[nn.Module], facts: Facts) -> bool:
    """Whether all give the same logits on noise."""
    if len(modules) == 1:
        return True
    images = torch.rand(2, facts.channels or 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            first, *others = (module.eval()(images) for module in modules)
            scale = float(first.abs().max())
            return all(float((other - first).abs().max()) <= EQUAL * scale for other in others)
        except Exception:  # one of them does not take such images
            return False
