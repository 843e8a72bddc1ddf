"""A run shared among processes: the same bytes as of one, a killed worker or none; refusals in a line."""

import importlib.util
import os
import shutil
import signal
import sys

import numpy as np
import pytest

from featgeom import FeatgeomError, analyze, cluster, open_run
from featgeom.errors import BadArgument, BadData
from featgeom.proofs import verification
from featgeom.remarks import heard
from featgeom.runs import sharing
from featgeom.runs.claims import load_claims
from featgeom.runs.letters import Letters, written
from featgeom.studies import hulls, nearest_flips
from featgeom.workers import _clients, held_back, in_order
from featgeom_cli.main import run as featgeom_run

pytest.importorskip("distributed")

OPTIONS = {"flips": {"samples": 4}}
STUDIES = "hulls,flips"


@pytest.fixture(scope="module", autouse=True)
def few_images_at_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("featgeom.studies.asking.AT_ONCE", 2)
        yield


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return analyze("digits", "digits", tmp_path_factory.mktemp("alone") / "run", STUDIES, options=OPTIONS)


@pytest.fixture(scope="module")
def two():
    with cluster(workers=2):
        yield _clients[-1]


@pytest.fixture
def copy(alone, tmp_path):
    return open_run(shutil.copytree(alone.folder, tmp_path / "run"))


@pytest.fixture
def killer(two, monkeypatch):
    """Kills a worker when the first answer has come; the list of those that were."""
    killed = []
    read = Letters.read

    def kill_one(self, letter):
        if not killed:
            killed.append(min(two.run(os.getpid).values()))
            os.kill(killed[0], signal.SIGKILL)
        return read(self, letter)

    monkeypatch.setattr(Letters, "read", kill_one)
    yield killed
    two.wait_for_workers(2)


def arrays_of(run, study):
    found = {}
    for folder in ("claims", "results"):
        with np.load(run.folder / folder / f"{study}.npz") as packed:
            found |= {(folder, name): packed[name] for name in packed.files}
    return found


def assert_same(run, other, study):
    mine, theirs = arrays_of(run, study), arrays_of(other, study)
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, theirs[name], str(name))
    assert run.result(study).findings == other.result(study).findings
    assert run.result(study).values == other.result(study).values


def told(verification):
    return [(c.study, c.name, c.tally, c.failures) for c in (*verification.checks, *verification.said)]


def test_extraction_studies_and_verification_are_those_of_one_process(alone, two, tmp_path):
    shared = analyze("digits", "digits", tmp_path / "run", STUDIES, options=OPTIONS)
    for file in ("features/train/features.safetensors", "features/test/features.safetensors"):
        assert (shared.folder / file).read_bytes() == (alone.folder / file).read_bytes()
    for study in ("hulls", "flips"):
        assert_same(shared, alone, study)
    found = shared.verify()
    assert found.holds
    assert len(found.checks) > 100


def test_a_killed_worker_costs_time_alone(alone, copy, killer):
    copy.study("hulls")
    assert killed_and_replaced(killer)
    assert_same(copy, alone, "hulls")


def test_a_worker_killed_while_it_verifies_changes_no_verdict(copy, killer, monkeypatch):
    copy.report()
    shared = copy.verify()
    assert killed_and_replaced(killer)
    monkeypatch.setattr("featgeom.proofs.verification.in_use", lambda: False)
    assert told(shared) == told(copy.verify())
    assert shared.holds


def killed_and_replaced(killer):
    (pid,) = killer
    return pid not in _clients[-1].run(os.getpid).values()


def test_a_false_claim_is_refuted_by_workers_too(copy, two):
    path = copy.folder / "claims" / "hulls.npz"
    with np.load(path) as packed:
        arrays = dict(packed)
    name = max(arrays, key=lambda name: arrays[name].size * (arrays[name].dtype == np.float64))
    arrays[name] = arrays[name][::-1].copy()
    np.savez(path, **arrays)
    assert copy.verify().refuted


def test_questions_asked_in_parts_have_the_answers_proved(copy, two, monkeypatch):
    monkeypatch.setattr(hulls, "QUESTIONS", 100)
    copy.study("hulls")
    copy.report()
    assert copy.verify().holds
    whole = {one.name: one.claim for one in copy.claims("hulls")}
    assert len(whole["distance-everything"]) == 500
    assert (np.diff(whole["extreme-everything"].rows) > 0).all()


