"""The scene of features, of a run or of plain arrays: which classes, which axes, and what is drawn there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.planes import Plane
from featgeom.boundaries.solids import slice_cells_3d
from featgeom.errors import BadArgument, BadData, nearest_name
from featgeom.features.features import FeatureSet
from featgeom.figures import frames
from featgeom.figures.drawn import Samples, Surface, cell_surfaces
from featgeom.figures.frames import Frame
from featgeom.figures.meshes import hull_mesh
from featgeom.figures.scene import Scene
from featgeom.figures.style import class_colours
from featgeom.head import AffineHead
from featgeom.regions.domains import Box
from featgeom.regions.radius import radius
from featgeom.results import shortened

if TYPE_CHECKING:
    from featgeom.runs.run import Run

VIEWS = ("decision", "slice", "pca", "lda")
MARGIN = 0.06  # of the largest extent, left free around everything drawn
THICKNESS = 0.02  # of the largest extent, given to an axis along which nothing varies


def scene_of_run(
    run: Run,
    view: str | ArrayLike = "decision",
    classes: Sequence[str | int] | None = None,
    split: str | None = None,
) -> Scene:
    """What a 3-D picture of a run shows: class hulls, samples, cells or boundaries, flip points.

    ``view`` and ``classes`` as in `scene_of`; ``split``: whose samples are drawn, the question split by
    default. Hulls are of the correctly predicted features of the reference split.

    Raises BadArgument for an unknown view or class, BadData for classes without any sample.
    """
    asked, reference = run.features(split or run.question_split), run.features(run.reference_split)
    title = f"{run.asked['model']['name']} on {run.asked['data']['name']}"
    return _scene(reference, asked, run.classes, title, view, classes)


def scene_of(
    features: ArrayLike,
    labels: ArrayLike,
    head: AffineHead,
    view: str | ArrayLike = "decision",
    classes: Sequence[str | int] | None = None,
    names: Sequence[str] | None = None,
) -> Scene:
    """What a 3-D picture of features (n, d) with labels (n,) shows: class hulls, samples, cells, flip points.

    ``view``: "decision", the span of w_i − w_j of up to four classes, in which their cells and boundaries are
    exact; "slice", the flat through the class means, exact for all classes; "pca" and "lda", projections; or
    directions (1 to 3, d) of one's own. ``classes``: names or numbers; by default the four that are confused
    most. ``names`` are those of all classes, by default their numbers. Hulls are of the features that the
    head gives their label.

    Raises BadArgument for an unknown view or class, BadData for classes without any sample.

    >>> scene_of(np.eye(3), [0, 1, 2], AffineHead(np.eye(3)))
    <Scene: features, view decision; 0, 1, 2; 3 samples>
    """
    part = FeatureSet.of(features, labels, head, names)
    return _scene(part, part, part.classes, part.name, view, classes)


def _scene(
    reference: FeatureSet,
    asked: FeatureSet,
    names: tuple[str, ...],
    title: str,
    view: str | ArrayLike,
    classes: Sequence[str | int] | None,
) -> Scene:
    named = view if isinstance(view, str) else "directions"
    if named not in (*VIEWS, "directions"):
        raise BadArgument(f"view '{named}'{nearest_name(named, list(VIEWS))}")
    chosen = chosen_classes(asked, names, named, classes)
    z, labels, predicted = rows_of(reference, chosen)
    if not len(z):
        missing = shortened([names[c] for c in chosen])
        raise BadData(f"{title}: no {reference.split} sample of {missing}, so there is nothing to see")
    right = labels == predicted
    frame = frame_of(view, named, reference.head, chosen, z, labels, right)
    colours = class_colours(len(names))
    hulls = [
        hull_surface(frame, z[labels == c][right[labels == c]], c, names, colours, named != "slice")
        for c in chosen
        if (right & (labels == c)).any()
    ]
    samples = drawn_samples(asked, chosen, frame, shown=named != "slice")
    window = window_around([s.vertices for s in hulls] + [samples.positions])
    solids = cells_drawn(reference.head, frame, named, chosen, window)
    cells = cell_surfaces(solids, names, colours, named == "slice")
    labelled = [s for s in cells if s.kind == "cell"] if named == "slice" else hulls
    return Scene(
        title,
        named,
        notes(reference.split, names, named, chosen, frame, z, len(samples), asked.split, classes is None),
        frame.axes,
        tuple(sorted({*chosen, *solids})),
        names,
        tuple(colours),
        (*hulls, *cells),
        samples,
        tuple((names[s.classes[0]], s.classes[0], s.vertices.mean(axis=0)) for s in labelled),
        window,
    )


def frame_of(
    view: str | ArrayLike,
    named: str,
    head: AffineHead,
    chosen: Sequence[int],
    z: Float64,
    labels: Ints,
    right: Any,
) -> Frame:
    """The axes of a view."""
    if named == "decision":
        return frames.decision_frame(head, chosen, z)
    if named == "slice":
        return slice_through_means(z, labels, right, chosen)
    if named == "pca":
        return frames.principal_frame(z)
    if named == "lda":
        return frames.discriminant_frame(z, labels)
    return frames.directions_frame(view, z)  # type: ignore[arg-type]


def chosen_classes(
    asked: FeatureSet, names: Sequence[str], view: str, classes: Sequence[str | int] | None
) -> tuple[int, ...]:
    """The classes a scene is about, in their own order."""
    count = len(names)
    if classes is None:
        if count <= 4 or (view in ("pca", "lda", "directions") and count <= 10):
            return tuple(range(count))
        return most_confused(np.asarray(asked.labels), np.asarray(asked.predictions), count)
    found = sorted({class_number(c, names) for c in classes})
    most = count if view in ("pca", "lda", "directions") else 4
    if not 2 <= len(found) <= most:
        raise BadArgument(f"classes: view '{view}' takes 2 to {most} different classes, got {len(found)}")
    return tuple(found)


def class_number(named: str | int, classes: Sequence[str]) -> int:
    """A class by its name, or else by its number.

    >>> class_number("dog", ("cat", "dog")), class_number("0", ("cat", "dog"))
    (1, 0)
    """
    if named in classes:
        return list(classes).index(str(named))
    text = str(named)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise BadArgument(f"class '{named}'{nearest_name(text, list(classes)[:1000])}")


def most_confused(labels: Ints, predicted: Ints, classes: int, wanted: int = 4) -> tuple[int, ...]:
    """The classes most confused with each other: the worst pair, then whichever adds most confusion.

    >>> most_confused(np.array([0, 1, 2, 3]), np.array([0, 3, 2, 1]), 4, wanted=2)
    (1, 3)
    """
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, predicted), 1)
    np.fill_diagonal(counts, 0)
    counts += counts.T
    found = [int(i) for i in np.unravel_index(counts.argmax(), counts.shape)]
    found = found if found[0] != found[1] else [0, 1]
    while len(found) < min(wanted, classes):
        added = counts[found].sum(axis=0)
        added[found] = -1
        found.append(int(added.argmax()))
    return tuple(sorted(found))


def rows_of(features: FeatureSet, chosen: Sequence[int]) -> tuple[Float64, Ints, Ints]:
    """Features of the chosen labels in memory, their labels and predictions."""
    rows = np.flatnonzero(np.isin(features.labels, chosen))
    z = np.asarray(features.features[rows], np.float64)
    return z, np.asarray(features.labels)[rows], np.asarray(features.predictions)[rows]


def slice_through_means(z: Float64, labels: Ints, right: Any, chosen: Sequence[int]) -> Frame:
    """The flat through the means of correctly predicted features, each of which lies in its class's cell."""
    means = [z[right & (labels == c)].mean(axis=0) for c in chosen if (right & (labels == c)).any()]
    if not means:
        raise BadData(
            "slice: no class has a correctly predicted sample, so there are no means to cut through"
        )
    return frames.slice_frame(np.array(means), z)


