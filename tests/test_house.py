"""The plan of the house, held against the code."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "featgeom"

# Floors from the ground up; a file may import from its own folder and from floors that stand lower.
FLOORS = [
    ["errors", "_version"],
    ["options"],
    ["arrays", "status", "files", "parallel", "progress"],
    ["results"],
    ["head"],
    ["exact"],
    ["certificates"],
    ["models", "data"],
    ["features"],
    ["runs"],
    ["hulls"],
    ["regions", "collapse"],
    ["boundaries", "margins"],
    ["training"],
    ["pixels"],
    ["spaces"],
    ["studies"],
    ["figures"],
    ["catalog"],
    ["report"],
    ["analysis", "guard"],
    ["papers"],
]
HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def rooms_imported(path):
    """The rooms of featgeom that a file imports from, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("featgeom."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("featgeom."))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_floor_imports_only_from_floors_below(path):
    room = room_of(path)
    for other in rooms_imported(path):
        assert other == room or HEIGHT[other] < HEIGHT[room], f"{room} must not import {other}"


def test_every_room_is_on_the_plan():
    assert {room_of(path) for path in FILES} == set(HEIGHT)


def test_every_folder_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {"featgeom"} | {f"featgeom.{p.parent.name}" for p in PACKAGE.glob("*/__init__.py")}
    assert set(listed) == folders | {"featgeom_cli"}


HEAVY = (
    "torch",
    "numba",
    "scipy",
    "sklearn",
    "cvxpy",
    "matplotlib",
    "pyvista",
    "networkx",
    "shapely",
    "jinja2",
)


@pytest.mark.parametrize(
    "words", [["-c", "import featgeom"], ["-c", "from featgeom_cli.main import run; run(['--help'])"]]
)
def test_nothing_heavy_is_loaded_early(words):
    code = (
        words[1] + f"\nimport sys; heavy = [m for m in {HEAVY} if m in sys.modules]; assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_public_name_can_be_had():
    import featgeom

    assert "AffineHead" in dir(featgeom)
    for name in featgeom.__all__:
        assert getattr(featgeom, name) is not None


def test_no_path_of_a_machine_is_committed():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    for name in tracked:
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".toml", ".pyi", ".ipynb", ""}
            and path.is_file()
            and path != Path(__file__)
        ):
            text = path.read_text("utf-8", errors="ignore")
            assert "/root/" not in text, name
            assert "/home/" not in text, name
