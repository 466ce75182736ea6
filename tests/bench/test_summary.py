"""The lines under the tables."""

import pytest

from bench.contents import content
from mobilebert.bench.tables import summary


@pytest.mark.parametrize(
    ("theory", "told"),
    [(6500.0, "theory 6500"), (1235.0, "theory unknown: the clock was disturbed")],
)
def test_a_theory_below_what_was_measured_is_none(theory, told):
    results = content()
    results["peaks"]["theory"]["amx bfloat16"] = theory
    assert f"units amx bfloat16 6000 ({told})." in summary(results)