def hull_surface(
    frame: Frame, z: Float64, c: int, names: Sequence[str], colours: Sequence[str], shown: bool
) -> Surface:
    """The shadow of the hull of features (n, d): exactly the hull of their shadows."""
    return Surface(f"hull of {names[c]}", "hull", (c,), colours[c], 0.3, shown, *hull_mesh(frame.drop(z)))


def drawn_samples(features: FeatureSet, chosen: Sequence[int], frame: Frame, shown: bool) -> Samples:
    """Samples of the chosen labels, and their flip points z − m (w_own − w_rival) / ‖w_own − w_rival‖²."""
    rows = np.flatnonzero(np.isin(features.labels, chosen))
    z = np.asarray(features.features[rows], np.float64)
    head = features.head
    if not len(rows):
        nothing, nowhere = np.zeros(0, np.int64), np.zeros((0, 3), np.float32)
        return Samples(features.split, nothing, nowhere, nothing, nothing, nothing, np.zeros(0), nowhere)
    radii = radius(head, z, Box.space(head.dimension))
    normal = head.weight[radii.classes] - head.weight[radii.ball_rival]
    margin = np.einsum("ij,ij->i", normal, z) + head.bias[radii.classes] - head.bias[radii.ball_rival]
    square = np.einsum("ij,ij->i", normal, normal)
    step = np.where(np.isfinite(radii.ball) & (square > 0), margin / np.where(square > 0, square, 1.0), 0.0)
    positions = frame.drop(z)
    flips = positions - step[:, None] * (normal @ frame.basis.T)
    return Samples(
        features.split, rows, positions.astype(np.float32), np.asarray(features.labels)[rows],
        radii.classes, radii.ball_rival, radii.ball, flips.astype(np.float32), shown,
    )  # fmt: skip


