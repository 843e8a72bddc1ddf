"""The page on certificates is complete: a second checker can be written from it alone."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from featgeom.certificates.claim import KINDS
from featgeom.exact.fields import specs
from featgeom.runs.claims import FORMAT, import_claims

PAGE = (Path(__file__).parents[2] / "docs" / "certificates.md").read_text("utf-8")
import_claims()
OF_A_KIND = {name: kind for name, kind in KINDS.items() if kind.__module__.startswith("featgeom.")}


@pytest.mark.parametrize("name", sorted(OF_A_KIND))
def test_every_kind_with_its_subjects_and_fields_is_told(name):
    kind = OF_A_KIND[name]
    said = next(p for p in re.split(r"\n(?=\*\*|#)", PAGE) if f"**{name}**" in p.partition("—")[0])
    named = {field for names in kind.subjects.values() for field in names}
    for field in {field for field, _ in specs(kind)} - named:
        assert re.search(rf"\b{re.escape(field)}\b", said), (name, field)
    for subject in kind.subjects:
        assert f"*{subject}*" in said, (name, subject)
    assert f"| `{name}` |" in PAGE


def test_the_format_is_that_of_the_page():
    assert f'{{"format": {FORMAT}, "claims": [...]}}' in PAGE


LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def lines_of_code(path):
    """How many lines hold code: none that is blank, a comment or part of a docstring."""
    text = path.read_text("utf-8")
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_the_page_about_trust_counts_the_code_to_be_trusted():
    root = Path(__file__).parents[2]
    page = (root / "docs" / "trust.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `(\w+)`[:,] .* \| (\d+) \|$", page, re.M))
    reading = ("subjects.py", "claims.py", "evidence.py", "checks.py")
    for room, said in told.items():
        paths = sorted((root / "featgeom" / room).glob("*.py"))
        count = sum(lines_of_code(p) for p in paths if room != "runs" or p.name in reading)
        assert abs(count - int(said)) <= 0.05 * count, (room, count)
    assert set(told) == {"exact", "certificates", "runs", "proofs"}
