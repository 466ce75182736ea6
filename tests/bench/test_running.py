"""A whole run: the model, the rows, what is kept when it is interrupted, and percent of peak."""

import os
from functools import partial

import numpy as np
import pytest

from bench.fakes import InThisProcess, bench_config, runner
from mobilebert import AutoTokenizer
from mobilebert.bench import running
from mobilebert.bench.measuring import Effort, Workshop
from mobilebert.bench.model import SENTENCE, SENTENCE_IDS, BenchModel, texts_of
from mobilebert.bench.own import own_engine, own_pipeline
from mobilebert.bench.peaks import measure_peaks, peak_of
from mobilebert.bench.results import Results, read_results
from mobilebert.bench.running import Plan, bench_cache, facts_of, run
from mobilebert.bench.startup import own_process
from mobilebert.bench.ways import Call, Way
from mobilebert.bench.work import Caches, Kind, Work, useful_flop
from mobilebert.engine import cache as cache_places
from mobilebert.engine.cache import DIRECTORY_VARIABLE
from mobilebert.engine.native import isa_dtypes
from mobilebert.errors import InputError
from tolerances import ENGINE_BFLOAT16, FLOAT32

WORKS = (Work("one", (5,)), Work("two", (3, 9)), Work("three", (4,)))
PEAKS = {"threads": 2, "gemm": {"numpy": 100.0, "torch": 200.0}, "units": {}, "theory": {}}
WAY = Way(1, 1, 1)

engine_float32 = partial(own_engine, dtype="float32")


def load_engine_twin(folder, work, way):
    """The engine with one output moved."""
    call = engine_float32(folder, work, way)

    def outputs(found):
        arrays = [array.copy() for array in call.outputs(found)]
        arrays[0][0, 0] += 0.01 * np.abs(arrays[0][0]).max()
        return arrays

    return Call(call.run, outputs)


ENGINE = runner("engine float32", engine_float32, ours=True)


def plan(cache, works=WORKS, runners=(ENGINE,), minutes=5.0):
    effort = Effort(rounds=2, seconds=1.0, least_rounds=1, turn_seconds=0.001)
    return Plan(works, runners, bench_config(), effort, minutes, cache, 2)


def results_of(made, path=None, **options):
    facts = facts_of(made, {"name": "a processor"}) | {"peaks": PEAKS}
    return Results.begin(path, facts, **({"overwrite": False, "resume": False} | options))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model(cache):
    return BenchModel.prepare(cache, bench_config())


def test_a_run_measures_every_work(cache, tmp_path):
    made, path = plan(cache), tmp_path / "results.json"
    results = results_of(made, path)
    shown = []
    assert run(made, results, show=shown.append, workshop=lambda f: Workshop(f, InThisProcess))
    rows = read_results(path)["rows"]
    assert [row["work"] for row in rows] == ["one", "two", "three"]
    assert shown == rows
    record = rows[1]["runners"][0]
    assert record["error"] < FLOAT32
    flop = useful_flop(made.config, (3, 9))
    assert record["gflops"] == pytest.approx(1e-9 * flop / record["median"])
    assert record["percent_of_peak"] == pytest.approx(record["gflops"] / 2)  # of 200


def test_what_is_moved_by_a_hundredth_is_refused(cache):
    """The twin of the check against the reference."""
    made = plan(cache, WORKS[:1], (runner("twin", load_engine_twin),))
    results = results_of(made)
    run(made, results, workshop=lambda folder: Workshop(folder, InThisProcess))
    assert results.rows[0]["runners"][0]["state"] == "wrong"


class InterruptedInTheSecond(InThisProcess):
    def load(self, work, way):
        if work.name == "two":
            raise KeyboardInterrupt
        return super().load(work, way)


def test_an_interrupted_run_keeps_its_rows_and_is_continued(cache, tmp_path):
    made, path = plan(cache), tmp_path / "results.json"
    workers = []

    def make(runner, folder):
        workers.append(InterruptedInTheSecond(runner, folder))
        return workers[-1]

    with pytest.raises(KeyboardInterrupt):
        run(made, results_of(made, path), workshop=lambda folder: Workshop(folder, make))
    assert [row["work"] for row in read_results(path)["rows"]] == ["one"]
    assert [worker.closed for worker in workers] == [True]
    results = results_of(made, path, resume=True)
    assert run(made, results, workshop=lambda folder: Workshop(folder, InThisProcess))
    assert [row["work"] for row in read_results(path)["rows"]] == ["one", "two", "three"]