def window_around(parts: Sequence[Any]) -> Float64:
    """The box (2, 3) around places, a little wider, with some thickness along every axis."""
    places = np.concatenate([np.asarray(part, np.float64) for part in parts])
    low, high = places.min(axis=0), places.max(axis=0)
    size = max(float((high - low).max()), 1e-9)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, THICKNESS / 2 * size) + MARGIN * size
    return np.stack([middle - half, middle + half])


def cells_drawn(
    head: AffineHead, frame: Frame, view: str, chosen: Sequence[int], window: Float64
) -> dict[int, Any]:
    """The cells that a view shows exactly, clipped to the window: solids by class; none in a projection."""
    bounds = window.ravel()
    if view == "slice":
        return slice_cells_3d(head, Plane(frame.origin, frame.basis), bounds).solids
    if view != "decision":
        return {}
    classes = list(chosen)
    weight, bias = head.weight[classes], head.bias[classes]
    weight = weight - weight.mean(axis=0)
    axes = frame.basis.copy()
    axes[frame.exact :] = 0  # along the axes that were added nothing is decided
    reduced = AffineHead(weight @ axes.T, bias - bias.mean())
    found = slice_cells_3d(reduced, Plane(np.zeros(3), np.eye(3)), bounds).solids
    solids = {classes[c]: solid for c, solid in found.items()}
    for solid in solids.values():
        solid.across[:] = [classes[k] if k >= 0 else k for k in solid.across]
    return solids


def notes(
    reference: str,
    names: Sequence[str],
    view: str,
    chosen: Sequence[int],
    frame: Frame,
    z: Float64,
    drawn: int,
    split: str,
    default: bool,
) -> tuple[str, ...]:
    """What a reader must know to read the picture rightly."""
    share = f"{100 * frame.share(z):.1f} % of the variance of the {reference} features of these classes"
    which = f" (the {len(chosen)} most confused)" if default and len(chosen) < len(names) else ""
    said = [f"Classes: {shortened([names[c] for c in chosen], 12)}{which}."]
    outside = len(chosen) < len(names)
    if view == "decision":
        idle = [f"axis {i + 1}" for i in range(frame.exact, 3) if frame.axes[i] != "none"]
        added = f" Along {' and '.join(idle)} nothing is decided." if idle else ""
        others = " A class outside the view may still beat them." if outside else ""
        said.append(
            "Decision-exact view: the axes span the differences of these classes' rows of the head, so which "
            f"of them wins, their cells and their boundaries are exact.{added}{others}"
        )
        said.append(f"Hulls and samples are shadows; the axes keep {share}.")
    elif view == "slice":
        flat = "" if frame.exact == 3 else " and the directions of most variance"
        said.append(
            f"Exact 3-D slice through the means of the correctly predicted {reference} features{flat}: every "
            "point of it is a point of feature space, and its cell among all classes is exact."
        )
        said.append(f"Samples and hulls, where switched on, are shadows on the slice, which keeps {share}.")
    else:
        word = {"pca": "Principal axes", "lda": "Linear discriminant axes"}.get(view, "Chosen directions")
        said.append(
            f"{word}: a projection, which keeps {share}. What overlaps here may be apart in feature space."
        )
    said.append(
        f"Hulls: of the correctly predicted {reference} features of a class; a hull's shadow is exact. "
        f"Samples: {drawn:,} of {split}. Lengths are distances in feature space."
    )
    return tuple(said)
