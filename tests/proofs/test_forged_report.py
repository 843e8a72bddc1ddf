"""Whatever is put into the page of a report, verify says no: beside its words, its marks and its drawings."""

import pytest
from forging import page, told

from featgeom.report.drawings import drawing_fault
from featgeom.report.shown import check_report
from featgeom.status import Status
from featgeom_cli.main import run as featgeom_run

LIE = "<p><b>proved</b> All hulls are disjoint.</p>"


def fault(run):
    """What is wrong with the page of a run."""
    (check,) = check_report(run)
    return "" if check.status is Status.PROVED else check.failures[0][3]


@pytest.mark.parametrize("what", ["sentence", "number", "standing", "older"])
def test_a_report_that_shows_something_else(run, capsys, what):
    finding = next(f for f in run.result("hulls").findings if f.standing == "proved")
    with page(run) as text:
        if what == "sentence":
            text.replace("gets that class from the head", "gets that class from the network", 1)
        elif what == "number":
            value = run.result("hulls").table("hulls").cells()[0][4]
            text.replace(f">{value}</td>", ">12.5</td>", 1)
        elif what == "standing":
            text.replace('standing computed">computed<', 'standing proved">proved<')
    if what == "older":
        run.study("collapse")
    out = told(run, capsys)
    assert "REFUTED report/report.html: " in out
    assert ("was made of other results" if what == "older" else "where the results say") in out
    assert finding.text
    if what == "older":
        run.report()
        assert featgeom_run(["verify", str(run.folder)]) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            '<ul class="findings">',
            '<ul class="findings more"><li>All is proved.</li></ul><ul class="findings">',
        ),
        ('<ul class="findings">', '<p>All is proved.</p><ul class="findings">'),
        ('<th scope="col">class</th>', '<th scope="col">other class</th>'),
        (">diameter, at most <small>", ">diameter, at least <small>"),
        (' <small class="proved" title="proved">✓</small>', ""),
        (">vertices <small", '>vertices <small class="proved" title="proved">✓</small> <small'),
        ("<summary>Hulls, their lengths", "<summary>Certified hulls, their lengths"),
        ("A distance means something only beside a length", "A distance means much without a length"),
        ("statements, which <code>", "statements more, which <code>"),
        ("</main>", "</main><script>document.title = 'proved'</script>"),
        ("<h2>What is", '<h2 style="display:none">What is'),
        ("</style>", ".question::after { content: ' Proved.' }</style>"),
        ("</dl>\n</header>", "<div><dt>Checked</dt><dd>by all</dd></div></dl>\n</header>"),
    ],
)
def test_a_report_with_anything_else_in_words_or_marks(run, old, new):
    with page(run) as text:
        text.replace(old, new, 1)
    assert fault(run).startswith("shows ")


def test_a_report_of_a_run_that_was_renamed_is_sound(run):
    moved = run.folder.with_name("another & <name>")
    run.folder.rename(moved)
    assert featgeom_run(["verify", str(moved)]) == 0


@pytest.mark.parametrize(
    "text",
    [
        LIE, f"<!-- --!>{LIE}<!-- -->", f"<!-->{LIE}<!-- -->", "<!-- -->", f"<![CDATA[ >{LIE} ]]>",
        f"<?x >{LIE}?>", f"<!x >{LIE}>", f"</x {LIE}>", "&#65;", "\n", " ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["</h2>", '<ul class="findings">', '<div class="canvas">', "<body>"])
def test_text_that_only_some_readers_of_a_page_see(run, text, place):
    with page(run) as shown:
        shown.replace(place, place + text, 1)
    assert "shows " in fault(run)


@pytest.mark.parametrize(
    "text",
    [
        LIE, "cat", f"<!-- --!>{LIE}<!-- -->", "<!-- cat -->", f"<![CDATA[ >{LIE} ]]>", f"<?x >{LIE}?>",
        f"<foreignObject>{LIE}</foreignObject>", "<title>cat</title>", "<script>1</script>", "<svg></svg>",
        "<style>* {color: red}</style>", '<style type="text/css">.proved {}</style>', "<a>cat</a>",
        '<g onload="1"/>', '<g class="proved"/>', '<text style="" style="">cat</text>', "<g>", "</g>",
        "<g x=1/>", '<use xlink:href="https://a.b/c"/>', '<image xlink:href="data:image/svg+xml,"/>',
        f"</svg>{LIE}<svg>",
        "<G></G>", "<text>a<b>c</text>", "<g/ ><text>", "<text><g>cat</g></text>",
    ],
)  # fmt: skip
def test_text_beside_what_is_drawn(run, text):
    with page(run) as shown:
        start = shown.text.index("<svg")
        end = shown.text.index("</svg>")
        shown.text = shown.text[:end] + text + shown.text[end:]
        assert drawing_fault(shown.text[start : end + len(text) + 6])
    assert fault(run)


def test_another_root_of_a_drawing(run):
    with page(run) as shown:
        shown.replace("<svg ", '<svg style="position: fixed" ', 1)
    assert "in picture overview-" in fault(run)


def test_every_drawing_of_ours_is_one(made):
    drawings = sorted((made.folder / "figures").glob("*.svg"))
    assert len(drawings) > 8
    for path in drawings:
        assert drawing_fault(path.read_text("utf-8").removesuffix("\n")) == "", path


def test_words_drawn_may_differ_and_a_caption_too(run):
    """What is drawn, and what a caption says, is not compared: docs/trust.md says so."""
    with page(run) as shown:
        shown.replace("</text>", " cat</text>", 1)
        shown.replace("<figcaption>", "<figcaption>A cat &amp; a dog. ", 1)
    assert fault(run) == ""
    with page(run) as shown:
        shown.replace("<figcaption>", f"<figcaption>{LIE}", 1)
    assert fault(run)
