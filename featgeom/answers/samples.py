"""Every figure that a run has of each of its samples, as columns of one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.boundaries.views import DecisionView, decision_view
from featgeom.errors import BadArgument
from featgeom.figures.scene_of import most_confused
from featgeom.regions.domains import Box
from featgeom.regions.radius import radius
from featgeom.runs.again import images_by_part

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.features.features import FeatureSet
    from featgeom.runs.run import Run

Columns = dict[str, NDArray[Any]]
SAME = {"label", "prediction", "distance", "rival"}  # of the overview, said here as columns of their own
ASKED = {  # arrays of the question part that its name does not stand before
    "boundaries": ("distance", "lower_bound", "confidence", "log_odds"),
}
CHOSEN = {  # arrays of some of its samples, and the array that names their rows
    "flips": ("rows", ("feature_distance", "pixel_distance", "pixel_lower_bound", "travelled")),
    "compare": ("{split}_rows", ("pixel_distance", "wavelet_distance", "feature_distance")),
}


def sample_columns(run: Run, images: Mapping[str, ImageSet | None] | None = None) -> Columns:
    """One row for each sample of a run, all its parts after each other.

    ``sample`` is SPLIT:ROW, a name that other commands take; ``image`` the file that it was read from, below
    the folder, where the run still finds files of images; ``label`` (empty where unknown) and
    ``prediction`` are names of classes; ``radius`` is a proved lower bound on the distance in feature space
    to the nearest boundary, and ``rival`` the class beyond it; ``logit_margin`` is the largest logit less the
    second; ``decision_1`` to ``decision_3`` are coordinates in the view in which the four classes that are
    confused most are told apart exactly (`decision_view`). All else comes from stored studies, as
    STUDY_NAME; a sample that a study says nothing of has NaN there. ``images`` are those of each part, where
    they were read already.

    >>> import tempfile
    >>> from featgeom.runs.making import make_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     columns = sample_columns(make_run(f"{folder}/run", "digits", "digits"))
    >>> columns["sample"][[0, -1]].tolist(), len(columns["radius"])
    (['train:0', 'test:499'], 1797)
    """
    view = view_of(run)
    known = images_by_part(run) if images is None else images
    parts = [_part(run, split, view, known[split]) for split in run.splits]
    names = list(dict.fromkeys(name for part in parts for name in part))
    joined: Columns = {}
    for name in names:
        kind = next(part[name] for part in parts if name in part).dtype.kind
        blank: Any = "" if kind == "U" else np.nan
        joined[name] = np.concatenate(
            [part[name] if name in part else np.full(len(part["sample"]), blank) for part in parts]
        )
    return joined


def view_of(run: Run) -> DecisionView | None:
    """The view of the classes that the network confuses most; None where no view tells them apart."""
    asked = run.features(run.question_split)
    chosen = most_confused(np.asarray(asked.labels), np.asarray(asked.predictions), len(run.classes))
    try:
        return decision_view(asked.head, chosen)
    except BadArgument:
        return None


def _part(run: Run, split: str, view: DecisionView | None, images: ImageSet | None) -> Columns:
    part = run.features(split)
    names, rows = np.array(run.classes), np.arange(len(part))
    reach = radius(part.head, part.features, Box.space(part.dimension))
    logits = np.sort(part.head.logits(np.asarray(part.features, np.float64)), axis=1)
    columns: Columns = {
        "sample": np.array([f"{split}:{row}" for row in rows]),
        **({} if images is None or images.files is None else {"image": images.files}),
        "split": np.full(len(part), split),
        "row": rows,
        "label": names[part.labels] if part.labelled else np.full(len(part), ""),
        "prediction": names[reach.classes],
        "radius": reach.radius,
        "rival": names[reach.rival],
        "logit_margin": logits[:, -1] - logits[:, -2],
    }
    if part.labelled:
        columns["correct"] = reach.classes == np.asarray(part.labels)
    if view is not None:
        for axis, values in enumerate(view.project(part.features).T, start=1):
            columns[f"decision_{axis}"] = values
    return columns | _stored(run, split, part)


def _stored(run: Run, split: str, part: FeatureSet) -> Columns:
    """What stored studies know of the samples of a part: of all, or of some, with NaN for the others."""
    found: Columns = {}
    for study, record in run.results.items():
        for name, values in record.arrays.items():
            own = name.removeprefix(f"{split}_")
            if own != name and values.shape == (len(part),) and own not in SAME:
                found[f"{study}_{own}"] = np.asarray(values)
        if split != run.question_split:
            continue
        for name in (name for name in ASKED.get(study, ()) if name in record.arrays):
            found[f"{study}_{name}"] = np.asarray(record.arrays[name])
        rows_name, names = CHOSEN.get(study, ("", ()))
        for name in names:
            if name in record.arrays:
                column = np.full(len(part), np.nan)
                rows = record.arrays[rows_name.format(split=split)]
                column[rows] = record.arrays[name]
                found[f"{study}_{name}"] = column
    return found
