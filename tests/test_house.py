"""The plan of the house, held against the code."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "featgeom"

# Floors from the ground up; a file may import from its own folder and from floors that stand lower.
FLOORS = [
    ["errors", "_version", "decimals", "imagenet", "quiet", "text"],
    ["options", "limits", "threads", "progress"],
    ["arrays", "preprocess", "status", "files", "parallel", "remarks"],
    ["locks", "kernels", "workers", "shelf"],
    ["results"],
    ["statistics"],
    ["head", "norms"],
    ["exact"],
    ["certificates"],
    ["reading"],
    ["programs"],
    ["models", "data"],
    ["features"],
    ["runs"],
    ["proofs"],
    ["hulls"],
    ["regions", "collapse", "imbalance"],
    ["boundaries", "margins"],
    ["formulations"],
    ["training"],
    ["pixels"],
    ["spaces"],
    ["studies"],
    ["figures"],
    ["catalog"],
    ["report"],
    ["analysis"],
    ["answers", "planning"],
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


def functions_of(path):
    """Every function of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("room", ["featgeom", "cli", "benchmarks"])
def test_a_function_can_be_seen_whole(room):
    for path in sorted((ROOT / room).rglob("*.py")):
        for function in functions_of(path):
            said = function.args
            taken = [*said.posonlyargs, *said.args, *said.kwonlyargs]
            lines = function.end_lineno - function.lineno + 1
            lines -= len((ast.get_docstring(function) or "").splitlines())
            assert len(taken) <= 10, f"{path}: {function.name} takes {len(taken)} arguments"
            assert lines <= 80, f"{path}: {function.name} has {lines} lines"


def test_every_room_is_on_the_plan():
    assert {room_of(path) for path in FILES} == set(HEIGHT)


def test_every_folder_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {"featgeom"} | {f"featgeom.{p.parent.name}" for p in PACKAGE.glob("*/__init__.py")}
    assert set(listed) == folders | {"featgeom_cli"}


def imports(path):
    """(module, names) of every import from the package, wherever in a file it stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("featgeom."):
            yield node.module.split("."), [name.name for name in node.names]


def test_solvers_take_kinds_of_claims_from_the_checks_and_nothing_else():
    from featgeom.certificates.claim import Claim

    for path in FILES:
        if room_of(path) in ("certificates", "runs"):  # which reads, stores and decides them
            continue
        for module, names in imports(path):
            if module[1] == "certificates":
                for name in names:
                    kind = getattr(importlib.import_module(".".join(module)), name)
                    assert isinstance(kind, type), (path, name)
                    assert issubclass(kind, Claim), (path, name)


def test_checks_import_no_more_than_the_kernel():
    for room, allowed in (
        ("exact", {"exact", "arrays", "errors"}),
        ("certificates", {"exact", "arrays", "decimals", "status"}),
    ):
        for path in (PACKAGE / room).glob("*.py"):
            assert set(rooms_imported(path)) <= allowed | {room}, path


def test_the_second_checker_shares_nothing_and_is_short():
    path = ROOT / "featgeom_check.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top = name.split(".")[0]
            assert top == "numpy" or top in sys.stdlib_module_names, name
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= 500
    for page in ("README.md", "CHANGELOG.md", "docs/certificates.md", "docs/trust.md"):
        text = (ROOT / page).read_text("utf-8").replace("\n", " ")
        assert re.findall(r"one file of (\d+) lines", text) == [str(lines)], page
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert listed["py-modules"] == ["featgeom_check"]


def test_who_shares_the_kernel_is_told():
    rows = re.findall(
        r"^ *\| `(\w+)` \| ((?:`\w+` ?)+)\|$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M
    )
    told = {room: set(re.findall(r"`(\w+)`", names)) for room, names in rows}
    found = {}
    for path in FILES:
        for module, _ in imports(path):
            if module[1] == "exact" and room_of(path) not in ("exact", "certificates"):
                found.setdefault(room_of(path), set()).add(module[2])
    assert told == found


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
