"""Options of the whole test suite."""


def pytest_addoption(parser):
    parser.addoption(
        "--data",
        metavar="DIR",
        help="also run the larger comparisons, over generated texts and the .txt files in DIR",
    )
