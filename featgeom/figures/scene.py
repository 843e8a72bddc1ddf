"""A scene: everything a 3-D picture shows, as plain arrays, whatever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints
from featgeom.results import shortened

if TYPE_CHECKING:
    from featgeom.boundaries.solids import Solid

Places = NDArray[np.float32]  # (n, 3), in distance of feature space
Corners = NDArray[np.int32]  # indices into places

FLAT = 1e-9  # part of the largest extent below which a point set has no extent along an axis
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
class Scene:
    """A 3-D picture of a run.

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
        return f"<Scene: {self.title}, view {self.view}; {classes}; {len(self.samples):,} samples>"

    def show(self, camera: str = "iso", dark: bool = False) -> None:
        """Open a window on it. Raises Unsupported where there is no display."""
        from featgeom.figures.scene_pyvista import show_scene

        show_scene(self, camera, dark)

    def save(
        self, path: str | Path, size: tuple[int, int] = (1600, 1200), camera: str = "iso", dark: bool = False
    ) -> Path:
        """Draw it off-screen into a picture (.png .jpg .webp .tif) or one turn (.gif .mp4); the path.

        Raises BadArgument for another ending, Unsupported where nothing can draw.
        """
        from featgeom.figures.scene_pyvista import OffScreen, save_picture, save_spin

        with OffScreen() as renderer:
            if Path(path).suffix.lower() in (".gif", ".mp4"):
                return save_spin(renderer, self, Path(path), size, dark)
            return save_picture(renderer, self, Path(path), size, camera, dark)

    def to_pyvista(self, size: tuple[int, int] = (1600, 1200), dark: bool = False) -> Any:
        """A `pyvista.Plotter` that holds it, to add to and to show."""
        from featgeom.figures.scene_pyvista import plotter

        return plotter(self, size, "iso", dark, off_screen=True)


def hull_mesh(points: NDArray[np.floating]) -> tuple[Places, Corners, Corners]:
    """The convex hull of points (n, 3): vertices, triangles seen from outside, edges; flat hulls too.

    >>> vertices, triangles, edges = hull_mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    >>> vertices.shape, triangles.shape, edges.shape
    ((4, 3), (4, 3), (6, 2))
    >>> [len(part) for part in hull_mesh(np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]))]
    [4, 2, 4]
    """
    from scipy.spatial import ConvexHull

    points = np.asarray(points, np.float64)
    centre = points.mean(axis=0)
    _, values, axes = np.linalg.svd(points - centre, full_matrices=False)
    rank = int((values > FLAT * max(values[0], np.finfo(float).tiny)).sum()) if values[0] > 0 else 0
    if rank == 3:
        hull = ConvexHull(points)
        triangles = hull.simplices.astype(np.int64)
        a, b, c = points[triangles].transpose(1, 0, 2)
        inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
        triangles = np.where(inward[:, None], triangles[:, ::-1], triangles)
        edges = np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    elif rank == 2:
        ring = ConvexHull((points - centre) @ axes[:2].T).vertices.astype(np.int64)
        triangles, edges = fan(ring), np.stack([ring, np.roll(ring, -1)], axis=1)
    else:
        along = (points - centre) @ axes[0]
        triangles = np.zeros((0, 3), np.int64)
        edges = np.array([[along.argmin(), along.argmax()]])
    used = np.unique(np.concatenate([triangles.ravel(), edges.ravel()]))
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    return (
        points[used].astype(np.float32),
        np.searchsorted(used, triangles).astype(np.int32).reshape(-1, 3),
        np.searchsorted(used, edges).astype(np.int32),
    )


def fan(ring: Sequence[int] | Ints) -> Ints:
    """Triangles (k − 2, 3) of a convex ring of k corners.

    >>> fan([4, 5, 6, 7]).tolist()
    [[4, 5, 6], [4, 6, 7]]
    """
    corners = np.asarray(ring, np.int64)
    first = np.full(len(corners) - 2, corners[0])
    return np.stack([first, corners[1:-1], corners[2:]], axis=1)


def rings_mesh(vertices: Float64, rings: Sequence[Ints]) -> tuple[Places, Corners, Corners]:
    """Flat convex rings of corners as vertices, triangles and edges."""
    triangles = np.concatenate([fan(ring) for ring in rings])
    edges = np.concatenate([np.stack([ring, np.roll(ring, -1)], axis=1) for ring in rings])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    return vertices.astype(np.float32), triangles.astype(np.int32), edges.astype(np.int32)


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
