"""Fresh heads say how frequent labels are."""

import pytest
import torch

from mobilebert.training.finetune import finetune
from mobilebert.training.tuned_model import TunedModel


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_the_first_scores_have_the_frequencies_of_the_data(
    checkpoints, tmp_path, monkeypatch, sampling
):
    rows = [f"a good film {n},good" for n in range(29)] + [f"a bad film {n},bad" for n in range(9)]
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    (tmp_path / "dev.csv").write_text("text,label\nfine,good\ndull,bad\n")
    start, heads = TunedModel.start_head, []

    def started(tuned, batches, targets, prior=None):
        start(tuned, batches, targets)
        plain = tuned.head.eval()(tuned.features(batches[0]))
        start(tuned, batches, targets, prior)
        heads.append((tuned.head.eval()(tuned.features(batches[0])) - plain).detach())

    monkeypatch.setattr(TunedModel, "start_head", started)
    finetune(
        "text-classification",
        train=tmp_path / "train.csv",
        dev=tmp_path / "dev.csv",
        model=checkpoints["fill-mask"],
        output=tmp_path / "model",
        max_steps=1,
        sampling=sampling,
    )
    # One is added to 9 and 29: labels are sorted, "bad" first.
    wanted = torch.tensor([0.25, 0.75] if sampling == "natural" else [0.5, 0.5])
    shares = heads[0].softmax(dim=-1)
    torch.testing.assert_close(shares, wanted.expand_as(shares), rtol=1e-4, atol=1e-5)
