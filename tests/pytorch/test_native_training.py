"""Training on the engine's kernels against float32, and against torch's own derivatives.

Where a processor has no kernels for training the same tests see torch's products, and that nothing
else ran.
"""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from layer_parts import functions_of, results_and_gradients
from mobilebert.engine.native import ISA_VARIABLE, isa_dtypes
from mobilebert.torch import native_training, packed_layers
from mobilebert.torch.native_training import attends_native, runs_native
from mobilebert.torch.packed import (
    AttentionOutput,
    SoftTargets,
    encode_packed,
    masked_lm_loss,
    pack,
)
from mobilebert.torch.packed_attention import attend
from packed_texts import gradients, texts
from tolerances import (
    BFLOAT16,
    BFLOAT16_PART,
    BFLOAT16_RATIO,
    DROPPED_SHARE,
    EXP2_LOSS,
    NATIVE_PART,
)
from torch_models import build

# Of x86 processors those that multiply in bfloat16.
TRAINERS = [isa for isa, dtypes in isa_dtypes().items() if "bfloat16" in dtypes and isa != "neon"]
TRAINS = bool(TRAINERS)
PANELS = {
    "hidden_size": 64,
    "intra_bottleneck_size": 32,
    "intermediate_size": 96,
    "embedding_size": 32,
    "num_attention_heads": 1,
    "max_position_embeddings": 128,
}
STEPS = {
    "project": "project",
    "feed_forward": "feed_forward",
    "enter_attention": "enter",
}


@pytest.fixture(autouse=True, params=TRAINERS or ["generic"])
def isa(request, monkeypatch):
    """The instruction set that is used, of all that train."""
    monkeypatch.setenv(ISA_VARIABLE, request.param)
    return request.param


class Recorded:
    """Kernels that remember what they were asked for."""

    def __init__(self, trainer, names):
        self.trainer, self.names = trainer, names

    def __getattr__(self, name):
        self.names.add(name)
        return getattr(self.trainer, name)


@pytest.fixture
def ran(monkeypatch):
    """Names of the kernels that ran."""
    names, make = set(), native_training._trainer
    monkeypatch.setattr(native_training, "_trainer", lambda: Recorded(make(), names))
    return names


def in_bfloat16(function, *arguments):
    with torch.autocast("cpu", torch.bfloat16):
        return function(*arguments)


def narrow(inputs):
    """Numbers that bfloat16 has, so that a ReLU passes the same ones on all paths."""
    return [x if x is None else x.detach().bfloat16().float().requires_grad_() for x in inputs]


def distance(found, wanted):
    """As a share of what is wanted; there may be nothing."""
    found, wanted = found.detach(), wanted.detach()
    return float((found - wanted).norm() / wanted.norm()) if wanted.numel() else 0.0


def errors(found, wanted):
    pairs = zip((*found[0], *found[1]), (*wanted[0], *wanted[1]), strict=True)
    return [distance(x, y) for x, y in pairs]


@pytest.mark.parametrize("rows", [1, 31, 33, 300])
@pytest.mark.parametrize("name", STEPS)
def test_parts_of_a_layer_are_near_those_in_float32(name, rows, ran):
    fast, slow, make = functions_of(rows, 64, 32, 96)[name]
    found = in_bfloat16(results_and_gradients, fast, narrow(make()))
    assert ran == ({STEPS[name], f"{STEPS[name]}_gradient"} if TRAINS else set())
    generic = in_bfloat16(results_and_gradients, slow, narrow(make()))
    wanted = results_and_gradients(slow, narrow(make()))
    assert [x.dtype for x in found[1]] == [torch.float32] * len(found[1])
    assert 0 < max(errors(found, wanted)) < NATIVE_PART
    assert max(errors(found, wanted)) < BFLOAT16_RATIO * max(errors(generic, wanted))


@pytest.mark.parametrize("name", STEPS)
def test_a_mistake_in_any_input_of_a_part_is_noticed(name):
    fast, slow, make = functions_of(33, 64, 32, 96)[name]
    wanted = results_and_gradients(slow, narrow(make()))
    for number, chosen in enumerate(make()):
        if chosen is None:
            continue
        inputs = narrow(make())
        with torch.no_grad():
            inputs[number] += 4.0
        found = in_bfloat16(results_and_gradients, fast, inputs)
        assert max(errors(found, wanted)) > NATIVE_PART, f"input {number}"


@pytest.mark.parametrize("name", STEPS)
def test_gradients_are_the_same_within_autocast_and_behind_it(name):
    fast, _, make = functions_of(33, 64, 32, 96)[name]
    within = in_bfloat16(results_and_gradients, fast, narrow(make()))
    inputs = narrow(make())
    results = in_bfloat16(fast, *inputs)
    behind = results_and_gradients(lambda *_: results, inputs)
    assert errors(within, behind) == [0.0] * len(errors(within, behind))


