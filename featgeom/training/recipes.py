"""Recipes: everything that decides how a reference network is trained, by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from featgeom.errors import BadArgument, nearest_name
from featgeom.training.losses import find_loss


@dataclass(frozen=True)
class Recipe:
    """What to train, on what, and how.

    ``images`` is a source of images, ``classes`` a subset of its classes by name (empty: all), ``arch`` and
    ``options`` the network, ``batch`` the samples a step sees (0: all of them), ``rate`` the learning rate,
    ``per_decade`` the checkpoints for every factor 10 in steps. ``normalise`` sets the classifier's mean and
    std to those of the training images. ``threads`` is fixed, because sums in another order are other bits.
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
    threads: int = 1

    def __post_init__(self) -> None:
        find_loss(self.loss)
        for name, low in (("batch", 0), ("steps", 1), ("per_decade", 1), ("threads", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < low:
                raise BadArgument(f"recipe {self.name}: {name} must be a whole number ≥ {low}, got {value!r}")
        for name in ("rate", "weight_decay"):
            if not 0 <= float(getattr(self, name)) < float("inf"):
                raise BadArgument(f"recipe {self.name}: {name} must be ≥ 0, got {getattr(self, name)!r}")

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return {**asdict(self), "classes": list(self.classes)}


RECIPES: dict[str, Recipe] = {}


def add_recipe(recipe: Recipe) -> None:
    """Make a recipe known by its name."""
    RECIPES[recipe.name] = recipe


def find_recipe(name: str, **overrides: Any) -> Recipe:
    """The recipe of that name, with some of its fields replaced.

    Raises BadArgument for an unknown recipe or field, with the nearest known name.

    >>> find_recipe("digits", steps=10).steps
    10
    >>> find_recipe("digits", step=10)
    Traceback (most recent call last):
    featgeom.errors.BadArgument: a recipe has no field 'step'; did you mean 'steps'?
    """
    if name not in RECIPES:
        raise BadArgument(f"unknown recipe '{name}'{nearest_name(name, list(RECIPES))}")
    known = [f.name for f in fields(Recipe)]
    for key in overrides:
        if key not in known:
            raise BadArgument(f"a recipe has no field '{key}'{nearest_name(key, known)}")
    return replace(RECIPES[name], **overrides)


add_recipe(
    Recipe(
        name="digits",
        summary="small CNN with 32 non-negative features on scikit-learn's handwritten digits",
        images="digits",
        arch="digits_cnn",
        steps=2000,
    )
)
