"""An extraction in a process of its own, slow enough to be met in the middle."""

import subprocess
import sys

SCRIPT = """
import os, sys, time
import numpy as np, torch
import featgeom as fg
from featgeom.features import store
from torch import nn

folder, count, seconds, hold = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "hold"

class Slow(nn.Flatten):
    def forward(self, x):
        time.sleep(600 if hold and os.path.exists(f"{folder}/progress.json") else seconds)
        return super().forward(x)

store.BLOCK_ROWS = 64
torch.manual_seed(0)
net = nn.Sequential(Slow(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
rng = np.random.default_rng(0)
images = fg.ImageSet(
    rng.integers(0, 256, (count, 1, 8, 8)).astype(np.uint8), rng.integers(0, 10, count),
    tuple("0123456789"), "noise", "all",
)
clf = fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))
try:
    fg.extract(clf, images, store=folder, batch_size=64)
except fg.errors.FeatgeomError as error:
    sys.exit(str(error))
"""


def extracting(folder, images=1600, seconds=0.0, hold=False):
    """The command of an extraction of so many images, a batch of 64 in so many seconds.

    With ``hold`` it never ends once something is stored.
    """
    return [sys.executable, "-c", SCRIPT, str(folder), str(images), str(seconds), "hold" if hold else "go"]


def extracted(folder, images=1600):
    """Extract to the end, in a process of its own."""
    subprocess.run(extracting(folder, images), check=True)
