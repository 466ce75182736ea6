"""What is wrong with a row survives the way from a worker process."""

import pickle

from mobilebert.datasets.problems import ProblemKind, RowError


def test_the_error_of_a_row_can_be_sent_to_another_process():
    error = RowError(ProblemKind.EMPTY_TEXT, "the text is empty")
    again = pickle.loads(pickle.dumps(error))
    assert (again.kind, str(again)) == (ProblemKind.EMPTY_TEXT, "the text is empty")
