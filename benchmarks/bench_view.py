"""Seconds to the first useful picture of a stored run, part by part, and frames a second of the live page.

    FEATGEOM_DATA=... python benchmarks/bench_view.py [RUN ...]

Without a run it makes two: the built-in digits network, and features of 50,000 train and 10,000 test samples
(those of ResNet-20 on CIFAR-10 where FEATGEOM_DATA is set, else Gaussian ones of the same shape). Every
command is a process of its own, as a person starts it; seconds are the least of three on the clock, and those
of its processors are beside them, because a machine that is shared makes the clock slower.

The page is drawn by Chromium without a graphics card (SwiftShader), so its frames a second are a lower bound;
the milliseconds of its script for each frame are what a computer with a graphics card waits for.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from support import features

REPEAT = 3
FRAMES = 40
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
POINTS = (2_000, 10_000, 50_000)
PAINT = """(frames) => new Promise((done) => {
  const view = featgeomView, began = performance.now();
  let left = frames, script = 0;
  const step = () => {
    const now = performance.now();
    view.camera.spin(0.05, 0);
    view.render();
    script += performance.now() - now;
    view.drawer.gl.finish();
    if (--left) requestAnimationFrame(step);
    else done([1000 * frames / (performance.now() - began), script / frames]);
  };
  requestAnimationFrame(step);
})"""
LAPS = """
import time
began = time.perf_counter()
def lap(name):
    global began
    print(f"    {name:34} {time.perf_counter() - began:6.2f} s")
    began = time.perf_counter()
import numpy; lap("loading numpy")
from featgeom.runs.run import Run
from featgeom.figures.scene_of import scene_of_run; lap("loading featgeom and scipy")
run = Run(FOLDER); scene = scene_of_run(run); lap("the scene: hulls, cells, samples")
from featgeom.report.view import scene_document, view_page
document = scene_document(scene, run); lap("images and facts of the samples")
view_page(scene, document); lap("the page")
"""


def command(*words: str) -> list[str]:
    """How a person starts `featgeom WORDS`."""
    return [sys.executable, "-m", "featgeom_cli", *words]


def run_of(words: list[str]) -> tuple[float, float]:
    """Seconds of a process, on the clock and of its processors: the least of some."""
    best = (np.inf, np.inf)
    for _ in range(REPEAT):
        used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        clock = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, (clock, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime))
    return best


def first_page(run: Path) -> float:
    """Seconds from starting `featgeom view --serve` to holding its page."""
    best = np.inf
    for _ in range(REPEAT):
        began = time.perf_counter()
        with subprocess.Popen(
            command("view", str(run), "--serve"), stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            address = server.stdout.readline().split()[0]
            urlopen(address).read()
            best = min(best, time.perf_counter() - began)
            server.terminate()
    return best


def parts(run: Path) -> None:
    """What the time goes to, in one process."""
    code = LAPS.replace("FOLDER", repr(str(run)))
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    print(done.stdout, end="")


def stored_runs(folder: Path) -> list[Path]:
    """A run of the built-in digits network, and one of 60,000 features."""
    digits, large, file = folder / "digits", folder / "large", folder / "features.npz"
    subprocess.run(command("analyze", "-o", str(digits), "--quiet"), check=True, capture_output=True)
    found = features()
    weight, bias = found.get("fc_weight"), found.get("fc_bias")
    if weight is None:
        means = [found["features_train"][found["y_train"] == c].mean(axis=0) for c in range(10)]
        weight, bias = np.array(means), -0.5 * np.square(means).sum(axis=1)
    arrays: dict[str, Any] = {"weight": weight, "bias": bias}
    for split in ("train", "test"):
        arrays |= {f"features_{split}": found[f"features_{split}"], f"labels_{split}": found[f"y_{split}"]}
    np.savez(file, **arrays)
    subprocess.run(
        command("analyze", str(file), "-o", str(large), "--quiet"), check=True, capture_output=True
    )
    return [digits, large]


def frames_a_second(folder: Path) -> None:
    """How fast a page of many samples turns in a browser that draws without a graphics card."""
    found = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        found = None
    if found is None:
        print("no chromium or no playwright: frames a second are not measured")
        return
    from featgeom.figures.scene_of import scene_of_run
    from featgeom.report.view import write_view
    from featgeom.runs.making import arrays_run

    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 16))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=list(FLAGS))
        for count in POINTS:
            z = (2 * weight[rng.integers(4, size=count)] + rng.normal(size=(count, 16))).astype(np.float32)
            labels = (z @ weight.T).argmax(1)
            file, place = folder / f"{count}.npz", folder / f"points-{count}"
            np.savez(file, features=z, labels=labels, weight=weight, bias=np.zeros(4))
            run = arrays_run(place, str(file))
            address = write_view(scene_of_run(run), run, place / "view.html").as_uri()
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            began = time.perf_counter()
            page.goto(address)
            page.wait_for_function("document.querySelector('.fgv').dataset.drawn > 0")
            opened = time.perf_counter() - began
            rate, script = page.evaluate(PAINT, FRAMES)
            print(
                f"  {count:7,} points: opened in {opened:5.2f} s, {rate:5.1f} frames a second, "
                f"{script:.2f} ms of script a frame"
            )
            page.close()
        browser.close()


def main() -> None:
    """Print the seconds of every way to see a run."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for run in [Path(word) for word in sys.argv[1:]] or stored_runs(folder):
            print(f"{run.name}: seconds to the first picture of a stored run")
            for words in (("--html", "view.html"), ("--png", "view.png")):
                clock, used = run_of(command("view", str(run), words[0], str(folder / words[1])))
                print(f"  featgeom view RUN {words[0]:8} {clock:6.2f} s   (processors: {used:.2f} s)")
            print(f"  featgeom view RUN --serve  {first_page(run):6.2f} s   until the page is held")
            parts(run)
        print("frames a second of a page that turns, drawn without a graphics card")
        frames_a_second(folder)


if __name__ == "__main__":
    main()
