"""Write featgeom/models/architectures.txt.gz: names and shapes of networks of timm and torchvision.

    python benchmarks/make_architecture_table.py [--minutes 60]

Networks are built without memory for their weights: torchvision's first, then timm's, the first of a family
before the others; what the time does not suffice for is left out, and said. Run it again with newer versions.
"""

from __future__ import annotations

import argparse
import gzip
import re
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

import featgeom.models
from featgeom.models.matching import TABLE, fingerprint, sketch

SECONDS = 20  # of the processor, for one network; a larger one is left out, and said


def networks() -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """All names of both packages, with what builds each."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):  # beside a torch without torchvision's compiled part
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    models = torchvision.models
    for name in models.list_models(module=models):
        yield f"torchvision:{name}", lambda n=name: models.get_model(n, weights=None)
    import timm

    ranks: Counter[str] = Counter()
    ranked = []
    for name in timm.list_models():
        family = re.split(r"[\d_]", name)[0]
        ranked.append((ranks[family], name))
        ranks[family] += 1
    for _, name in sorted(ranked):
        yield f"timm:{name}", lambda n=name: timm.create_model(n, pretrained=False)


def weightless(build: Callable[[], nn.Module]) -> nn.Module:
    """A network without memory for its weights; with it, where it looks at their values."""
    try:
        with torch.device("meta"):
            return build()
    except (NotImplementedError, RuntimeError):
        return build()


def late(*_: object) -> None:
    """Stop a network that takes too long."""
    raise TimeoutError(f"more than {SECONDS} s")


def main() -> None:
    """Build every network and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    end = time.monotonic() + 60 * parser.parse_args().minutes
    signal.signal(signal.SIGVTALRM, late)
    lines, left = [], 0
    for name, build in networks():
        if time.monotonic() > end:
            left += 1
            continue
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state = weightless(build).state_dict()
        except Exception as error:
            print(f"{name}: left out ({type(error).__name__}: {str(error).splitlines()[:1]})", flush=True)
            continue
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        hashes = fingerprint({key: tuple(value.shape) for key, value in state.items()})
        lines.append(f"{name} {len(hashes)} {''.join(f'{number:08x}' for number in sketch(hashes))}")
    path = Path(featgeom.models.__file__).with_name(TABLE)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
    print(f"{len(lines)} networks, {path.stat().st_size:,} bytes; {left} left out for want of time")


if __name__ == "__main__":
    main()
