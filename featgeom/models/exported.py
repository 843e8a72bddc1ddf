"""Networks that torch.export wrote (.pt2): architecture and weights in one file, no Python needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from featgeom.errors import BadCheckpoint

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch's own switch: a pickle within the file may not run code


def read_exported(path: Path) -> tuple[nn.Module, tuple[int, int, int] | None]:
    """The network in a .pt2 file, layer by layer as it was, and the shape of image it was exported for.

    Pickles inside it are read as plain weights or refused. Raises BadCheckpoint for a file that is damaged,
    that takes more than one input, or that was exported in training mode or for one size of batch.
    """
    try:
        with warnings.catch_warnings(), _plain_weights_only():
            warnings.simplefilter("ignore")
            program = torch.export.load(path)
            module = torch.export.unflatten(program)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise BadCheckpoint(f"{path}: not a program of torch.export, or damaged ({lines[0][:160]})") from None
    inputs = program.graph_signature.user_inputs
    if len(inputs) != 1:
        raise BadCheckpoint(
            f"{path}: the exported program takes {len(inputs)} inputs, not one batch of images"
        )
    node = next(node for node in program.graph.nodes if node.name == inputs[0])
    batch, *image = node.meta["val"].shape
    if isinstance(batch, int):
        raise BadCheckpoint(
            f"{path}: exported for batches of exactly {batch}; export it with "
            "dynamic_shapes=({0: torch.export.Dim('n')},)"
        )
    if len(image) != 3:
        raise BadCheckpoint(f"{path}: takes inputs of {1 + len(image)} dimensions, not images (n, c, h, w)")
    fixed = all(isinstance(length, int) for length in image)
    _check_evaluation(path, module, tuple(length if isinstance(length, int) else 32 for length in image))
    return module, (image[0], image[1], image[2]) if fixed else None


def _check_evaluation(path: Path, module: nn.Module, shape: tuple[int, ...]) -> None:
    """In training mode an image's logits change from pass to pass, or with the images beside it."""
    images = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            whole, again, part = module(images), module(images), module(images[:2])
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise BadCheckpoint(f"{path}: does not run on images of {shape} ({lines[0][:160]})") from None
    if not isinstance(whole, torch.Tensor):
        return  # several outputs: the search for the head says what it makes of them
    scale = float(whole.abs().max()) + 1
    if not torch.equal(whole, again) or float((whole[:2] - part).abs().max()) > 1e-3 * scale:
        raise BadCheckpoint(
            f"{path}: an image gets other logits from pass to pass; call model.eval() before torch.export"
        )


@contextmanager
def _plain_weights_only() -> Iterator[None]:
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before
