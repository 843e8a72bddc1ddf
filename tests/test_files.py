"""Documents are written as the standard library writes them, indented, and without what is no JSON."""

import json

import pytest

from featgeom.files import json_bytes

DEEP = {
    "a": [],
    "b": {},
    "c": [1, [2, [], {"d": None}]],
    "é": 'ü\n"\u2028</script>\x7f',
    "e": {1: True, "": -0.0},
}


@pytest.mark.parametrize("value", [{}, [], [[[]]], "a", DEEP, [1e300, 1e16, 1.0, 1e-7, 2**70], [DEEP] * 3])
def test_the_bytes_are_those_of_the_standard_library(value):
    assert json_bytes(value) == (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("inf")], {"a": -float("inf")}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes(value)


def test_the_encoder_is_the_compiled_one(monkeypatch):
    def in_python(*_):
        raise AssertionError("a document was encoded in Python")

    monkeypatch.setattr(json.encoder, "_make_iterencode", in_python)
    assert json_bytes(DEEP)
