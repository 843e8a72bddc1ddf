"""The notebooks run from top to bottom without a display, show their pictures, and are stored clean."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PICTURES = {"1": 5, "2": 5, "3": 4, "4": 6, "5": 3}  # how many each shows


def names(paths):
    return [path.stem for path in paths]


def test_all_five_are_there():
    assert [name[0] for name in names(NOTEBOOKS)] == list("12345")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names(NOTEBOOKS))
def test_it_runs_and_shows_its_pictures(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    complaints = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert not complaints
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == PICTURES[path.stem[0]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names(NOTEBOOKS))
def test_it_is_stored_without_outputs_or_places_of_a_machine(path):
    text = path.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (not cell.outputs and cell.execution_count is None)
    assert not re.search(r"/(root|home|tmp|work|Users)/", text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names(NOTEBOOKS))
def test_it_teaches_and_leads_on(path):
    notebook = nbformat.read(path, as_version=4)
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert words.startswith(f"# {path.stem[0]} · ")
    assert "$$" in words or path.stem[0] == "5"
    for target in re.findall(r"\]\(([^)#]+)\)", words):
        assert (FOLDER / target).is_file(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names(NOTEBOOKS))
def test_it_uses_what_is_public_and_no_process(path):
    notebook = nbformat.read(path, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert not re.search(r"featgeom\.\w+", code.replace("import featgeom as fg", "")), "fg has every name"
    assert not re.search(r"subprocess|os\.system|\._[a-z]|^!", code, re.MULTILINE)
