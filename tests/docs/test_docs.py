"""What the documentation says works, and its site is built without a warning."""

import doctest
import html
import inspect
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

import featgeom as fg
from featgeom.catalog import STUDIES
from featgeom.results import Result
from featgeom_cli.main import COMMANDS, featgeom

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXT = {page.name: page.read_text("utf-8") for page in PAGES}
BLOCKS = [
    (name, b) for name, text in TEXT.items() for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
LINES = [(name, c) for name, text in TEXT.items() for c in re.findall(r"^featgeom .*$", text, re.MULTILINE)]


@pytest.mark.parametrize(("page", "code"), BLOCKS, ids=[page for page, _ in BLOCKS])
def test_python_blocks_run(page, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    exec(compile(code, page, "exec"), {"__name__": "docs"})


@pytest.mark.parametrize("page", [name for name, text in TEXT.items() if "```pycon" in text])
def test_sessions_print_what_they_say(page):
    """What stands behind >>> runs, and prints what stands below."""
    session = "".join(re.findall(r"```pycon\n(.*?)```", TEXT[page], re.DOTALL))
    parsed = doctest.DocTestParser().get_doctest(session, {}, page, page, 0)
    assert parsed.examples
    assert doctest.DocTestRunner().run(parsed).failed == 0


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line}" for page, line in LINES])
def test_command_lines_are_understood(page, line):
    _, name, *words = shlex.split(line, comments=True)
    assert name in COMMANDS
    command = featgeom.get_command(click.Context(featgeom), name)
    command.make_context(name, words, resilient_parsing=False)


@pytest.mark.parametrize("page", TEXT)
def test_names_in_the_text_exist(page):
    for name in re.findall(r"`fg\.(\w+)", TEXT[page]):
        assert hasattr(fg, name), name
    for name in re.findall(r"`featgeom (\w+)", TEXT[page]):
        assert name in COMMANDS, name


def test_every_kind_of_claim_is_explained():
    import featgeom.runs.checks  # noqa: F401 - which knows them all
    from featgeom.certificates.claim import KINDS

    assert len(KINDS) > 20
    for kind in KINDS:
        assert f"| `{kind}` |" in TEXT["certificates.md"], kind


class Links(HTMLParser):
    """Addresses that a page loads or leads to."""

    def __init__(self):
        super().__init__()
        self.loaded = []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag in ("script", "img"):
            self.loaded.append(found.get("src") or "")
        if tag == "link":
            self.loaded.append(found.get("href") or "")


def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocs")
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    words = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, env=quiet)
    assert built.returncode == 0, built.stderr
    pages = sorted((tmp_path / "site").glob("*.html"))
    assert {"index.html", "api.html", "views.html", "certificates.html"} <= {page.name for page in pages}
    reference = (tmp_path / "site" / "api.html").read_text()
    public = {getattr(fg, name) for name in fg.__all__} | set(Result.__subclasses__())
    places = {
        f"{t.__module__}.{t.__qualname__}" for t in public if inspect.isclass(t) or inspect.isfunction(t)
    }
    assert len(places) > 80
    for place in places:  # every public verb and every result has a heading of its own
        assert f'id="{place}"' in reference, place
    assert 'href="#featgeom.hulls.hull.HullProjection"' in reference, "signatures lead to results"
    assert "&gt;&gt;&gt;" in reference
    assert "<blockquote>" not in reference, "examples are code"
    choose = (tmp_path / "site" / "choose.html").read_text()
    assert all(study.question in html.unescape(choose) for study in STUDIES.values())
    for page in pages:
        links = Links()
        links.feed(page.read_text())
        assert not [address for address in links.loaded if address.startswith(("http", "//"))]
