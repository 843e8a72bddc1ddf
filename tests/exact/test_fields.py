"""The door: of every declared type only what is allowed gets in, and one bad row does not sink the others."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_array, csr_array, csr_matrix

from featgeom.exact.fields import Refused, admit, floats, sparse, stored, truths, whole, word


@dataclass(frozen=True, eq=False)
class Form:
    """One field of each sort."""

    points: Any = stored("n", "d", some=True)
    values: Any = floats("q", "d")
    room: Any = floats("q", low=0, infinite="+")
    place: Any = floats("q", low=0, high=9)
    rows: Any = whole("m", below="n", rising=True)
    marks: Any = truths("q")
    weights: Any = sparse("q", "n", low=0)
    base: Any = floats("b", "d", mixed=("b", "n"))
    number: Any = floats(low=-1)
    count: Any = whole(low=2, below="n")
    fine: Any = truths()
    name: Any = word("left", "right")


FORM = Form(
    points=np.zeros((5, 2), np.float32),
    values=np.ones((3, 2)),
    room=np.array([0.0, 9.0, np.inf]),
    place=np.array([0.0, 9.0, 1.0]),
    rows=np.array([0, 4]),
    marks=np.array([True, False, True]),
    weights=csr_array(np.eye(3, 5)),
    base=np.zeros((1, 2)),
    number=0.5,
    count=3,
    fine=True,
    name="left",
)


def let_in(**changes):
    return admit(replace(FORM, **changes), "q")


def refused(**changes):
    with pytest.raises(Refused) as caught:
        let_in(**changes)
    return str(caught.value)


def test_what_is_right_gets_in_as_it_is():
    fields, faulty = let_in()
    assert fields["points"].dtype == np.float32
    assert not faulty.any()
    assert all(fields[name] is not None for name in vars(FORM))


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int16, np.int32, np.int64, np.float32, np.float64, ">f8", ">i4"]
)
def test_signed_and_real_numbers_are_converted_exactly(dtype):
    fields, _ = let_in(values=np.arange(6).reshape(3, 2).astype(dtype), points=np.ones((5, 2), dtype))
    assert fields["values"].dtype == np.float64
    assert fields["points"].dtype == (np.float32 if dtype == np.float32 else np.float64)
    assert fields["values"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert fields["points"].dtype.isnative


OTHERS = [np.uint8, np.uint64, np.float16, np.longdouble, np.complex128, object, bool, "U3", "S3"]


@pytest.mark.parametrize("dtype", OTHERS, ids=str)
@pytest.mark.parametrize("field", ["points", "values", "room", "rows", "base"])
def test_other_types_do_not(field, dtype):
    assert "holds" in refused(**{field: np.zeros(getattr(FORM, field).shape).astype(dtype)})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.longdouble, np.complex128], ids=str)
def test_other_types_do_not_in_a_sparse_matrix(dtype):
    given = FORM.weights
    made = csr_array((given.data.astype(dtype), given.indices, given.indptr), given.shape)
    assert "holds" in refused(weights=made)


@pytest.mark.parametrize("dtype", [np.int8, np.float64, np.uint8, object])
def test_truths_are_truths(dtype):
    assert "not truth values" in refused(marks=np.ones(3, dtype))


class Array(np.ndarray):
    """An array that is not quite one."""


@pytest.mark.parametrize(
    "value",
    [
        None,
        [0.0, 1.0, 2.0],
        1.0,
        "text",
        np.ma.zeros(3),
        np.array([[1.0]]).view(np.matrix),
        np.zeros(3).view(Array),
        csr_array((3, 1)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_no_array_does_not(value):
    assert "is no array" in refused(room=value)


@pytest.mark.parametrize("value", [None, np.eye(3, 5), csr_matrix(np.eye(3, 5)), csc_array(np.eye(3, 5))])
def test_what_is_no_sparse_array_does_not(value):
    assert "no sparse matrix" in refused(weights=value)


def test_whole_numbers_that_float64_does_not_hold_do_not():
    big = np.full((3, 2), 2**53 + 1)
    for wrong in (big, -big):
        assert "that float64 does not" in refused(values=wrong)
    assert not let_in(values=big - 1)[1].any()
    assert "out of range" in refused(rows=np.array([0, 2**60]))
    assert "no whole number that float64 holds" in refused(number=2**53 + 1)
    assert "no whole number that float64 holds" in refused(count=2**70)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("values", np.ones((3, 3)), "where d is 2"),
        ("values", np.ones(3), "dimensions, not 2"),
        ("room", np.ones((3, 1)), "dimensions, not 1"),
        ("room", np.ones(2), "where q is 3"),
        ("marks", np.ones(4, bool), "where q is 3"),
        ("weights", csr_array((3, 4)), "where n is 5"),
        ("weights", csr_array((2, 5)), "where q is 3"),
        ("base", np.ones((1, 3)), "where d is 2"),
        ("base", csr_array((1, 4)), "where n is 5"),
        ("points", np.zeros((0, 2)), "is empty"),
        ("rows", np.array([1, 1]), "does not rise"),
        ("rows", np.array([1, 0]), "does not rise"),
        ("rows", np.array([-1, 0]), "out of range"),
        ("rows", np.array([0, 5]), "out of range"),
        ("points", np.full((5, 2), np.nan), "out of range"),
        ("points", np.full((5, 2), -np.inf), "out of range"),
        ("base", np.array([[np.inf, 0]]), "out of range"),
        ("base", csr_array([[-1.0, 2, 0, 0, 0]]), "out of range"),
    ],
)
def test_shapes_and_ranges(field, value, why):
    assert why in refused(**{field: value})


NO_NUMBERS = [
    np.nan,
    -np.inf,
    np.inf,
    -1.5,
    "1",
    None,
    1j,
    True,
    np.float16(1),
    np.longdouble(1),
    np.uint8(1),
]


@pytest.mark.parametrize("value", [*NO_NUMBERS, np.bool_(True), np.array(1.0)], ids=repr)
def test_a_number_is_a_number(value):
    assert refused(number=value).startswith("number")


def test_numbers_are_converted():
    for value in (1, 1.0, np.int8(1), np.float32(1), np.float64(1)):
        number = let_in(number=value)[0]["number"]
        assert type(number) is float
        assert number == 1
    for value in (3, np.int16(3)):
        assert type(let_in(count=value)[0]["count"]) is int
    assert let_in(fine=np.bool_(False))[0]["fine"] is False


@pytest.mark.parametrize(
    "change", [{"count": 1}, {"count": 5}, {"count": 3.0}, {"count": True}, {"fine": 1}, {"fine": "yes"},
               {"name": "up"}, {"name": None}, {"name": b"left"}], ids=repr
)  # fmt: skip
def test_other_plain_values_do_not(change):
    assert refused(**change).startswith(next(iter(change)))


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ({"values": np.array([[1, 1], [np.nan, 1], [1, 1]])}, [1]),
        ({"values": np.array([[1, 1], [1, 1], [1, -np.inf]])}, [2]),
        ({"room": np.array([-1e-300, 9.1, np.nan])}, [0, 2]),
        ({"place": np.array([-1e-300, 9.1, np.nan])}, [0, 1, 2]),
        ({"place": np.array([1, np.inf, 9])}, [1]),
        ({"room": np.array([0, -np.inf, 1])}, [1]),
        ({"weights": csr_array(np.eye(3, 5) * [1, -1, 1, 1, 1])}, [1]),
        ({"weights": csr_array(([1, 1, np.inf], [0, 1, 2], [0, 1, 2, 3]), (3, 5))}, [2]),
        ({"weights": csr_array(([1.0, 1, 1, 1], [1, 0, 2, 2], [0, 2, 3, 4]), (3, 5))}, [0]),
        ({"weights": csr_array(([1.0, 1, 1, 1], [0, 1, 2, 2], [0, 1, 2, 4]), (3, 5))}, [2]),
    ],
)
def test_a_bad_row_is_set_aside_alone(change, bad):
    fields, faulty = let_in(**change)
    assert np.flatnonzero(faulty).tolist() == bad
    for name in change:
        value = fields[name].toarray() if name == "weights" else fields[name]
        assert np.isfinite(value[bad]).all()
        assert (value[bad] >= 0).all()


def test_a_number_of_a_column_that_is_not_there_is_a_bad_row():
    wrong = csr_array(np.eye(3, 5))
    wrong.indices = np.array([0, 5, 2])
    assert let_in(weights=wrong)[1].tolist() == [False, True, False]
    wrong.indices = np.array([0, 1, -1])
    assert let_in(weights=wrong)[1].tolist() == [False, False, True]


@pytest.mark.parametrize(
    "start",
    [
        [0, 1, 2],
        [1, 1, 2, 3],
        [0, 1, 2, 2],
        [0, 2, 1, 3],
        [0, 4, 2, 3],
        [0, 2**63 - 1, -2, 3],
        [0.0, 1, 2, 3],
        [0, 1, 2, 3, 3],
        [[0, 1, 2, 3]],
    ],
)
def test_a_matrix_whose_rows_are_not_in_order_does_not_get_in(start):
    wrong = csr_array(np.eye(3, 5))
    wrong.indptr = np.array(start)
    assert refused(weights=wrong).startswith("weights")
    for data, indices in (
        (np.ones(2), np.arange(3)),
        (np.ones(3), np.arange(4)),
        (np.ones((3, 1)), np.zeros((3, 1), int)),
    ):
        wrong = csr_array(np.eye(3, 5))
        wrong.data, wrong.indices = data, indices
        assert refused(weights=wrong) == "weights is not a sparse matrix by rows"


def test_one_statement_has_no_rows_to_set_aside():
    with pytest.raises(Refused, match="values holds a value"):
        admit(replace(FORM, values=np.full((3, 2), np.nan)), "")
    assert admit(FORM, "")[1].tolist() == [False]


@dataclass(frozen=True, eq=False)
class Early:
    """Fields whose lengths are told by later ones, and numbers of any size."""

    base: Any = floats("b", "d", mixed=("b", "n"))
    rows: Any = whole("m", below="n")
    weights: Any = sparse("q", "n")
    points: Any = stored("k", "d")
    many: Any = floats("s")
    one: Any = floats()


EARLY = Early(
    base=np.zeros((1, 2)),
    rows=np.array([4]),
    weights=csr_array((3, 5)),
    points=np.zeros((6, 2)),
    many=np.zeros(0, np.int64),
    one=2**53,
)


def test_lengths_are_known_from_any_field():
    for base in (EARLY.base, csr_array((1, 5))):
        assert admit(replace(EARLY, base=base), "")[0]["rows"].tolist() == [4]
    for base, why in ((np.zeros((1, 5)), "where d is 2"), (csr_array((1, 2)), "n is 5")):
        with pytest.raises(Refused, match=f"(base|points|weights|rows) .*{why}|n is 2|d is 5"):
            admit(replace(EARLY, base=base), "")
    assert "no sparse matrix" in refused(weights=SimpleNamespace(shape=("x", "y")))


def test_the_largest_whole_numbers_that_float64_holds():
    most = 2**53
    for one in (most, -most):
        assert admit(replace(EARLY, one=one, many=np.array([0, one])), "")[0]["many"].tolist() == [0, one]
        with pytest.raises(Refused, match="many"):
            admit(replace(EARLY, many=np.array([0, one + (1 if one > 0 else -1)])), "")


def test_a_word_is_a_text_and_a_count_is_whole():
    assert "is none of left, right" in refused(name=np.array("left"))
    assert "no whole number" in refused(count=3.0)
    assert "no whole number" in refused(count=True)
