"""Steps of a table by the rows that were read, against those of the whole table and torch's own."""

import numpy as np
import pytest
import torch
from torch import nn

from mobilebert.training import adamw
from mobilebert.training.adamw import AdamW, gradients_by_rows
from mobilebert.training.arithmetic import first_lost
from mobilebert.training.saved_state import Progress, Snapshot

# A width of whole vectors, so that no number is rounded differently by its place.
ROWS, WIDTH, READ, STEPS = 60, 32, 6, 25
CONSTANTS = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}


def table():
    numbers = np.random.default_rng(1).standard_normal((ROWS, WIDTH))
    return nn.Parameter(torch.tensor(numbers, dtype=torch.float32))


def sparse_gradient(step):
    """Of rows of the lower half, some of them given twice."""
    rng = np.random.default_rng(100 + step)
    ids = torch.from_numpy(rng.integers(0, ROWS // 2, READ))
    values = torch.tensor(rng.standard_normal((READ, WIDTH)), dtype=torch.float32)
    return torch.sparse_coo_tensor(ids[None], values, (ROWS, WIDTH), check_invariants=True)


def trained(steps=range(STEPS), weight_decay=0.1, *, sparse=True, kind=AdamW):
    weight = table()
    options = {"fused": True} if kind is torch.optim.AdamW else {}
    optimizer = kind([weight], weight_decay=weight_decay, **CONSTANTS, **options)
    take_steps(weight, optimizer, steps, sparse=sparse)
    return weight, optimizer


def take_steps(weight, optimizer, steps, *, sparse=True):
    for step in steps:
        gradient = sparse_gradient(step)
        weight.grad = gradient if sparse else gradient.to_dense()
        optimizer.step()


def read_rows(optimizer):
    """What the optimizer of a table takes for read."""
    ((_, read),) = optimizer._read.values()
    return read


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("most", [0.0, 0.5, 1.0], ids=["whole", "some", "rows"])
def test_rows_move_as_those_of_the_whole_table(weight_decay, most, monkeypatch):
    monkeypatch.setattr(adamw, "_MOST_ROWS", most)
    moved, optimizer = trained(weight_decay=weight_decay)
    whole, other = trained(weight_decay=weight_decay, sparse=False)
    assert torch.equal(moved, whole)
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(optimizer.state[moved][name], other.state[whole][name])
    assert optimizer.state[moved]["step"] == STEPS


def test_steps_are_those_of_torchs_own():
    torchs, _ = trained(sparse=False, kind=torch.optim.AdamW)
    assert torch.equal(trained()[0], torchs)
    assert not torch.equal(trained(weight_decay=0.11)[0], torchs)


def test_a_row_that_was_read_once_goes_on():
    weight, optimizer = trained(range(1))
    (row,) = sparse_gradient(0).coalesce().indices()[0][:1].tolist()
    before = weight.detach().clone()
    others = sparse_gradient(0).coalesce()
    kept = others.indices()[0] != row
    weight.grad = torch.sparse_coo_tensor(
        others.indices()[:, kept], others.values()[kept], others.shape, check_invariants=True
    )
    optimizer.step()
    decayed = before[row] * (1 - CONSTANTS["lr"] * 0.1)
    assert not torch.allclose(weight[row], decayed)
    never_read = ROWS - 1
    assert torch.equal(weight[never_read], before[never_read] * (1 - CONSTANTS["lr"] * 0.1))


def test_only_rows_that_were_read_are_gone_through(monkeypatch):
    lengths = []
    move = adamw._move
    monkeypatch.setattr(
        adamw,
        "_move",
        lambda moved, *rest: (lengths.extend(len(x.weight) for x in moved), move(moved, *rest)),
    )
    trained()
    read = {
        int(row) for step in range(STEPS) for row in sparse_gradient(step).coalesce().indices()[0]
    }
    assert lengths[0] <= READ
    assert lengths[-1] == len(read) < ROWS


def test_rows_are_known_again_behind_a_state_that_was_put_back():
    straight, _ = trained()
    weight, optimizer = trained(range(10))
    snapshot = Snapshot.take(Progress(step=10), {"table": weight}, optimizer)
    take_steps(weight, optimizer, range(30, 40))  # a way that is not gone on with
    gone = read_rows(optimizer).clone()
    snapshot.restore({"table": weight}, optimizer)
    take_steps(weight, optimizer, range(10, 11))
    state = optimizer.state[weight]
    moved = ((state["exp_avg"] != 0) | (state["exp_avg_sq"] != 0)).any(dim=1)
    assert torch.equal(read_rows(optimizer), moved)
    assert (gone & ~moved).any()
    take_steps(weight, optimizer, range(11, STEPS))
    assert torch.equal(weight, straight)


def test_rows_without_gradient_are_not_counted():
    weight = table()
    optimizer = AdamW([weight], weight_decay=0.1, **CONSTANTS)
    weight.grad = sparse_gradient(0) * 0
    optimizer.step()
    read = read_rows(optimizer)
    assert not read.any()
    take_steps(weight, optimizer, range(1))
    assert read.sum() == sparse_gradient(0).coalesce().indices().shape[1]


def test_states_of_torchs_own_are_gone_on_with():
    """Their steps are tensors: runs that began with an earlier version have them."""
    straight, _ = trained()
    weight, torchs = trained(range(10), sparse=False, kind=torch.optim.AdamW)
    optimizer = AdamW([weight], weight_decay=0.1, **CONSTANTS)
    optimizer.state[weight] = dict(torchs.state[weight])
    take_steps(weight, optimizer, range(10, STEPS))
    assert torch.equal(weight, straight)


def test_weights_that_rested_have_steps_of_their_own():
    one, two = table(), table()
    optimizer = AdamW([one, two], weight_decay=0.1, **CONSTANTS)
    for step in range(STEPS):
        one.grad = sparse_gradient(step).to_dense()
        two.grad = None if step < 10 else sparse_gradient(step).to_dense()
        optimizer.step()
    assert torch.equal(one, trained()[0])
    assert torch.equal(two, trained(range(10, STEPS))[0])


def gradient_of(words):
    words.weight.grad = None
    words(torch.tensor([3, 3, 8])).sum().backward()
    return words.weight.grad


def test_a_table_has_sparse_gradients_while_it_is_asked_to():
    words = nn.Embedding(ROWS, WIDTH)
    with gradients_by_rows(words):
        assert gradient_of(words).is_sparse
    assert not gradient_of(words).is_sparse
    with gradients_by_rows(None):
        assert not gradient_of(words).is_sparse


def test_a_table_is_as_before_behind_an_error():
    words = nn.Embedding(ROWS, WIDTH)
    with pytest.raises(KeyboardInterrupt), gradients_by_rows(words):
        raise KeyboardInterrupt
    assert not gradient_of(words).is_sparse


def test_a_lost_gradient_of_a_table_is_named():
    weight = table()
    weight.grad = sparse_gradient(0)
    assert first_lost({"words": weight}, tuple) == ""
    weight.grad = sparse_gradient(0) * float("nan")
    assert first_lost({"words": weight}, tuple) == "the gradient of words"
