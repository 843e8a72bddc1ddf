"""Names with anything in them are text in every output, and no script but ours runs in a page."""

import csv
import json
import shutil
import threading
import xml.etree.ElementTree as ElementTree
from html import unescape
from urllib.parse import quote

import networkx as nx
import numpy as np
import pytest

import featgeom as fg
from featgeom.report.paper import write_paper
from featgeom.report.serve import ViewServer
from featgeom_cli.main import run as featgeom

from ..browser import until

NAMES = (
    "<script>P=1</script>",
    "</script><script>P=1</script>",
    "\"><img src=x onerror='P=1'>",
    "=HYPERLINK(1)",
    "$5_$",
    "cat\x1b[2J\x9b31m\x07\ndog",
    "\\input{/etc/passwd}&%_#~^",
    "{{ 7*7 }}",
    "\u202egnp.exe",
    "\x00\x08nul",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    place = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(5)
    c = len(NAMES)
    labels = np.repeat(np.arange(c), 14)
    features = (np.eye(c)[labels] * 2 + rng.standard_normal((len(labels), c))).astype(np.float32)
    np.savez(
        place / "<b>$x_$.npz",
        features=features,
        labels=labels,
        weight=np.eye(c),
        bias=np.zeros(c),
        classes=NAMES,
    )
    file, run = str(place / "<b>$x_$.npz"), str(place / "<i>run")
    assert featgeom(["analyze", file, "-o", run, "--studies", "overview,boundaries", "--quiet"]) == 0
    assert featgeom(["view", run, "--html", str(place / "view.html"), "--quiet"]) == 0
    write_paper(fg.open_run(run))
    return place, fg.open_run(run)


def test_what_a_terminal_gets_does_not_steer_it(hostile, capsys):
    _, run = hostile
    for words in (["overview"], ["overview", "--json"], ["verify"]):
        assert featgeom([words[0], str(run.folder), *words[1:]]) == 0
        captured = capsys.readouterr()
        for letter in captured.out + captured.err:
            assert letter == "\n" or ord(letter) >= 32, repr(letter)
            assert letter not in "\x7f\x9b\u202e"
        if "--json" in words:
            assert "cat\x1b[2J\x9b31m\x07\ndog" in json.dumps(
                json.loads(captured.out), ensure_ascii=False
            ).replace("\\u001b", "\x1b").replace("\\u0007", "\x07").replace("\\n", "\n")


def test_an_error_does_not_steer_the_terminal(capsys):
    assert featgeom(["report", "no\x1b[2Jthing\nproved"]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert len(said.splitlines()) == 1


def test_pictures_are_well_formed_and_hold_the_names_as_text(hostile):
    _, run = hostile
    pictures = list((run.folder / "figures").glob("*.svg"))
    assert pictures
    for path in pictures:
        tree = ElementTree.fromstring(path.read_bytes())
        kinds = {element.tag.rpartition("}")[2] for element in tree.iter()}
        assert not kinds & {"script", "img", "foreignObject", "a"}
        assert not any(name.lower().startswith("on") for e in tree.iter() for name in e.attrib)
    words = "".join("".join(ElementTree.fromstring(p.read_bytes()).itertext()) for p in pictures)
    assert "$5_$" in words
    assert NAMES[0] in words


def test_tables_compute_nothing(hostile):
    _, run = hostile
    cells = []
    for path in (run.folder / "tables").glob("*.csv"):
        with open(path, newline="", encoding="utf-8") as file:
            cells += [cell for row in csv.reader(file) for cell in row]
    assert "'=HYPERLINK(1)" in cells
    for cell in cells:
        if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
            float(cell)  # a number
        assert "\x1b" not in cell


def test_latex_reads_nothing_but_letters(hostile):
    _, run = hostile
    text = "".join(path.read_text("utf-8") for path in (run.folder / "tables").glob("*.tex"))
    assert r"\textbackslash{}input\{/etc/passwd\}\&\%\_\#\textasciitilde{}\textasciicircum{}" in text
    assert "\\input{" not in text


def test_the_graph_can_be_read(hostile):
    _, run = hostile
    graph = nx.read_graphml(run.folder / "results/boundaries.graphml")
    assert len(graph) == len(NAMES)
    assert graph.nodes["0"]["name"] == NAMES[0]


def test_two_classes_of_one_name_stay_two(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    features = np.eye(3)[labels] * 2 + rng.standard_normal((60, 3))
    np.savez(
        tmp_path / "f.npz", features=features, labels=labels, weight=np.eye(3), bias=np.zeros(3),
        classes=["cat", "cat", "dog"],
    )  # fmt: skip
    run = fg.analyze(tmp_path / "f.npz", out=tmp_path / "run", studies="boundaries")
    assert len(nx.read_graphml(run.folder / "results/boundaries.graphml")) == 3


INJECTED = "<script>P=1</script><img src=x onerror='P=1'><svg onload='P=1'></svg>"


def policy_of(path):
    text = path.read_text("utf-8")
    start = text.index('Content-Security-Policy" content="')
    return unescape(text[start : text.index('">', start)])


@pytest.fixture(scope="module")
def answers(hostile):
    """The pages of the answers about the same run, with the names of the page's files."""
    place, run = hostile
    other = place / "<i>other"
    shutil.copytree(run.folder, other)
    folder = str(run.folder)
    said = [
        ["explain", folder, "all:0", "all:139"],
        ["suspects", folder, "--most", "20"],
        ["networks", folder, str(other)],
    ]
    for words in said:
        assert featgeom([*words, "-o", str(place / f"answer-{words[0]}"), "--quiet"]) == 0
    return [place / "answer-explain", *sorted(place.rglob("answer-*/*.html"))]


def test_no_name_runs_in_the_pages_of_answers(answers, chromium):
    assert len(answers) == 3
    for path in answers:
        text = path.read_text("utf-8")
        assert NAMES[0] not in text
        for injected in ("", INJECTED):
            page = path.parent / "changed.html"
            page.write_text(text.replace("</h1>", f"</h1>{injected}", 1), "utf-8")
            opened, asked = chromium.new_page(), []
            opened.on("request", lambda request, asked=asked: asked.append(request.url))
            opened.goto(page.as_uri())
            opened.wait_for_timeout(200)
            opened.keyboard.press("r")
            assert opened.evaluate("typeof P === 'undefined'"), path
            assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
            if not injected:
                assert opened.evaluate("document.querySelectorAll('[onerror], [onload]').length") == 0
                text_seen = opened.evaluate("document.body.textContent")
                assert (NAMES[0] if "networks" not in path.name else "(<i>other)") in text_seen
            opened.close()
            page.unlink()


@pytest.mark.parametrize("page", ["<i>run/report.html", "view.html"])
def test_no_script_but_ours_runs_in_a_page(hostile, chromium, page):
    place, _ = hostile
    assert "unsafe-inline' 'sha" not in policy_of(place / page)
    assert "script-src 'sha256-" in policy_of(place / page)
    for injected in ("", INJECTED):
        changed = place / "changed.html"
        changed.write_text((place / page).read_text("utf-8").replace("</h1>", f"</h1>{injected}", 1), "utf-8")
        opened = chromium.new_page()
        asked = []
        opened.on("request", lambda request, asked=asked: asked.append(request.url))
        opened.goto(changed.as_uri())
        until(opened, "document.querySelector('.fgv').dataset.drawn > 0")
        assert opened.evaluate("typeof P === 'undefined'")
        assert all(url.startswith(("file:", "data:")) for url in asked)
        opened.close()


PAYLOADS = (
    *NAMES[:3],
    "<svg onload='P=1'></svg>",
    "javascript:P=1",
    "';P=1;//",
    "</style><script>P=1</script>",
)


def test_no_name_runs_in_the_live_page(hostile, chromium):
    _, run = hostile
    with ViewServer(run) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            addresses = [f"?{key}={quote(text)}" for key in ("classes", "view", "split") for text in PAYLOADS]
            for address in ["", "?classes=0,1,2", *addresses, *map(quote, PAYLOADS[:2])]:
                opened = chromium.new_page()
                opened.goto(server.address + address)
                if not address or "0,1" in address:
                    until(opened, "document.querySelector('.fgv').dataset.drawn > 0")
                    opened.evaluate("featgeomView.select(0)")
                    opened.evaluate("featgeomView.join(0, 30)")
                    opened.wait_for_selector("text=certified", timeout=120_000)
                assert opened.evaluate("typeof P === 'undefined'"), address
                assert opened.evaluate("document.querySelectorAll('[onerror], [onload]').length") == 0
                opened.close()
        finally:
            server.shutdown()
            thread.join()


def test_no_name_runs_in_a_picture_that_is_opened_by_itself(hostile, chromium):
    _, run = hostile
    for path in sorted((run.folder / "figures").glob("*.svg")):
        opened = chromium.new_page()
        opened.goto(path.as_uri())
        assert opened.evaluate("typeof P === 'undefined'"), path.name
        assert opened.evaluate("document.querySelectorAll('script, foreignObject').length") == 0
        opened.close()


def test_no_name_runs_in_a_notebook(hostile, chromium, tmp_path):
    _, run = hostile
    shown = [run, run.verify(), *run.results.values()]
    shown += [table for record in run.results.values() for table in record.tables]
    for number, one in enumerate(shown):
        page = tmp_path / f"{number}.html"
        page.write_text(f"<!doctype html><meta charset=utf-8>{one._repr_html_()}", "utf-8")
        opened = chromium.new_page()
        opened.goto(page.as_uri())
        opened.wait_for_timeout(50)
        assert opened.evaluate("typeof P === 'undefined'"), type(one)
        opened.close()
