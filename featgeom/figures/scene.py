"""A scene: a 3-D picture of a run, to show, save and add to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featgeom.figures.drawn import Drawn


@dataclass(frozen=True, eq=False, repr=False)
class Scene(Drawn):
    """A 3-D picture of a run; `Drawn` says what it holds."""

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