def strided(x):
    """The same numbers, each apart from the next."""
    if x is None:
        return None
    apart = x.detach().unsqueeze(-1).repeat(*[1] * x.dim(), 2)[..., 0]
    assert not apart.is_contiguous()
    return apart.requires_grad_()


@pytest.mark.parametrize("name", STEPS)
def test_weights_may_be_views(name, ran):
    fast, _, make = functions_of(33, 64, 32, 96)[name]
    wanted = in_bfloat16(results_and_gradients, fast, narrow(make()))
    ran.clear()
    found = in_bfloat16(results_and_gradients, fast, [strided(x) for x in narrow(make())])
    assert ran == ({STEPS[name], f"{STEPS[name]}_gradient"} if TRAINS else set())
    assert max(errors(found, wanted)) < BFLOAT16_PART


def test_weights_may_be_stored_transposed(ran):
    fast, _, make = functions_of(33, 64, 32, 96)["project"]
    wanted = in_bfloat16(results_and_gradients, fast, narrow(make()))
    turned = narrow(make())
    turned[2] = turned[2].detach().t().contiguous().t().requires_grad_()
    found = in_bfloat16(results_and_gradients, fast, turned)
    assert max(errors(found, wanted)) < BFLOAT16_PART


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_what_torch_makes_by_default_does_not_matter(dtype):
    fast, _, make = functions_of(33, 64, 32, 96)["project"]
    inputs = [x.detach() for x in narrow(make())]
    layout, joint = joint_of([40, 24], 2)
    wanted = in_bfloat16(fast, *inputs), attend(joint, layout, 0.0)[0]
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(dtype)
        with torch.device("meta"):
            found = in_bfloat16(fast, *inputs), attend(joint, layout, 0.0)[0]
            if TRAINS:
                attend(joint, layout, 0.5)
    finally:
        torch.set_default_dtype(before)
    assert all(torch.equal(x, y) for x, y in zip(found, wanted, strict=True))


def test_threads_are_no_more_than_the_kernels_take(monkeypatch):
    kernels = SimpleNamespace(Trainer=lambda isa, threads: threads)
    monkeypatch.setattr(native_training, "native", lambda: kernels)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1536)
    assert native_training._trainer() == 1024


@pytest.mark.parametrize("name", STEPS)
def test_threads_share_the_rows(name):
    fast, _, make = functions_of(300, 64, 32, 96)[name]
    threads = torch.get_num_threads()
    found = {}
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found[count] = in_bfloat16(results_and_gradients, fast, narrow(make()))
            again = in_bfloat16(results_and_gradients, fast, narrow(make()))
            assert errors(again, found[count]) == [0.0] * len(errors(again, found[count]))
    finally:
        torch.set_num_threads(threads)
    # Products are the same, and sums of float32 in another order.
    assert max(errors(found[3], found[1])) < BFLOAT16_PART


def joint_of(lengths, heads, seed=0):
    rng = torch.Generator().manual_seed(seed)
    batch = pack([torch.ones(length, dtype=torch.long) for length in lengths])
    joint = torch.randn(sum(lengths), 3 * 32 * heads, generator=rng).bfloat16()
    return batch.layout(heads), joint.requires_grad_()


def attended(joint, layout, dropout=0.0):
    context, _ = attend(joint, layout, dropout)
    weights = torch.arange(context.numel()).view(context.shape).sin()
    joint.grad = None
    (context.float() * weights).sum().backward()
    return context.detach().float(), joint.grad.float()


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("lengths", [[1], [7, 40], [32, 33, 64, 5], [128]])
def test_attention_is_near_that_in_float32(lengths, heads, ran):
    layout, joint = joint_of(lengths, heads)
    found = attended(joint, layout)
    assert ran == ({"attend", "attend_gradient"} if TRAINS else set())
    wanted = attended(joint.detach().float().requires_grad_(), layout)
    for ours, right in zip(found, wanted, strict=True):
        assert distance(ours, right) < BFLOAT16_PART
    with torch.no_grad():
        joint[0] += 1.0
    moved = attended(joint, layout)
    assert max(distance(x, y) for x, y in zip(moved, wanted, strict=True)) > BFLOAT16_PART