def test_flips_found_in_parts_have_one_claim_that_is_proved(copy, two, monkeypatch):
    monkeypatch.setattr(nearest_flips, "SAMPLES", 150)
    shared = copy.study("boundaries", traces=False)
    assert copy.verify().refuted == 0
    (stored,) = [one for one in copy.claims("boundaries") if one.name == "nearest"]
    assert stored.claim.owner.tolist() == list(range(500))
    monkeypatch.setattr(nearest_flips, "in_use", lambda: False)
    alone = copy.study("boundaries", traces=False)
    for name in ("distance", "lower_bound"):
        np.testing.assert_allclose(shared.arrays[name], alone.arrays[name], rtol=1e-12)
    np.testing.assert_array_equal(shared.arrays["rival"], alone.arrays["rival"])


def test_what_claims_are_about_is_not_sent(copy, two):
    letter = written(hulls_of_all(copy, None))
    assert len(letter) < copy.features("train").features.nbytes / 10
    (claim,) = Letters(lambda: copy.subjects).read(letter).values()
    np.testing.assert_array_equal(claim.points, copy.features("train").features)


def hulls_of_all(run, _):
    found = hulls.Found.of(run, {})
    points = hulls.convex(run, hulls.proof.hulls(found)[0].of, "cpu")
    return {"ball": points.enclosing_ball().certificate.named(points="train/features")}


def test_an_error_of_a_worker_is_the_same_error(two):
    with pytest.raises(BadArgument, match="threads: expected a whole number"):
        list(in_order(importlib.import_module("featgeom.threads").set_threads, [0]))


def test_more_tasks_than_workers_come_back_in_order(two):
    assert list(in_order(abs, range(-50, 0))) == list(range(50, 0, -1))


def as_a_worker_sees_it(run, **other):
    task = sharing._Task(run, lambda run, item: item, sharing.features_files(run))
    seen = tuple((dict(task.seen) | other).items())
    return sharing._run_of(task.folder, None, seen, task.mark)


def test_a_worker_refuses_another_run_under_the_same_path_and_other_code(copy):
    assert as_a_worker_sees_it(copy).asked == copy.asked
    with pytest.raises(BadData, match="a worker finds another run there"):
        as_a_worker_sees_it(copy, **{"run.json": "0" * 64})
    with pytest.raises(BadData, match="a worker has another version of featgeom"):
        as_a_worker_sees_it(copy, featgeom="0.1.0")
    copy.folder = copy.folder / "nowhere"
    with pytest.raises(BadData, match="every worker must find the run under this path"):
        as_a_worker_sees_it(copy)


