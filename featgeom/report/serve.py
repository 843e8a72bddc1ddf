"""The live page: the picture of a run, served to this machine's own browser."""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from featgeom.errors import BadArgument, FeatgeomError
from featgeom.report.between import Between
from featgeom.report.view import bytes_of, encoded, images_of, scene_document, view_page
from featgeom.runs.record import plain

if TYPE_CHECKING:
    from featgeom.hulls.hull import ConvexHull
    from featgeom.runs.run import Run

LOCAL = "127.0.0.1"
NAMED = 200  # classes that the page lists by name


class ViewServer(ThreadingHTTPServer):
    """A server of one run on localhost: the page, images, exact crossings, hull distances, inversions.

    ``port`` 0 takes any free one; ``address`` says which. Nothing but this machine can reach it.
    """

    daemon_threads = True

    def __init__(self, run: Run, port: int = 0, first: dict[str, str] | None = None) -> None:
        self.run = run
        self.first = first or {}
        self.computing = threading.Lock()  # the kernels are not made for two callers at a time
        self.scene_page = lru_cache(maxsize=8)(self._scene_page)
        self.hull = lru_cache(maxsize=16)(self._hull)
        self.images = lru_cache(maxsize=2)(run.images)
        self.between = Between(run)
        super().__init__((LOCAL, port), Handler)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{LOCAL}:{self.server_address[1]}/"

    def page(self, asked: dict[str, str]) -> str:
        """The page of a view; what was not asked for is as the command line said."""
        asked = self.first | {key: value for key, value in asked.items() if value}
        return self.scene_page(asked.get("view", "decision"), asked.get("classes"), asked.get("split"))

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
        }
        return view_page(scene, scene_document(scene, self.run, live))

    def _hull(self, c: int) -> ConvexHull | None:
        from featgeom.hulls.hull import ConvexHull

        part = self.run.features(self.run.reference_split)
        mine = np.flatnonzero((part.labels == c) & (part.predictions == c))
        return ConvexHull(part.features[mine]) if len(mine) else None

    def feature(self, asked: dict[str, str], key: str) -> Any:
        """The feature (1, d) of a sample that was asked for."""
        part = self.run.features(asked["split"])
        return np.asarray(part.features[[self.row(asked, key)]], np.float64)

    def row(self, asked: dict[str, str], key: str) -> int:
        """The number of a sample that was asked for."""
        count = len(self.run.features(asked["split"]))
        if not (asked[key].isdecimal() and int(asked[key]) < count):
            raise BadArgument(f"{key}: expected a sample from 0 to {count - 1}, got '{asked[key]}'")
        return int(asked[key])

    def image(self, asked: dict[str, str]) -> bytes:
        """The image of a sample, as a PNG file."""
        pixels = self.images(asked["split"]).pixels([self.row(asked, "row")])
        return encoded(bytes_of(pixels)[0], "png")

    def segment(self, asked: dict[str, str]) -> dict[str, Any]:
        """The exact sequence of cells between two samples."""
        from featgeom.boundaries.crossings import crossings

        head = self.run.features(asked["split"]).head
        found = crossings(head, self.feature(asked, "from"), self.feature(asked, "to"))
        pieces = [{"class": c, "enters": t} for c, t in zip(found.cells, found.enter)]
        return {"pieces": pieces, "said": "exact sequence, certified"}

    def inversion(self, asked: dict[str, str]) -> dict[str, Any]:
        """The images found so far along the segment of two samples; the first question starts the work."""
        return self.between.state(asked["split"], self.row(asked, "from"), self.row(asked, "to"))

    def sample(self, asked: dict[str, str]) -> dict[str, Any]:
        """What takes computing: the distance of a sample to its class's hull, with a proved lower bound."""
        part = self.run.features(asked["split"])
        c = int(part.labels[self.row(asked, "row")])
        hull = self.hull(c)
        if hull is None:
            return {"facts": []}
        found = hull.project(self.feature(asked, "row"))
        name = f"distance to the hull of {self.run.classes[c]}"
        bounds = (
            f"between {found.lower_bound[0]:.6g} and {found.distance[0]:.6g}, {found.status[0].name.lower()}"
        )
        return {"facts": [{"name": name, "value": float(found.distance[0]), "said": bounds}]}


class Handler(BaseHTTPRequestHandler):
    """Answers one request; every error is one line."""

    server: ViewServer
    server_version = "featgeom"

    def do_GET(self) -> None:
        """The page, or what it asks for."""
        address = urlsplit(self.path)
        asked = {key: values[-1] for key, values in parse_qs(address.query).items()}
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in (LOCAL, "localhost"):
            return self.answer(403, "text/plain", b"this page is for this machine alone\n")
        try:
            with self.server.computing:
                kind, body = self.found(address.path, asked)
        except FeatgeomError as error:
            return self.answer(400, "text/html", refusal(str(error)).encode())
        except KeyError as error:
            return self.answer(400, "text/html", refusal(f"{error.args[0]} is missing").encode())
        return self.answer(200 if body else 404, kind, body or b"there is nothing here\n")

    def found(self, path: str, asked: dict[str, str]) -> tuple[str, bytes]:
        """What is at an address, and its type; nothing where there is nothing."""
        if path == "/":
            return "text/html", self.server.page(asked).encode()
        if path == "/image":
            return "image/png", self.server.image(asked)
        if path in ("/segment", "/sample", "/inversion"):
            answer = plain(getattr(self.server, path[1:])(asked))
            return "application/json", json.dumps(answer).encode()
        return "text/plain", b""

    def answer(self, status: int, kind: str, body: bytes) -> None:
        """Send a whole answer."""
        text = "" if kind.startswith("image") else "; charset=utf-8"
        self.send_response(status)
        self.send_header("Content-Type", kind + text)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=3600" if kind.startswith("image") else "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name the library calls it by
        """Say nothing: the terminal belongs to the command."""


def refusal(message: str) -> str:
    """A page that says what was wrong, and leads back.

    >>> refusal("no class '<x>'").count("&lt;x&gt;")
    1
    """
    return (
        '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<p style="font:16px system-ui;margin:2rem">{escape(message)}<br><a href="./">Back</a></p>'
    )
