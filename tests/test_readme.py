"""The code blocks of the README and the guides run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in GUIDES
    for number, block in enumerate(BLOCK.findall(path.read_text()))
]
LINK = re.compile(r"\]\(([^)#:]+)\)")


# Keras reads TensorFlow's variables in a way that numpy has deprecated.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("block", BLOCKS)
def test_block_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "guide", "exec"), {"__name__": "guide"})


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    for target in LINK.findall(path.read_text()):
        assert (path.parent / target).exists(), target


def test_readme_is_three_lines_and_two_commands():
    text = (ROOT / "README.md").read_text()
    head, first, rest = text.split("```sh\n", 2)
    assert len([line for line in head.splitlines() if line.strip()]) == 4  # the title and three
    assert first.splitlines()[0] == (
        "python -m pip install -c constraints.txt . && "
        'mobilebert run --task fill-mask "The capital of France is [MASK]."'
    )
    assert rest.splitlines()[0] == (
        "python -m pip install -c constraints.txt '.[dev]' && python -m pytest"
    )


def test_readme_answer_is_an_answer(capsys):
    """The twin: the blocks above print what their comments promise."""
    block = BLOCK.findall((ROOT / "README.md").read_text())[0]
    exec(compile(block, "guide", "exec"), {"__name__": "guide"})
    printed = capsys.readouterr().out.splitlines()
    assert "door" in {line.split()[0] for line in printed}
    assert len(printed) == 5