def last_bit(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def another_blank(content):
    return content + b" "


@pytest.mark.parametrize(
    ("place", "altered"),
    [
        ("features/test/features.safetensors", last_bit),
        ("results/hulls.json", another_blank),
        ("claims/hulls.json", another_blank),
    ],
)
def test_what_is_verified_by_workers_are_the_files_that_are_here(
    alone, copy, two, place, altered, monkeypatch
):
    """Another run here than a worker sees, as where its folder is an old copy: nothing is said of either."""
    (copy.folder / place).write_bytes(altered((copy.folder / place).read_bytes()))
    task = sharing._Task

    def elsewhere(*given):
        made = task(*given)
        made.folder = str(alone.folder)
        return made

    monkeypatch.setattr(sharing, "_Task", elsewhere)
    with pytest.raises(BadData, match=f"a worker finds another {place} there"):
        copy.verify()


def test_claims_that_a_worker_leaves_out_are_missed(copy, two, monkeypatch):
    real = verification.shared
    monkeypatch.setattr(verification, "shared", lambda *given: (answer[1:] for answer in real(*given)))
    with pytest.raises(BadData, match=r"a worker looked at \d+ of \d+ claims"):
        copy.verify()


def test_a_scheduler_that_somebody_started_is_used(copy, capsys, monkeypatch):
    from distributed import LocalCluster

    asked, real = [], sharing.in_order
    monkeypatch.setattr(
        sharing, "in_order", lambda *given: asked.append(_clients[-1].scheduler.address) or real(*given)
    )
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as started:
        words = ["verify", str(copy.folder), "--json", "--quiet", "--scheduler", started.scheduler_address]
        status = featgeom_run(words)
    said = capsys.readouterr()
    assert status == 0
    assert not said.err
    assert set(asked) == {started.scheduler_address}


@pytest.fixture
def without_workers(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr("featgeom.workers.SOON", 0.1)
    with LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as started:
        yield started


def test_that_no_worker_is_there_is_said_once_and_waited_for(without_workers):
    said = []

    def hears(line):
        said.append(line)
        without_workers.scale(1)

    with heard(hears, alone=True), cluster(scheduler=without_workers.scheduler_address):
        assert list(in_order(abs, [-1, -2])) == [1, 2]
    assert said == ["the scheduler of dask has no workers: waiting for one to come"]


def test_a_scheduler_that_ends_meanwhile_is_told_in_a_line(without_workers, capfd):
    with (
        heard(lambda line: without_workers.close(), alone=True),
        cluster(scheduler=without_workers.scheduler_address),
        pytest.raises(FeatgeomError, match="the scheduler of dask is gone"),
    ):
        list(in_order(abs, [-1]))
    assert not capfd.readouterr().err


def test_an_interruption_comes_to_this_process_alone(two):
    of_workers = two.run(signal.pthread_sigmask, signal.SIG_BLOCK, [])
    assert all(signal.SIGINT in held_back for held_back in of_workers.values())
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def interrupting(monkeypatch, name):
    """Lets one interruption come while dask does something with an answer; how many have come."""
    from distributed.client import Future

    real, came = getattr(Future, name), []

    def interrupted(self, *given):
        if not came:
            came.append(name)
            signal.raise_signal(signal.SIGINT)
        return real(self, *given)

    monkeypatch.setattr(Future, name, interrupted)
    return came


@pytest.fixture(scope="module")
def one_worker():
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as started:
        yield started


@pytest.fixture
def interruptible():
    """As in a terminal: a process that a shell starts in the background has interruptions ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("name", ["release", "result", "add_done_callback"])
def test_an_interruption_is_never_lost_and_the_workers_can_be_asked_again(one_worker, monkeypatch, name):
    """As while an answer that was read is cleared away (``release``), where Python drops what is raised."""
    with cluster(scheduler=one_worker.scheduler_address):
        came = interrupting(monkeypatch, name)
        with pytest.raises(KeyboardInterrupt):
            list(in_order(abs, range(-50, 0)))
        assert came == [name]
        assert list(in_order(abs, [-1, -2])) == [1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Cleared:
    """Interrupts who clears it away."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_that_python_drops_at_any_time_is_heeded(one_worker, capfd):
    """As where a round of the garbage collector clears something away."""
    hook = sys.unraisablehook
    with cluster(scheduler=one_worker.scheduler_address):
        answers = in_order(abs, range(-50, 0))
        assert next(answers) == 50
        Cleared()
        with pytest.raises(KeyboardInterrupt):
            list(answers)
        assert list(in_order(abs, [-1, -2])) == [1, 2]
    assert sys.unraisablehook is hook
    assert not capfd.readouterr().err


@pytest.mark.usefixtures("interruptible")
def test_the_second_interruption_is_heeded_at_once():
    with pytest.raises(KeyboardInterrupt), held_back():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it was not")
    with held_back():
        pass


def test_processes_that_cannot_be_started_are_told_in_a_line(monkeypatch):
    def fails(**given):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", fails)
    with pytest.raises(FeatgeomError, match="2 processes could not be started"), cluster(2):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "nowhere://x"])
def test_a_wrong_address_is_refused_in_a_line(copy, address, capsys, monkeypatch):
    monkeypatch.setattr("featgeom.workers.PATIENCE", 1)
    assert featgeom_run(["verify", str(copy.folder), "--scheduler", address]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"no scheduler of dask answers at '{address}'" in said[0]


def test_without_the_extra_its_name_is_said(copy, capsys, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "distributed" else real(name, *more)
    )
    assert featgeom_run(["hulls", str(copy.folder), "--workers", "2"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "python -m pip install 'featgeom[cluster]'" in said


def test_workers_and_a_scheduler_do_not_go_together():
    with pytest.raises(FeatgeomError, match="expected one of the two"), cluster(2, "tcp://host:8786"):
        pass


def test_claims_that_were_read_from_disk_are_sent_with_their_words(copy):
    known = copy.subjects.beside(copy.arrays("hulls"))
    for one in load_claims(copy.folder / "claims" / "hulls.json", known)[:5]:
        again = Letters(lambda: known).read(written(one))
        assert (again.name, again.kind, again.about) == (one.name, one.kind, one.about)
        assert again.claim.words == one.claim.words
        assert set(again.claim.check().status) == set(one.claim.check().status)
