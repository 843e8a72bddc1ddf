"""Images shifted and mirrored at random as a network learns from them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def shift_and_flip(x: Tensor, shift: int, flip: bool, rng: np.random.Generator) -> Tensor:
    """Each image (n, c, h, w) moved by up to ``shift`` pixels along each axis, and half of them mirrored.

    What moves in from outside is 0, the mean of normalised images.

    >>> x = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> bool((shift_and_flip(x, 0, False, np.random.default_rng(0)) == x).all())
    True
    >>> shift_and_flip(x, 1, True, np.random.default_rng(0)).shape
    torch.Size([1, 1, 2, 2])
    """
    n, _, h, w = x.shape
    padded = torch.nn.functional.pad(x, (shift,) * 4)
    down, right = (torch.from_numpy(rng.integers(0, 2 * shift + 1, n)) for _ in range(2))
    mirrored = torch.from_numpy(rng.random(n) < (0.5 if flip else 0.0))
    rows = down[:, None] + torch.arange(h)
    columns = torch.where(mirrored[:, None], w - 1 - torch.arange(w), torch.arange(w)) + right[:, None]
    which = torch.arange(n)[:, None, None, None]
    channels = torch.arange(x.shape[1])[None, :, None, None]
    places = (
        one.to(x.device) for one in (which, channels, rows[:, None, :, None], columns[:, None, None, :])
    )
    return padded[tuple(places)]
