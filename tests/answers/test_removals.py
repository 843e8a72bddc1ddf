"""Samples whose removal separates hulls: proved, none to spare, and never fewer than must be."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

import featgeom as fg
from featgeom.answers.removals import removal, removals
from featgeom.certificates.separations import HullOverlap, HullSeparation
from featgeom.status import Status
from featgeom_cli.main import run as featgeom


def meet(a, b):
    """Whether two hulls share a point, by a linear program of another solver."""
    if not len(a) or not len(b):
        return False
    equal = np.vstack(
        [np.hstack([a.T, -b.T]), np.repeat([1.0, 0], [len(a), len(b)]), np.repeat([0, 1.0], [len(a), len(b)])]
    )
    return linprog(np.zeros(len(a) + len(b)), A_eq=equal, b_eq=[*np.zeros(a.shape[1]), 1, 1]).status == 0


def mixed(seed, n=7):
    rng = np.random.default_rng(seed)
    shift = np.array([1.1, 0])
    return shift + rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) - shift


HEAD = fg.AffineHead([[1.0, 0], [-1, 0]])
SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_lists_are_enough_none_is_to_spare_and_the_bound_holds(seed):
    a, b = mixed(seed)
    found = removal(a, b, HEAD, (0, 1))
    if not meet(a, b):
        assert (found.status, len(found), found.at_least) == (Status.SEPARATED, 0, 0)
        assert set(found.certificate.check().tally) == {"PROVED"}
        return
    assert found.status is Status.OVERLAPPING
    rest = np.delete(a, found.first, axis=0), np.delete(b, found.second, axis=0)
    assert not meet(*rest)
    assert set(found.certificate.check().tally) == {"PROVED"}
    for row in found.first:
        assert meet(np.vstack([rest[0], a[[row]]]), rest[1])
    for row in found.second:
        assert meet(rest[0], np.vstack([rest[1], b[[row]]]))
    assert 1 <= found.at_least <= shortest(a, b) <= len(found)


def shortest(a, b):
    """How many points must go until two hulls are apart, by trying all."""
    everyone = range(len(a) + len(b))
    return next(
        k
        for k in everyone
        for gone in itertools.combinations(everyone, k)
        if not meet(
            np.delete(a, [i for i in gone if i < len(a)], axis=0),
            np.delete(b, [i - len(a) for i in gone if i >= len(a)], axis=0),
        )
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_meetings_are_proved_and_have_no_row_in_common(seed):
    a, b = mixed(seed, 12)
    found = removal(a, b, HEAD, (0, 1))
    assert found.at_least == len(found.meetings)
    out = np.zeros(len(a), bool), np.zeros(len(b), bool)
    for meeting in found.meetings:
        claim = meeting.certificate
        assert set(claim.check().tally) == {"PROVED"}
        np.testing.assert_array_equal(claim.points_a, a[~out[0]])
        np.testing.assert_array_equal(claim.points_b, b[~out[1]])
        for gone, rows in zip(out, (meeting.first, meeting.second), strict=True):
            assert not gone[rows].any()
            gone[rows] = True
        assert meet(a[meeting.first], b[meeting.second])
    assert not meet(a[~out[0]], b[~out[1]])  # nor is there another


def test_some_bound_is_two_or_more():
    bounds = [removal(*mixed(seed, 12), HEAD, (0, 1)).at_least for seed in SEEDS]
    assert max(bounds) >= 2


def test_the_deepest_is_taken_back_last():
    """Either of two points may come back, not both: the one nearer the boundary does."""
    shallow, deep = [-1.0, -2], [-3.0, 2]
    b = np.array([[-1.5, 0.0], [-4, 0]])
    for order in ((shallow, deep), (deep, shallow)):
        a = np.array([[1.0, 0], *order, [2, 0]])
        assert not meet(a[[0, 1, 3]], b)
        assert not meet(a[[0, 2, 3]], b)
        found = removal(a, b, HEAD, (0, 1))
        assert a[found.first].tolist() == [deep]
        assert len(found.second) == 0


@pytest.mark.parametrize("kind", [HullOverlap, HullSeparation])
def test_nothing_is_said_where_its_claim_does_not_hold(monkeypatch, kind):
    a, b = next(mixed(seed) for seed in SEEDS if meet(*mixed(seed)))
    assert removal(a, b, HEAD, (0, 1)).certificate is not None
    monkeypatch.setattr(kind, "decide", lambda self, i: (Status.UNDECIDED, "on purpose"))
    monkeypatch.setattr(kind, "screened", lambda self: np.zeros(len(self), bool), raising=False)
    found = removal(a, b, HEAD, (0, 1))
    assert (len(found), found.certificate) == (0, None)
    known = kind is HullSeparation  # that they meet is proved, that the rest is apart is not
    assert found.status is (Status.OVERLAPPING if known else Status.UNDECIDED)
    assert (found.at_least >= 1) == known


def test_the_shortest_list_comes_first_and_the_command_writes_it(run_of, tmp_path, capsys):
    z = 4 * np.eye(3).repeat(6, axis=0) + np.random.default_rng(0).random((18, 3))
    labels = np.repeat([0, 1, 2], 6)
    z[0], z[6], z[7] = z[1:6].mean(axis=0), z[8:12].mean(axis=0), z[8:12].T @ [0.3, 0.3, 0.2, 0.2]
    labels[[0, 6, 7]] = [1, 2, 2]  # what lies amid class 0 is called 1, two amid class 1 are called 2
    run = run_of(features=z, labels=labels)
    found = removals(run)
    said = {row[:2]: row[2:] for row in found.rows}
    assert said[("0", "1")] == (1, 1, "all:0")
    assert said[("1", "2")] in [(2, 1, "all:6 all:7"), (2, 2, "all:6 all:7")]
    assert found.column("removed") == sorted(found.column("removed"))
    out = tmp_path / "out"
    assert featgeom(["suspects", str(run.folder), "--separate", "-o", str(out), "--quiet"]) == 0
    assert "all:6 all:7" in capsys.readouterr().out
    assert (out / "removals.csv").read_text().splitlines()[1] == "0,1,1,1,all:0"
    assert "all:6 all:7" in (out / "suspects.html").read_text()


def test_hulls_that_meet_have_a_row_also_where_no_list_is_proved(run_of, tmp_path, capsys):
    """Every sample of class 1 is on the wrong side: its hull meets that of class 0, and no list is found."""
    z = [[3.0, 0], [5, 0], [4, 2], [4, 0.5], [4, 0.6]]
    run = run_of(features=z, labels=[0, 0, 0, 1, 1])
    found = removals(run)
    assert found.rows == (("0", "1", None, 1, ""),)
    assert found.note.startswith(
        "Of 1 pairs of hulls 1 are proved to meet, 0 to be apart, and 0 are undecided."
    )
    out = tmp_path / "out"
    assert featgeom(["suspects", str(run.folder), "--separate", "-o", str(out), "--quiet"]) == 0
    assert "1 are proved to meet" in capsys.readouterr().out
    assert (out / "removals.csv").read_text().splitlines()[1:] == ["0,1,,1,"]
    assert "1 are proved to meet" in (out / "suspects.html").read_text()


def test_lists_come_before_pairs_without_one(run_of):
    of_0 = [[3.0, 0, 0], [5, 0, 0], [4, 2, 0], [0.5, 0.5, 9]]  # the last lies between both of class 2
    of_1, of_2 = [[4, 0.5, 0], [4, 0.6, 0]], [[0, 0, 9.0], [1, 1, 9]]
    found = removals(run_of(features=np.array(of_0 + of_1 + of_2), labels=[0, 0, 0, 0, 1, 1, 2, 2]))
    assert [row[:3] for row in found.rows] == [("0", "2", 1), ("0", "1", None)]


def test_undecided_pairs_are_counted(run_of, monkeypatch, capsys):
    monkeypatch.setattr(HullSeparation, "decide", lambda self, i: (Status.UNDECIDED, "on purpose"))
    monkeypatch.setattr(HullSeparation, "screened", lambda self: np.zeros(len(self), bool), raising=False)
    run = run_of(features=4 * np.eye(3).repeat(3, axis=0) + 0.0, labels=np.repeat([0, 1, 2], 3))
    assert removals(run).note.startswith(
        "Of 3 pairs of hulls 0 are proved to meet, 0 to be apart, and 3 are undecided."
    )
    assert featgeom(["suspects", str(run.folder), "--separate", "--quiet"]) == 0
    assert "3 are undecided" in capsys.readouterr().out


def test_the_device_asked_for_computes_the_removals(run_of, monkeypatch):
    asked = []
    hull = fg.ConvexHull

    def telling(points, device="cpu"):
        asked.append(device)
        return hull(points, device="cpu")

    monkeypatch.setattr("featgeom.answers.removals.ConvexHull", telling)
    run = run_of(features=4 * np.eye(2).repeat(3, axis=0), labels=np.repeat([0, 1], 3))
    assert featgeom(["suspects", str(run.folder), "--separate", "--device", "cpu", "--quiet"]) == 0
    removals(run, "cuda:1")
    assert asked == ["cpu"] * 2 + ["cuda:1"] * 2
