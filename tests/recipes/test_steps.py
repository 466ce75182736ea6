import shlex

import pytest

from mobilebert.errors import InputError
from recipes.small_corpus import script

steps = script("transfer", "steps")


class Program:
    """Stands in for mobilebert: notes its calls, and writes or ends as it is told."""

    def __init__(self, ends=None):
        self.calls, self.ends = [], ends

    def __call__(self, arguments):
        self.calls.append(list(arguments))
        if self.ends is not None:
            raise self.ends
        output = self.calls[-1][self.calls[-1].index("--output") + 1]
        (steps.Path(output) / "report.json").write_text("{}")


def step(directory, program, name="pretrain", **changes):
    directory.mkdir(exist_ok=True)
    arguments = (name, "--output", str(directory))
    return steps.Step(
        title=f"Do {name}", arguments=arguments, output=directory, main=program, **changes
    )


def test_each_runs_once(tmp_path, capsys):
    program = Program()
    both = [step(tmp_path / "a", program), step(tmp_path / "b", program, "distill")]
    steps.run_steps(both)
    steps.run_steps(both)
    assert [call[0] for call in program.calls] == ["pretrain", "distill"]
    assert capsys.readouterr().out.count("finished before") == 2


def test_an_interrupted_one_goes_on(tmp_path):
    program = Program()
    whole, begun = step(tmp_path / "a", program), step(tmp_path / "b", program)
    (begun.output / "training").mkdir()
    assert begun.is_interrupted
    assert not whole.is_interrupted
    steps.run_steps([whole, begun])
    assert [call[-1] for call in program.calls] == [str(whole.output), "--resume"]


def test_states_beside_a_report_are_no_finished_run(tmp_path):
    begun = step(tmp_path / "a", Program())
    (begun.output / "report.json").write_text("{}")
    assert begun.is_finished
    (begun.output / "training").mkdir()
    assert not begun.is_finished


def test_half_a_vocabulary_is_written_anew(tmp_path):
    program = Program()
    steps.run_steps([step(tmp_path / "a", program, "train-tokenizer")])
    assert program.calls[0][-1] == "--overwrite"


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [
        (SystemExit(130), 130, "goes on from here"),
        (KeyboardInterrupt(), 130, "goes on from here"),
        (SystemExit(2), 2, ""),
        (InputError("The file is empty."), "Error: The file is empty.", ""),
    ],
)
def test_what_does_not_end_well_ends_the_recipe(tmp_path, capsys, ends, code, said):
    program = Program()
    broken = step(tmp_path / "a", Program(ends))
    with pytest.raises(SystemExit) as ended:
        steps.run_steps([broken, step(tmp_path / "b", program)])
    assert ended.value.code == code
    assert said in capsys.readouterr().err
    assert program.calls == []


def test_options():
    given = {"input": ["a b", "c"], "no_copies": True, "learning_rate": 2e-3}
    words = ["--input", "a b", "--input", "c", "--no-copies", "--learning-rate", "0.002"]
    assert list(steps.options_of(given)) == words


def test_commands_are_what_a_shell_reads(tmp_path):
    line = step(tmp_path / "a b", Program()).command()
    assert shlex.split(line) == ["mobilebert", "pretrain", "--output", str(tmp_path / "a b")]


def test_outputs_of_other_commands_are_refused(tmp_path):
    first = [step(tmp_path / "a", Program())]
    steps.keep_commands(first, tmp_path)
    steps.keep_commands(first, tmp_path)
    with pytest.raises(SystemExit, match="other commands"):
        steps.keep_commands([step(tmp_path / "a", Program(), "distill")], tmp_path)
    assert (tmp_path / steps.COMMANDS_FILE).read_text() == steps.written(first)
