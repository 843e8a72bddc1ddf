"""The first paper's experiments by name: what is trained, on what, and which studies follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from featgeom.data.synthetic import SYNTHETIC
from featgeom.errors import BadArgument, nearest_name
from featgeom.models.reference import ACTIVATIONS
from featgeom.training.losses import LOSSES
from featgeom.training.recipes import CONSTANT


@dataclass(frozen=True)
class Experiment:
    """One experiment of Li, Ding and Gao (arXiv 1808.05385), which becomes one run.

    ``recipe`` is trained, with the fields of ``changes`` replaced: those under ``small`` as well, unless the
    paper's own size is asked for. ``file`` takes the place of a recipe: arrays of features, labels and head,
    in the folder of real data. ``needs`` is what must be in that folder, empty for simulated data.
    ``studies`` are made of the run; the last layer is trained anew for ``retraining`` steps,
    and the head followed along the checkpoints on the images of the split ``followed``.
    """

    name: str
    part: str
    summary: str
    recipe: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    file: str = ""
    needs: str = ""
    retraining: int = 2_000
    followed: str = "train"
    studies: tuple[str, ...] = ("svm", "collapse", "retrain", "maps")

    def fields(self, full: bool) -> dict[str, Any]:
        """The fields of the recipe that are replaced, at the paper's size or the small one."""
        return self.changes if full else merged(self.changes, self.small)


def merged(changes: dict[str, Any], small: dict[str, Any]) -> dict[str, Any]:
    """Both, the network's options joined.

    >>> merged({"rate": 1, "options": {"a": 1}}, {"options": {"b": 2}})
    {'rate': 1, 'options': {'a': 1, 'b': 2}}
    """
    both = changes | small
    if "options" in changes and "options" in small:
        both["options"] = changes["options"] | small["options"]
    return both


SMALL = {"options": {"hidden": 200, "features": 2}, "steps": 1000, "per_decade": 2}
FULL = {"hidden": 2000, "features": 2}
# Rates at which each optimiser trains steadily.
OPTIMISERS = {
    "gd": {"optimiser": "gd", "rate": 0.3},
    "momentum": {"optimiser": "momentum", "rate": 0.05},
    "rmsprop": {"optimiser": "rmsprop", "rate": 0.001},
    "adam": {"optimiser": "adam", "rate": 0.005},
}
# Adam drives the absolute loss into a constant output of 1/2, where its gradient is zero on average.
OTHERWISE = {"absolute": {"optimiser": "gd", "rate": 0.01}}
QUICK = {"batch": 32, "steps": 600, "per_decade": 2, "measured": 1000, "threads": 1}
IMAGES = CONSTANT | QUICK
DENSENET = IMAGES | {"arch": "small_densenet"}

EXPERIMENTS: dict[str, Experiment] = {}


def _add(experiment: Experiment) -> None:
    EXPERIMENTS[experiment.name] = experiment


for _name in SYNTHETIC:
    _add(Experiment(_name, "data", f"simulated data '{_name}'", f"simulated_{_name}", {}, SMALL))
_add(
    Experiment(
        "asymmetric", "data", "two logits that share no hidden units, on two blobs", "simulated_asymmetric",
        {}, {"options": {"first": 150, "second": 50}, "steps": 1000, "per_decade": 2},
        studies=("svm", "retrain", "maps"),
    )
)  # fmt: skip
for _name in LOSSES:
    _add(
        Experiment(
            f"loss_{_name}", "loss", f"two blobs, {_name.replace('_', ' ')} loss", "simulated_blobs",
            {"loss": _name} | OTHERWISE.get(_name, {}), SMALL,
        )
    )  # fmt: skip
for _name, _changes in OPTIMISERS.items():
    _add(
        Experiment(
            f"optimiser_{_name}", "optimiser", f"two blobs, {_name}", "simulated_blobs", _changes, SMALL
        )
    )
for _name in sorted(set(ACTIVATIONS) - {"identity"}):  # which the paper did not try
    _add(
        Experiment(
            f"activation_{_name}", "activation", f"two blobs, {_name.replace('_', ' ')}", "simulated_blobs",
            {"options": FULL | {"activation": _name}}, SMALL,
        )
    )  # fmt: skip
_add(
    Experiment(
        "trap", "theory", "six points on which the two machines differ, and descent on them",
        retraining=20_000,
        studies=("svm", "retrain"),
    )
)  # fmt: skip
_add(
    Experiment(
        "published_mnist3", "images", "the paper's own network on MNIST 0, 1, 2 (published checkpoint)",
        file="features/paper_mnist3.npz", needs="features/paper_mnist3.npz",
    )
)  # fmt: skip
_add(
    Experiment(
        "mnist_two",
        "images",
        "residual net on MNIST 0 and 1",
        "mnist_two",
        {},
        IMAGES,
        needs="mnist",
        retraining=5_000,
        followed="test",
    )
)
_add(
    Experiment(
        "mnist_three", "images", "DenseNet on MNIST 0, 1 and 2", "mnist_three",
        {}, DENSENET | {"options": {"depth": 7, "growth": 8, "features": 2}, "steps": 3000},
        needs="mnist", retraining=30_000, followed="test",
    )
)  # fmt: skip
_add(
    Experiment(
        "cifar10_two", "images", "DenseNet on CIFAR-10 airplane and bird", "cifar10_two",
        {}, DENSENET | {"options": {"depth": 7, "growth": 12, "features": 2}, "steps": 2000}, needs="cifar10",
        followed="test",
    )
)  # fmt: skip
for _name, _title, _retraining in (
    ("mnist_two", "MNIST 0 and 1", 5_000),
    ("mnist_three", "MNIST 0, 1 and 2", 5_000),
    ("cifar10_two", "CIFAR-10 airplane and bird", 2_000),
):
    _add(
        Experiment(
            f"{_name}_limit",
            "limit",
            f"{_title}, until the loss of every training sample is below 1e-4",
            f"{_name}_limit",
            needs=EXPERIMENTS[_name].needs,
            retraining=_retraining,
        )
    )


def find_experiments(names: tuple[str, ...]) -> list[Experiment]:
    """The experiments named, singly or by part; all where none is.

    Raises BadArgument with the nearest name.

    >>> [experiment.name for experiment in find_experiments(("moons", "optimiser"))]
    ['moons', 'optimiser_gd', 'optimiser_momentum', 'optimiser_rmsprop', 'optimiser_adam']
    """
    parts = {experiment.part for experiment in EXPERIMENTS.values()}
    for name in names:
        if name not in EXPERIMENTS and name not in parts:
            near = nearest_name(name, [*EXPERIMENTS, *sorted(parts)])
            raise BadArgument(f"unknown experiment '{name}'{near}")
    return [e for e in EXPERIMENTS.values() if not names or e.name in names or e.part in names]
