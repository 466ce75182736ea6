"""report.html: complete, one file, and harmless whatever texts it shows."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from mobilebert.reports import report as parts, write_report
from mobilebert.reports.html import report_page
from mobilebert.reports.markup import clean, shortened, tag
from reports.example_report import HOSTILE, example_report, hostile_report

SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """What a browser would see: elements, attributes, texts; every element closed in order."""

    VOID = ("meta", "br", "col", "hr")

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, name, attributes):
        self.elements.append(name)
        self.attributes += [(name, *attribute) for attribute in attributes]
        if name not in self.VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        assert name in self.VOID
        self.handle_starttag(name, attributes)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, text):
        self.texts.append((self.open[-1] if self.open else "", text))

    def handle_comment(self, text):
        raise AssertionError(f"a comment: {text}")

    def unknown_decl(self, text):
        raise AssertionError(f"a declaration: {text}")

    @property
    def text(self):
        return "".join(text for _, text in self.texts)


def svgs(page):
    return [ET.fromstring(one) for one in re.findall(r"<svg .*?</svg>", page, flags=re.DOTALL)]


def test_everything_is_there(tmp_path):
    page = write_report(example_report(), tmp_path).page.read_text(encoding="utf-8")
    seen = Page(page)
    titles = [text for element, text in seen.texts if element == "h2"]
    assert titles == [
        *("Training", "Confusion", "Classes", "Calibration", "Worst errors", "Seeds", "Data"),
        *("Settings", "Model and environment"),
    ]
    names = {one.get("aria-labelledby").split("-title")[0] for one in svgs(page)}
    assert names == {
        *("curve-loss", "curve-rate", "curve-tokens_per_second", "metric-0", "metric-1"),
        *("confusion", "calibration", "lengths"),
    }
    for shown in (
        *("90.9 %", "majority class: 52.0 %", "± 1.0 over 3 seeds", "reviews.csv, line 17"),
        *("missing label", "encoding cp949, guessed", "google/mobilebert-uncased", "6 min 24 s"),
        *("24,581,888", "learning_rate", "3e-05", "step 214: loss is nan", "python"),
    ):
        assert shown in seen.text, shown


def test_an_empty_report_is_a_page():
    bare = parts.Report(task="fill-mask", model=parts.ModelSummary(name="m"))
    seen = Page(report_page(bare))
    assert "m · fill-mask" in seen.text
    assert "svg" not in seen.elements


@pytest.mark.parametrize("text", ["", *HOSTILE])
def test_no_text_becomes_an_element_or_an_attribute(text):
    """The same elements and attributes as of a report of harmless texts, in the same order."""
    page, harmless = report_page(hostile_report(text)), report_page(hostile_report("harmless"))
    seen, plain = Page(page), Page(harmless)
    # A text that is cut has a title with all of it; nothing else may come or go.
    cut = ("title", "span", "br")
    assert [x for x in seen.elements if x not in cut] == [
        x for x in plain.elements if x not in cut
    ] or not text
    assert not {"script", "img", "iframe", "object", "link", "b"} & set(seen.elements)
    assert {name for _, name, _ in seen.attributes} <= {name for _, name, _ in plain.attributes}
    assert not any(name.startswith("on") for _, name, _ in seen.attributes)
    ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    page.encode("utf-8")


def test_hostile_texts_are_shown_as_they_are():
    for text in HOSTILE[:3]:
        assert text in Page(report_page(hostile_report(text))).text
    controls = Page(report_page(hostile_report(HOSTILE[3]))).text
    assert "controls ␀␁␈␋␛␡�� end" in controls
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", controls)
    turned = Page(report_page(hostile_report(HOSTILE[5]))).text
    assert "مرحبا بالعالم �right to left override" in turned
    assert "\u202e" not in turned


def test_any_text_is_one_attribute():
    for text in HOSTILE:
        (element,) = ET.fromstring(f"<p>{tag('i', title=text)}</p>")
        # XML reads line ends and tabs in an attribute as blanks.
        assert element.get("title") == re.sub(r"[\n\t]", " ", clean(text))


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("2026-05-04 12:00 UTC", "2026-05-04 12:00 UTC"),
        ("2026-05-04T12:00:01+00:00", "2026-05-04 12:00:01 UTC"),
    ],
)
def test_the_date_is_for_people(date, shown):
    assert f", {shown}<" in report_page(example_report(date=date))


def test_nothing_is_loaded_and_nothing_runs():
    page = report_page(example_report())
    seen = Page(page)
    links = {"src", "href", "xlink:href", "action", "data", "srcset", "style", "poster"}
    assert not links & {name for _, name, _ in seen.attributes}
    assert not re.search(r"url\(|@import|javascript:", page)
    policy = [value for name, key, value in seen.attributes if (name, key) == ("meta", "content")]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy


def test_of_many_rows_with_a_problem_five_are_shown():
    rows = [f"rows.csv, line {number}: no label." for number in range(2, 10)]
    report = example_report()
    report.data.problems = [parts.ProblemKind(kind="missing label", count=8, examples=rows)]
    page = report_page(report)
    assert rows[4] in page
    assert rows[5] not in page
    assert "and 3 more in report.json" in page


def test_very_long_texts_are_cut():
    long = "word " * 100_000
    report = example_report()
    report.evaluation.worst[0].text = long
    page = report_page(report)
    assert len(page) < len(report_page(example_report())) + 2_000
    assert f"{shortened(long, 600)}" in Page(page).text
    assert "(500,000 characters)" in Page(page).text


def test_identifiers_are_unique_and_every_drawing_is_described():
    page = report_page(example_report())
    identifiers = [value for _, key, value in Page(page).attributes if key == "id"]
    assert len(identifiers) == len(set(identifiers)) > 0
    for one in svgs(page):
        title, described = one.get("aria-labelledby").split()
        texts = {part.get("id"): part.text for part in one if part.get("id")}
        assert texts[title]
        assert len(texts[described]) > 10
        assert one.get("role") == "img"
