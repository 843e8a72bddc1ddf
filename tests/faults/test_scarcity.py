"""Little of what processes need: one line, status 2, nothing half-written, and never a proof by mistake."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import featgeom as fg

from .conftest import write_arrays
from .processes import featgeom, shell, small_disk, visible_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits, pipes and mounts of Unix")
LITTLE = ("Too many open files", "File too large", "No space left on device")


def hidden(folder):
    return {p.name for p in folder.rglob(".*") if p.name != ".lock"}


@pytest.mark.parametrize("command", ["verify", "report", "collapse"])
def test_few_descriptors(command, copied):
    before = visible_files(copied)
    done = featgeom([command, copied, "--quiet"], {"NOFILE": 7})
    assert done.one_line, done
    assert "raise the limit of open files" in done.err
    assert visible_files(copied) == before
    assert hidden(copied) == set()


@pytest.mark.parametrize("size", [0, 3_000, 30_000])
def test_a_limit_of_the_size_of_files(size, copied, tmp_path):
    before = visible_files(copied)
    done = featgeom(["collapse", copied, "--quiet"], {"FSIZE": size})
    assert done.one_line, done
    assert f"{copied}/" in done.err or "temporary directory" in done.err  # what could not be written is named
    assert "ulimit -f" in done.err
    after = visible_files(copied)
    assert set(after) == set(before)
    assert fg.open_run(copied).damages() == []
    assert hidden(copied) == set()
    words = ["analyze", write_arrays(tmp_path / "f.npz"), "--studies", "overview", "--quiet"]
    done = featgeom([*words, "-o", tmp_path / "new"], {"FSIZE": size})
    assert done.one_line, done


def test_a_full_disk_and_then_room(copied, tmp_path):
    arrays = write_arrays(tmp_path / "f.npz")
    words = ["analyze", arrays, "--studies", "overview", "--quiet", "-o"]
    try:
        with small_disk(tmp_path / "disk", 40) as disk:
            done = featgeom([*words, disk / "run"])
            assert done.one_line, done
            assert f"{disk / 'run'}/" in done.err
            assert "make room" in done.err
            assert hidden(disk / "run") == set()
            subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
            assert featgeom([*words, disk / "run"]).status == 0
            assert featgeom(["verify", disk / "run"]).status == 0
            shutil.rmtree(disk / "run")
            shutil.copytree(copied, disk / "run")
            before = visible_files(disk / "run")
            (disk / "other").write_bytes(bytes(1 << 20))
            used = sum(4096 * -(-p.stat().st_size // 4096) for p in disk.rglob("*") if p.is_file())
            subprocess.run(["mount", "-o", f"remount,size={used}", str(disk)], check=True)
            assert featgeom(["report", disk / "run"]).one_line
            assert visible_files(disk / "run") == before
            assert featgeom(["verify", disk / "run"]).status == 0
    except PermissionError:
        pytest.skip("mounting a small disk takes root")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_an_output_that_takes_nothing(more, whole):
    with open("/dev/full", "wb") as full:
        done = featgeom(["verify", whole, *more], stdout=full)
        assert done.one_line
        assert "standard output: No space left" in done.err
        assert featgeom(["verify", whole.parent / "nothing"], stderr=full).status == 2


@pytest.mark.parametrize(
    "line",
    [
        "featgeom verify '{run}' | true; echo ${{PIPESTATUS[0]}}",
        "featgeom verify '{run}' --json | true; echo ${{PIPESTATUS[0]}}",
        "featgeom --help | true; echo ${{PIPESTATUS[0]}}",
        "featgeom report '{run}' | true; echo ${{PIPESTATUS[0]}}",
        "featgeom verify '{run}' >&-; echo $?",
    ],
)
def test_a_pipe_that_closes_is_no_answer(line, whole):
    done = shell(line.format(run=whole))
    assert done.one_line, done


def test_closed_streams_are_not_written_into_files(copied):
    before = visible_files(copied)
    assert shell(f"featgeom verify '{copied}' >/dev/null 2>&- <&-; echo $?").status == 0
    assert (
        shell(f"featgeom verify '{copied}/nothing' 2>&1 >/dev/null | true; echo ${{PIPESTATUS[0]}}").status
        == 2
    )
    assert shell(f"featgeom verify '{copied}' 2>&- >&-; echo $?").status == 2
    assert visible_files(copied) == before


def test_no_home_and_no_place_for_compiled_kernels(tmp_path):
    places = (
        "HOME",
        "XDG_CACHE_HOME",
        "XDG_STATE_HOME",
        "XDG_CONFIG_HOME",
        "MPLCONFIGDIR",
        "TMPDIR",
        "NUMBA_CACHE_DIR",
    )
    nowhere = dict.fromkeys(places, "/proc/nowhere") | {
        "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"
    }
    words = ["analyze", write_arrays(tmp_path / "f.npz"), "--studies", "overview", "--quiet"]
    done = featgeom([*words, "-o", tmp_path / "run"], env=nowhere)
    assert done.status == 0, done
    assert done.err == ""
    assert featgeom(["verify", tmp_path / "run"], env=nowhere).status == 0


def test_kernels_that_cannot_be_kept_are_compiled_for_this_process(tmp_path):
    code = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "import numpy as np\n"
        "from featgeom.hulls.minimum_norm import dot\n"
        "print(dot(np.ones(3), np.ones(3)))\n"
    )
    place = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=place, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("3.0\n", "")
