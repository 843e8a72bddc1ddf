"""What a scene consists of: everything a 3-D picture shows, as plain arrays, whatever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints
from featgeom.figures.meshes import Corners, Places, rings_mesh
from featgeom.results import shortened

if TYPE_CHECKING:
    from featgeom.boundaries.solids import Solid

GREY = "#808890"


@dataclass(frozen=True, eq=False, repr=False)
class Surface:
    """A translucent surface: ``kind`` "hull", "cell" or "boundary", of one or two ``classes``.

    ``vertices`` (m, 3), ``triangles`` (f, 3) counter-clockwise seen from outside, ``edges`` (e, 2) to draw as
    lines; ``shown`` tells whether a reader sees it at first.
    """

    name: str
    kind: str
    classes: tuple[int, ...]
    colour: str
    opacity: float
    shown: bool
    vertices: Places
    triangles: Corners
    edges: Corners


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """Samples of one split: ``rows`` (n,) are their numbers in it, ``positions`` (n, 3) where they are drawn.

    ``distance`` (n,) is to the nearest boundary in the whole feature space, towards the class ``rival``, and
    ``flips`` (n, 3) where the nearest point of that boundary, the flip point, is drawn.
    """

    split: str
    rows: Ints
    positions: Places
    label: Ints
    predicted: Ints
    rival: Ints
    distance: Float64
    flips: Places
    shown: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which are misclassified."""
        return self.label != self.predicted


@dataclass(frozen=True, eq=False, repr=False)
class Drawn:
    """What is drawn of a run.

    ``view`` is its name ("decision", "slice", "pca", "lda", "directions"); ``notes`` say in sentences what is
    exact, what is a shadow, and how much variance is kept; ``axes`` name the three axes. ``chosen`` are the
    classes it is about; ``names`` and ``colours`` are those of every class of the run. ``labels`` are words
    with places; ``window`` (2, 3) is the box drawn around everything.
    """

    title: str
    view: str
    notes: tuple[str, ...]
    axes: tuple[str, str, str]
    chosen: tuple[int, ...]
    names: tuple[str, ...]
    colours: tuple[str, ...]
    surfaces: tuple[Surface, ...]
    samples: Samples
    labels: tuple[tuple[str, int, Places], ...]
    window: Float64

    def __repr__(self) -> str:
        classes = shortened([self.names[c] for c in self.chosen], 6)
        name, n = type(self).__name__, len(self.samples)
        return f"<{name}: {self.title}, view {self.view}; {classes}; {n:,} samples>"


def cell_surfaces(
    solids: dict[int, Solid], names: Sequence[str], colours: Sequence[str], cells_shown: bool
) -> list[Surface]:
    """The cells as closed surfaces, and what any two of them share as boundaries."""
    surfaces = []
    for c, solid in solids.items():
        mesh = rings_mesh(solid.vertices, solid.faces)
        surfaces.append(Surface(f"cell of {names[c]}", "cell", (c,), colours[c], 0.16, cells_shown, *mesh))
    for c, solid in solids.items():
        for ring, k in zip(solid.faces, solid.across):
            if k > c:
                mesh = rings_mesh(solid.vertices[ring], [np.arange(len(ring))])
                name = f"boundary {names[c]} | {names[int(k)]}"
                surfaces.append(Surface(name, "boundary", (c, int(k)), GREY, 0.14, True, *mesh))
    return surfaces