def test_dropout_of_both_passes_is_one(ran):
    layout, joint = joint_of([40, 24], 2)
    torch.manual_seed(1)
    context, to_joint = attended(joint, layout, 0.5)
    assert ran == ({"attend", "attend_gradient"} if TRAINS else set())
    torch.manual_seed(1)
    assert torch.equal(attended(joint, layout, 0.5)[0], context)
    assert not torch.equal(attended(joint, layout, 0.5)[0], context)
    # The context is linear in the values, so their gradient tells how it moves with them.
    step = torch.zeros_like(joint, dtype=torch.float32)
    step[:, 128:] = torch.randn(step[:, 128:].shape, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(1)
    moved = attended((joint.detach() + step).bfloat16().requires_grad_(), layout, 0.5)[0]
    weights = torch.arange(context.numel()).view(context.shape).sin()
    told, seen = (to_joint * step).sum(), ((moved - context) * weights).sum()
    assert abs(told - seen) < BFLOAT16 * seen.abs().clamp(min=10)
    torch.manual_seed(3)
    other = attended((joint.detach() + step).bfloat16().requires_grad_(), layout, 0.5)[0]
    assert abs(told - ((other - context) * weights).sum()) > BFLOAT16 * seen.abs().clamp(min=10)


@pytest.mark.parametrize("dropout", [0.1, 0.5])
def test_the_share_that_is_dropped(dropout):
    layout, joint = joint_of([128], 4)
    with torch.no_grad():
        joint[:, :256] = 0.0  # all keys alike
        joint[:, 256:] = 1.0
    torch.manual_seed(0)
    context, _ = attended(joint, layout, dropout)
    # Each row is the share of its 128 probabilities that is left, times what makes up for it.
    assert abs(context.mean() - 1) < DROPPED_SHARE
    assert 0.5 < context[:, ::32].std() / (dropout / (1 - dropout) / 128) ** 0.5 < 2


def test_attention_that_shows_its_probabilities_is_that_of_torch(ran):
    layout, joint = joint_of([7, 40], 2)
    _, shown = attend(joint, layout, 0.0, AttentionOutput.PROBABILITIES)
    assert shown
    assert not ran


def masked_words(model, rows, labels, soft=None):
    model.zero_grad()
    rows.grad = None
    loss = masked_lm_loss(model, rows, labels, soft)
    loss.backward()
    named = dict(model.named_parameters()) | {"rows": rows}
    return loss.detach(), {n: x.grad.clone() for n, x in named.items() if x.grad is not None}


def check_words(model, rows, labels, soft, monkeypatch):
    """Compare with torch's products; return the gradient by the rows."""
    loss, found = in_bfloat16(masked_words, model, rows, labels, soft)
    with monkeypatch.context() as patched:
        patched.setenv(ISA_VARIABLE, "generic")
        wanted_loss, wanted = in_bfloat16(masked_words, model, rows, labels, soft)
    assert distance(loss, wanted_loss) < BFLOAT16_PART
    for name, right in wanted.items():
        assert distance(found[name], right) < BFLOAT16_PART, name
    return wanted["rows"]


def drawn_words(count, model):
    rng = torch.Generator().manual_seed(0)
    rows = torch.randn(count, 64, generator=rng).requires_grad_()
    return rows, torch.randint(model.config.vocab_size, (count,), generator=rng)


@pytest.mark.parametrize("count", [1, 40, 77])
@pytest.mark.parametrize("fields", [{"vocab_size": 300}, {}, {"embedding_size": 64}])
def test_the_loss_of_masked_words(fields, count, ran, monkeypatch):
    model = build("masked_lm", **(PANELS | fields))
    rows, labels = drawn_words(count, model)
    wanted = check_words(model, rows, labels, None, monkeypatch)
    assert ran == ({"vocabulary"} if TRAINS else set())
    moved = (labels + 1) % model.config.vocab_size
    _, other = in_bfloat16(masked_words, model, rows, moved)
    assert distance(other["rows"], wanted) > BFLOAT16_PART


@pytest.mark.parametrize(("share", "temperature"), [(0.5, 1.0), (0.0, 1.0), (1.0, 1.0), (0.3, 2.5)])
@pytest.mark.parametrize("size", [300, 97])
def test_the_loss_of_a_teachers_words(share, temperature, size, ran, monkeypatch):
    model = build("masked_lm", **PANELS, vocab_size=size)
    wide = PANELS | {"hidden_size": 96, "embedding_size": 64, "vocab_size": size}
    teacher = build("masked_lm", **wide)
    rows, labels = drawn_words(40, model)
    theirs = torch.randn(40, 96, generator=torch.Generator().manual_seed(1))
    soft = SoftTargets(teacher, theirs, share, temperature)
    wanted = check_words(model, rows, labels, soft, monkeypatch)
    assert ran == ({"vocabulary"} if TRAINS else set())
    other = SoftTargets(teacher, 2 * theirs, 1 - 0.9 * share, temperature + 0.5)
    _, moved = in_bfloat16(masked_words, model, rows, labels, other)
    assert distance(moved["rows"], wanted) > BFLOAT16_PART


@pytest.mark.skipif(not TRAINS, reason="torch's products take whole numbers of 64 bits alone")
def test_labels_may_be_a_view():
    model = build("masked_lm", **PANELS)
    rows, labels = drawn_words(7, model)
    apart = labels.int().unsqueeze(-1).repeat(1, 2)[:, 0]
    wanted, found = (in_bfloat16(masked_lm_loss, model, rows, x) for x in (labels, apart))
    assert torch.equal(found, wanted)


def test_a_teacher_of_other_widths_is_scored_by_torch(ran):
    model = build("masked_lm", **PANELS)
    rows, labels = drawn_words(7, model)
    soft = SoftTargets(build("masked_lm"), torch.randn(7, 32), 0.5)
    in_bfloat16(masked_words, model, rows, labels, soft)
    assert not ran


def test_the_loss_itself_is_that_of_torch_for_the_same_scores():
    model = build("masked_lm", **PANELS, vocab_size=300)
    rows, labels = torch.randn(40, 64), torch.arange(40)
    with torch.no_grad():
        found = in_bfloat16(masked_lm_loss, model, rows, labels)
        head = model._vocabulary_head
        table = torch.cat([head.decoder.weight, head.dense.weight.t()], 1)
        x = in_bfloat16(head.transform, rows)
        scores = x.bfloat16().double() @ table.bfloat16().double().t() + head.bias.double()
        wanted = F.cross_entropy(scores, labels)
    # torch rounds the scores themselves.
    assert abs(found - wanted) < (EXP2_LOSS if TRAINS else BFLOAT16_PART)


def trained(model, batch, rows=None):
    states = encode_packed(model, batch, rows=rows).last_hidden_state
    found = gradients(model, states)
    return states.detach(), torch.cat([x.flatten() for x in found.values()])


@pytest.mark.parametrize("rows", [None, torch.tensor([0, 5, 12, 80])])
@pytest.mark.parametrize("variant", ["mobilebert", "no_bottleneck", "tiny", "one_ffn"])
def test_a_model_is_as_near_float32_as_with_torchs_derivatives(variant, rows, ran, monkeypatch):
    model = build(variant=variant, **PANELS).train()
    ours, theirs = [], []
    for seed in range(4):  # one ReLU near zero decides much of one of them
        batch = pack(*texts(model.config, seed=seed))
        wanted = trained(model, batch, rows)
        ran.clear()
        ours.append(
            [
                distance(*pair)
                for pair in zip(in_bfloat16(trained, model, batch, rows), wanted, strict=True)
            ]
        )
        entered = {"enter", "enter_gradient"} if variant in ("mobilebert", "one_ffn") else set()
        everywhere = {
            name + end
            for name in ("project", "feed_forward", "attend")
            for end in ("", "_gradient")
        }
        assert ran == ((entered | everywhere) if TRAINS else set())
        with monkeypatch.context() as patched:
            patched.setenv(ISA_VARIABLE, "generic")
            patched.setattr(packed_layers, "_folded", lambda *_: None)
            theirs.append(
                [
                    distance(*pair)
                    for pair in zip(in_bfloat16(trained, model, batch, rows), wanted, strict=True)
                ]
            )
    ours, theirs = torch.tensor(ours).mean(0), torch.tensor(theirs).mean(0)
    assert 0 < ours.max() < BFLOAT16
    assert ours[0] < BFLOAT16_RATIO * theirs[0]
    # Gradients of few rows are a matter of luck.
    assert rows is not None or ours[1] < BFLOAT16_RATIO * theirs[1]


def test_what_the_kernels_do_not_take():
    x, panel, other = torch.zeros(3, 64), torch.zeros(32, 64), torch.zeros(30, 64)
    assert runs_native(torch.bfloat16, x, panel) == TRAINS
    assert not runs_native(torch.bfloat16, x, other)
    assert not runs_native(torch.bfloat16, x[:0], panel)
    assert not runs_native(torch.bfloat16, x.double(), panel)
    assert not runs_native(torch.float32, x, panel)
    assert not runs_native(torch.bfloat16, x.to("meta"), panel)
    joint = torch.zeros(3, 96).bfloat16()
    assert attends_native(joint, 1) == TRAINS
    assert not attends_native(joint, 2)
    assert not attends_native(joint.float(), 1)


def test_another_instruction_set_trains_as_before(ran, monkeypatch):
    monkeypatch.setenv(ISA_VARIABLE, "generic")
    model = build(**PANELS).train()
    in_bfloat16(trained, model, pack(*texts(model.config)))
    assert not ran
