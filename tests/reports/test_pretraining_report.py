"""The page and the card of a model that was pre-trained."""

import pytest

from mobilebert.reports.pretraining import (
    PretrainingReport,
    SourceRow,
    write_pretraining_card,
    write_pretraining_report,
)
from mobilebert.reports.report import ModelSummary

WORDS = {"masked_lm_accuracy": 0.25, "masked_lm_loss": 4.5}
ALL = {"masked_lm_accuracy": 0.375, "masked_lm_loss": 4.0, "next_sentence_accuracy": 0.75}


def test_a_source_without_pairs_is_told_with_its_words(tmp_path):
    sources = [
        SourceRow(name="glosses", words=40, metrics=WORDS),
        SourceRow(name="novels", words=160, metrics=ALL),
    ]
    report = PretrainingReport(model=ModelSummary(name="m"), metrics=ALL, sources=sources)
    shown = write_pretraining_report(report, tmp_path).page.read_text()
    card = write_pretraining_card(report, tmp_path).path.read_text()
    assert "| glosses | 40 | 25.0 % | 4.50 | – |" in card
    assert "| novels | 160 | 37.5 % | 4 | 75.0 % |" in card
    assert "| all | 200 | 37.5 % | 4 | 75.0 % |" in card
    row = shown[shown.index("glosses") :]
    row = row[: row.index("</tr>")]
    assert all(cell in row for cell in (">40<", ">25.0 %<", ">–<"))


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({}, "Pre-trained on masked words and next sentences."),
        ({"pairs": False}, "Pre-trained on masked words."),
        (
            {"teacher": "MiniLM"},
            "Pre-trained on masked words, next sentences and the hidden states of MiniLM.",
        ),
        (
            {"teacher": "MiniLM", "pairs": False},
            "Pre-trained on masked words and the hidden states of MiniLM.",
        ),
        ({"teacher": "big", "strategy": "joint"}, "Distilled from big (joint)."),
    ],
)
def test_what_was_learned_is_told(tmp_path, facts, sentence):
    report = PretrainingReport(model=ModelSummary(name="m"), **facts)
    assert sentence in write_pretraining_report(report, tmp_path).page.read_text()
    assert sentence in write_pretraining_card(report, tmp_path).path.read_text()


def test_names_are_marks_neither_in_tables_nor_in_programs(tmp_path):
    sources = [SourceRow(name="a|b_c_", words=40, metrics=WORDS)]
    model = ModelSummary(name='run#1 "é"')
    report = PretrainingReport(model=model, metrics=WORDS, sources=sources)
    card = write_pretraining_card(report, tmp_path).path.read_text(encoding="utf-8")
    assert "| a\\|b_c\\_ | 40 |" in card
    assert "# run\\#1" in card
    (line,) = (line for line in card.splitlines() if line.startswith("print("))
    assert line.startswith(r'print(pipeline("fill-mask", "run#1 \"é\"")(')
