"""What the live page asks for: pictures of a run, images, exact crossings, hull distances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.decimals import between
from featgeom.errors import BadArgument
from featgeom.report.between import Searches
from featgeom.report.policy import content_policy
from featgeom.report.view import bytes_of, encoded, scene_document, scripts_of, view_page
from featgeom.runs.again import images_of

if TYPE_CHECKING:
    from featgeom.hulls.hull import ConvexHull
    from featgeom.runs.run import Run

NAMED = 200  # classes that the page lists by name
LONGEST = 10_000  # letters of a value in an address

Asked = Mapping[str, str]
Explain = Callable[[bytes], dict[str, Any]]  # what is said of the bytes of a picture


class LiveView:
    """The answers for one run; `compute` is for one caller at a time."""

    def __init__(self, run: Run, first: Asked | None = None, explain: Explain | None = None) -> None:
        self.run, self.explain = run, explain
        self.first = dict(first or {})
        self.searches = Searches(run)
        self.policy = content_policy(scripts_of(), live=True)
        self._page = lru_cache(maxsize=8)(self._scene_page)
        self._hull = lru_cache(maxsize=16)(self._made_hull)
        self._images = lru_cache(maxsize=2)(run.images)

    def page(self, asked: Asked) -> str:
        """The page of a view; what was not asked for is as the command line said."""
        chosen = self.first | {key: value for key, value in asked.items() if value}
        return self._page(chosen.get("view", "decision"), chosen.get("classes"), chosen.get("split"))

    def _scene_page(self, view: str, classes: str | None, split: str | None) -> str:
        from featgeom.figures.scene_of import VIEWS, chosen_classes, scene_of_run

        named = None if classes is None else [name.strip() for name in classes.split(",")]
        scene = scene_of_run(self.run, view, named, split)
        names = self.run.classes
        asked = self.run.features(scene.samples.split)
        chosen = chosen_classes(asked, names, view, named)
        live = {
            "classes": ",".join(str(c) if "," in names[c] else names[c] for c in chosen),
            "views": VIEWS,
            "all": names if len(names) <= NAMED else [f"{len(names)} classes"],
            "splits": self.run.splits,
            "images": images_of(self.run, scene.samples.split) is not None,
            "network": self.run.asked["model"]["source"] is not None,
            "drop": self.explain is not None,
        }
        return view_page(scene, scene_document(scene, self.run, live), self.policy)

    def _made_hull(self, c: int) -> ConvexHull | None:
        from featgeom.hulls.hull import ConvexHull

        part = self.run.features(self.run.reference_split)
        mine = np.flatnonzero((part.labels == c) & (part.predictions == c))
        return ConvexHull(part.features[mine]) if len(mine) else None

    def feature(self, asked: Asked, key: str) -> Any:
        """The feature (1, d) of a sample that was asked for."""
        part = self.run.features(value_of(asked, "split"))
        return np.asarray(part.features[[self.row(asked, key)]], np.float64)

    def row(self, asked: Asked, key: str) -> int:
        """The number of a sample that was asked for."""
        count = len(self.run.features(value_of(asked, "split")))
        text = value_of(asked, key)
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) < count):
            raise BadArgument(f"{key}: expected a sample from 0 to {count - 1}, got '{text[:40]}'")
        return int(text)

    def image(self, asked: Asked) -> bytes:
        """The image of a sample, as a PNG file."""
        row = self.row(asked, "row")
        if images_of(self.run, asked["split"]) is None:
            raise BadArgument("this run has no images that can be shown")
        pixels = self._images(asked["split"]).pixels([row])
        return encoded(bytes_of(pixels)[0], "png")

    def segment(self, asked: Asked) -> dict[str, Any]:
        """The exact sequence of cells between two samples."""
        from featgeom.boundaries.crossings import crossings

        start, end = self.feature(asked, "from"), self.feature(asked, "to")
        found = crossings(self.run.features(asked["split"]).head, start, end)
        pieces = [{"class": c, "enters": t} for c, t in zip(found.cells, found.enter)]
        return {"pieces": pieces, "said": "exact sequence, certified"}

    def inversion(self, asked: Asked) -> dict[str, Any]:
        """The images found so far along the segment of two samples; the first question starts the work."""
        rows = self.row(asked, "from"), self.row(asked, "to")
        return self.searches.state(asked["split"], *rows)

    def sample(self, asked: Asked) -> dict[str, Any]:
        """What takes computing: the distance of a sample to its class's hull, with a proved lower bound."""
        row = self.row(asked, "row")
        c = int(self.run.features(asked["split"]).labels[row])
        hull = self._hull(c)
        if hull is None:
            return {"facts": []}
        found = hull.project(self.feature(asked, "row"))
        name = f"distance to the hull of {self.run.classes[c]}"
        bounds = f"{between(found.lower_bound[0], found.distance[0], 6)}, {found.status[0].name.lower()}"
        return {"facts": [{"name": name, "value": float(found.distance[0]), "said": bounds}]}


def value_of(asked: Asked, key: str) -> str:
    """One value of an address. Raises BadArgument where it is missing."""
    if key not in asked:
        raise BadArgument(f"{key} is missing")
    return asked[key]
