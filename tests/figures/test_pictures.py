"""Pictures that pyvista draws, without a display."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from featgeom.errors import BadArgument, Unsupported
from featgeom.figures.scene_of import scene_of_run
from featgeom.figures.scene_pyvista import OffScreen, save_picture, save_spin, show_scene
from featgeom_cli.main import run as command

SMALL = (320, 240)


@pytest.fixture
def renderer():
    with OffScreen() as made:
        yield made


def near(picture, colour):
    """How many pixels have nearly this colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return (np.abs(picture.astype(int) - wanted).max(axis=2) < 12).sum()


def test_a_picture_shows_every_class_in_its_colour(make_run, renderer, tmp_path):
    scene = scene_of_run(make_run(), "decision")
    path = save_picture(renderer, scene, tmp_path / "new" / "a.png", (960, 720))
    with Image.open(path) as image:
        picture = np.asarray(image)
    assert picture.shape == (720, 960, 3)
    for c in scene.chosen:
        assert near(picture, scene.colours[c]) > 40
    assert 0.2 < (picture == 255).all(axis=2).mean() < 0.95


def test_a_dark_picture_is_dark(make_run, renderer, tmp_path):
    path = save_picture(renderer, scene_of_run(make_run(), "slice"), tmp_path / "a.png", SMALL, dark=True)
    with Image.open(path) as image:
        assert np.median(np.asarray(image)) < 60


def test_a_spin_turns(make_run, renderer, tmp_path):
    path = save_spin(renderer, scene_of_run(make_run(), "pca"), tmp_path / "a.gif", SMALL, frames=4)
    frames = []
    with Image.open(path) as film:
        assert film.n_frames == 4
        for k in range(4):
            film.seek(k)
            frames.append(np.asarray(film.convert("RGB"), int))
    for first, second in pairwise(frames):
        assert (np.abs(first - second).max(axis=2) > 30).mean() > 0.01


def test_a_film_is_written_and_can_be_read(make_run, renderer, tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = save_spin(renderer, scene_of_run(make_run(), "pca"), tmp_path / "a.mp4", (321, 241), frames=4)
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == 4
    assert next(imageio_ffmpeg.read_frames(str(path)))["size"] == (320, 240)


def test_flat_scenes_and_scenes_of_one_kind_can_be_drawn(make_run, renderer, tmp_path):
    path = save_picture(
        renderer, scene_of_run(make_run(classes=2, d=2), "decision"), tmp_path / "a.png", SMALL
    )
    assert path.stat().st_size > 1000


def test_where_nothing_can_draw_there_is_one_clear_error(make_run, tmp_path, monkeypatch):
    scene = scene_of_run(make_run(), "pca")
    monkeypatch.setenv(
        "VTK_DEFAULT_OPENGL_WINDOW", "vtkXOpenGLRenderWindow"
    )  # a window system that is not there
    monkeypatch.delenv("DISPLAY", raising=False)
    with OffScreen() as renderer, pytest.raises(Unsupported, match="nothing here can draw off-screen"):
        save_picture(renderer, scene, tmp_path / "a.png", SMALL)
    assert not (tmp_path / "a.png").exists()


def test_a_window_needs_a_display(make_run, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(Unsupported, match="no display"):
        show_scene(scene_of_run(make_run(), "pca"))


def test_a_wrong_ending_is_refused(make_run, renderer, tmp_path):
    scene = scene_of_run(make_run(), "pca")
    with pytest.raises(BadArgument, match=r"\.png"):
        save_picture(renderer, scene, tmp_path / "a.docx")
    with pytest.raises(BadArgument, match=r"\.mp4"):
        save_spin(renderer, scene, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "no run there"),
        (["RUN", "--size", "12"], "--size"),
        (["RUN", "--projection", "up"], "view 'up'"),
        (["RUN", "--projection", "none.npy"], "none.npy"),
        (["RUN", "--classes", "0,x"], "class 'x'"),
        (["RUN", "--split", "held-out"], "no split 'held-out'"),
        (["RUN", "--png", "a.docx"], "must end in"),
        (["RUN"], "no display"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(make_run, words, message, monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    folder = str(make_run().folder)
    assert command(["view", *(folder if word == "RUN" else word for word in words)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_run_whose_features_are_missing_says_so(make_run, capsys):
    folder = make_run().folder
    for part in sorted((folder / "features").rglob("*"), reverse=True):
        part.unlink() if part.is_file() else part.rmdir()
    assert command(["view", str(folder), "--html", str(folder / "a.html")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