def test_minutes_that_do_not_suffice_leave_the_rest(cache, monkeypatch):
    made = plan(cache, minutes=1.0)
    times = iter([0.0, 61.0])
    monkeypatch.setattr(running.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(running, "measure", lambda *_: [])
    results = results_of(made)
    assert not run(made, results)
    assert [row["work"] for row in results.rows] == ["one"]


def test_a_work_for_nobody_is_left_out(cache):
    made = plan(cache, (Work("answer", (9,), kind=Kind.FILL_MASK), WORKS[0]))
    results = results_of(made)
    assert run(made, results, workshop=lambda folder: Workshop(folder, InThisProcess))
    assert [row["work"] for row in results.rows] == ["one"]


def test_facts_say_what_was_measured(cache):
    facts = facts_of(plan(cache), {"name": "a processor"})
    assert facts["machine"] == {"name": "a processor"}
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["model"]["layers"] == 2
    assert set(facts) >= {"date", "commit", "threads"}


def test_the_sentence_has_nine_tokens(model):
    tokenizer = AutoTokenizer.from_pretrained(model.folder)
    assert tuple(tokenizer(SENTENCE)["input_ids"]) == SENTENCE_IDS
    assert len(SENTENCE_IDS) == 9


def test_texts_are_the_same_each_time_and_without_padding(model):
    first, second = (texts_of(WORKS[1], model.config) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
        assert (one != 0).all()


@pytest.mark.parametrize("load", [own_pipeline, own_process])
def test_answers_are_those_of_the_reference(model, load):
    kind = Kind.PROCESS if load is own_process else Kind.FILL_MASK
    work = Work("answer", (9,), kind=kind, caches=Caches.AS_IS)
    call = load(model.folder, work, WAY)
    result = call.run()
    (found,), (wanted,) = call.outputs(result), model.expected(work)
    # They compute in whatever suits the model.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=ENGINE_BFLOAT16 * wanted.max())
    assert np.count_nonzero(found) == 5
    if load is own_process:
        assert call.seconds(result) > 0
        # A Python process has a few MiB, and this one far less than a gigabyte.
        assert 5 < call.facts(result)["peak_mib"] < 1000


def test_the_engine_is_told_the_instruction_set(model, monkeypatch):
    monkeypatch.delenv("MOBILEBERT_ISA", raising=False)
    for isa in isa_dtypes():
        call = engine_float32(model.folder, Work("w", (5,), isa=isa), WAY)
        engine = call.run.__closure__[0].cell_contents
        assert engine.isa == isa
    engine_float32(model.folder, Work("w", (5,)), WAY)
    assert "MOBILEBERT_ISA" not in os.environ


def test_an_element_type_that_is_not_there_is_refused_in_a_sentence(model):
    work = Work("w", (5,), isa="generic")
    made = plan(
        model.folder.parent, (work,), (runner("narrow", partial(own_engine, dtype="bfloat16")),)
    )
    results = results_of(made)
    run(made, results)  # in a process of its own
    (record,) = results.rows[0]["runners"]
    assert record["state"] == "failed"
    assert record["reason"] == "The engine has no bfloat16 with generic, only float32."


def test_peaks_are_there():
    peaks = measure_peaks(1, seconds=0.01)
    assert peaks["threads"] == 1
    assert peak_of(peaks, "float32") == max(peaks["gemm"].values()) > 0
    assert set(peaks["theory"]) == set(peaks["units"])
    assert peak_of(peaks, "float64") is None
    assert peak_of({"gemm": {}, "units": {"amx int8": 3.0, "avx2 int8": 1.0}}, "int8") == 3.0


def test_the_model_is_kept_beside_the_packs(monkeypatch, tmp_path):
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "cache"))
    assert bench_cache() == tmp_path / "cache" / "bench"
    assert bench_cache("") == tmp_path / "cache" / "bench"
    assert bench_cache(str(tmp_path)) == tmp_path
    monkeypatch.delenv(DIRECTORY_VARIABLE)
    monkeypatch.setattr(cache_places.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert bench_cache() == tmp_path / "mobilebert" / "bench"


@pytest.mark.parametrize(
    ("variable", "given"), [("~nobody-of-this-name", None), (None, "~nobody-of-this-name/here")]
)
def test_a_home_that_does_not_exist_is_told(variable, given, monkeypatch):
    if variable:
        monkeypatch.setenv(DIRECTORY_VARIABLE, variable)
    with pytest.raises(InputError, match="no home directory"):
        bench_cache(given)
