"""Recipes: everything that decides how a reference network is trained, by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from featgeom.data.synthetic import SYNTHETIC
from featgeom.errors import BadArgument, nearest_name
from featgeom.options import MANY, checked_count
from featgeom.training.losses import find_loss
from featgeom.training.optimisers import OPTIMISERS

COUNTS = {
    "batch": (0, MANY),
    "steps": (1, 1_000_000_000),
    "per_decade": (1, 1000),
    "measured": (0, MANY),
    "cycle": (0, 1_000_000_000),
    "shift": (0, 1000),
    "sift": (0, 1_000_000_000),
    "threads": (1, 1024),
}
WIDEST = 1_000_000  # of a network's own numbers


@dataclass(frozen=True)
class Recipe:
    """What to train, on what, and how.

    ``images`` is a source of images, ``classes`` a subset of its classes by name (empty: all), ``arch`` and
    ``options`` the network, ``batch`` the samples a step sees (0: all of them), ``rate`` the learning rate,
    ``per_decade`` the checkpoints for every factor 10 in steps, ``measured`` how many samples of each split,
    from the first on, loss and accuracy are measured on at a checkpoint (0: all of them). ``normalise`` sets
    the classifier's mean and std to those of the training images. ``threads`` is fixed, because sums in
    another order are other bits. ``head_of`` is a checkpoint of the same network of which everything but the
    last layer is kept, and only that layer trained. In the first ``cycle`` steps the rate rises to ``rate``
    and falls to ``settled``, and images are shifted by up to ``shift`` pixels and, with ``flip``, mirrored;
    after them the rate stays at ``settled``, the images are as they are, and batch normalisation keeps the
    statistics that it has. From then on the losses of all training samples are looked at every ``sift`` steps
    (0: never), and half of each batch drawn from those above the mean. ``until`` ends the training at the
    first checkpoint at which no training sample that is measured has a greater loss, or where ``sift`` looks
    and none has (0: never). ``full`` are the fields in which the first paper's own size differs.
    """

    name: str
    summary: str
    images: str
    arch: str
    options: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    normalise: bool = True
    loss: str = "cross_entropy"
    optimiser: str = "momentum"
    rate: float = 0.05
    weight_decay: float = 0.0
    batch: int = 64
    steps: int = 1000
    per_decade: int = 4
    measured: int = 0
    threads: int = 1
    head_of: str = ""
    cycle: int = 0
    settled: float = 0.001
    shift: int = 0
    flip: bool = False
    sift: int = 0
    until: float = 0.0
    full: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        find_loss(self.loss)
        for name, (low, high) in COUNTS.items():
            checked_count(f"recipe {self.name}: {name}", getattr(self, name), low, high)
        for name, value in self.options.items():
            if isinstance(value, int) and not isinstance(value, bool):
                checked_count(f"recipe {self.name}: {name} of the network", value, 1, WIDEST)
        if not 0 < float(self.rate) <= 1e6:
            raise BadArgument(f"recipe {self.name}: rate must be > 0 and at most 1e6, got {self.rate!r}")
        for name in ("weight_decay", "settled", "until"):
            if not 0 <= float(getattr(self, name)) <= 1e6:
                raise BadArgument(f"recipe {self.name}: {name} must be 0 to 1e6, got {getattr(self, name)!r}")
        if self.optimiser not in OPTIMISERS:
            raise BadArgument(
                f"unknown optimiser '{self.optimiser}'{nearest_name(self.optimiser, list(OPTIMISERS))}"
            )

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return {**asdict(self), "classes": list(self.classes)}


RECIPES: dict[str, Recipe] = {}


def add_recipe(recipe: Recipe) -> None:
    """Make a recipe known by its name."""
    RECIPES[recipe.name] = recipe


def find_recipe(name: str, full: bool = False, **overrides: Any) -> Recipe:
    """The recipe of that name, at the first paper's size if ``full``, with some of its fields replaced.

    Raises BadArgument for an unknown recipe or field, with the nearest known name.

    >>> find_recipe("digits", steps=10).steps
    10
    >>> find_recipe("digits", step=10)
    Traceback (most recent call last):
    featgeom.errors.BadArgument: a recipe has no field 'step'; did you mean 'steps'?
    """
    if name not in RECIPES:
        raise BadArgument(f"unknown recipe '{name}'{nearest_name(name, list(RECIPES))}")
    known = [f.name for f in fields(Recipe) if f.name != "full"]
    for key in overrides:
        if key not in known:
            raise BadArgument(f"a recipe has no field '{key}'{nearest_name(key, known)}")
    recipe = RECIPES[name]
    return replace(recipe, **{**(recipe.full if full else {}), **overrides, "full": {}})


add_recipe(
    Recipe(
        name="digits",
        summary="small CNN with 32 non-negative features on scikit-learn's handwritten digits",
        images="digits",
        arch="digits_cnn",
        steps=2000,
    )
)
for _data in SYNTHETIC:
    add_recipe(
        Recipe(
            name=f"simulated_{_data}",
            summary=f"the first paper's 2 → 2,000 → 2 → C network on its simulated data '{_data}'",
            images=f"synthetic:{_data}",
            arch="mlp",
            options={"hidden": 2000, "features": 2},
            optimiser="adam",
            rate=0.005,
            batch=0,
            steps=1000,
            full={"steps": 10_000},
        )
    )
add_recipe(
    Recipe(
        name="simulated_asymmetric",
        summary="the first paper's network whose two logits do not share hidden units, on two blobs",
        images="synthetic:blobs",
        arch="asymmetric",
        optimiser="adam",
        rate=0.001,
        batch=0,
        steps=2000,
    )
)
# One cycle to the paper's test accuracy, then on, as the network is used, until every loss is small.
CYCLE: dict[str, Any] = {
    "optimiser": "adam", "rate": 0.01, "batch": 128, "settled": 0.001, "until": 1e-4, "measured": 0,
}  # fmt: skip
# What the paper did: a constant rate, and nothing to the images.
CONSTANT: dict[str, Any] = {
    "optimiser": "momentum", "rate": 0.02, "batch": 64, "cycle": 0, "shift": 0, "flip": False, "until": 0.0,
    "measured": 2000, "threads": 2,
}  # fmt: skip
DENSENET: dict[str, Any] = {
    "arch": "small_densenet", "options": {"depth": 40, "growth": 12, "features": 2},
}  # fmt: skip
for _name, _title, _changes, _full in (
    (
        "mnist_two",
        "MNIST 0 and 1 (images: mnist:DIR)",
        {"images": "mnist:", "classes": ("0", "1"), "cycle": 400, "shift": 2, "steps": 1_000},
        {"steps": 600},
    ),
    (
        "mnist_three",
        "MNIST 0, 1 and 2 (images: mnist:DIR)",
        {"images": "mnist:", "classes": ("0", "1", "2"), "cycle": 800, "shift": 2, "steps": 1_778},
        {**DENSENET, "steps": 145_791},
    ),
    (
        "cifar10_two",
        "CIFAR-10 airplane and bird (images: cifar10:DIR)",
        {
            "images": "cifar10:", "classes": ("airplane", "bird"), "options": {"width": 16, "features": 2},
            "cycle": 2_000, "shift": 3, "flip": True, "settled": 0.0002, "steps": 3_162,
        },
        {**DENSENET, "steps": 78_657},
    ),
):  # fmt: skip
    add_recipe(
        Recipe(
            **{
                "name": _name,
                "summary": f"residual net with 2 features on {_title}",
                "arch": "small_resnet",
                "options": {"features": 2},
                **CYCLE,
                **_changes,
                "full": {**CONSTANT, **_full},
            }
        )
    )
# Two units that let every gradient through, so that no sample is lost; the hard ones are seen more often.
LIMIT: dict[str, Any] = {
    **CYCLE, "arch": "small_resnet", "batch": 128, "sift": 150, "per_decade": 8, "steps": 10_000,
}  # fmt: skip
LINEAR: dict[str, Any] = {"features": 2, "activation": "identity"}
for _name, _changes in {
    "mnist_two": {"cycle": 400, "options": {**LINEAR, "stride": 2}},
    "mnist_three": {"cycle": 800, "options": {**LINEAR, "stride": 2}},
    "cifar10_two": {
        "cycle": 3_000, "options": {**LINEAR, "width": 24, "stride": 2}, "settled": 0.0005, "sift": 240,
    },
}.items():  # fmt: skip
    _known = RECIPES[_name]
    add_recipe(
        replace(
            _known,
            name=f"{_name}_limit",
            summary=f"{_known.summary} until the loss of every sample is below 1e-4",
            full={},
            **{**LIMIT, **_changes},
        )
    )
