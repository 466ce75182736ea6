"""The corpus of the recipes with made-up sentences, and the scripts of a recipe's directory."""

import importlib
import lzma
import sys
from pathlib import Path

from pretraining.small_text import write_config
from recipes.small_data import ADJECTIVES, write_data

RECIPES = Path(__file__).parents[2] / "recipes"
# Pieces of its vocabulary; the sentences have a few more.
PIECES = 120
PLACES = ("river", "market", "garden", "library", "harbor", "mountain", "village", "station")


def document(number):
    lines = [
        f"The {ADJECTIVES[(number + n) % 10]} {PLACES[(number * n) % 8]} of chapter {number} is "
        f"{ADJECTIVES[(number * 3 + n) % 10]} , and the {PLACES[(n + 3) % 8]} is near it ."
        for n in range(8)
    ]
    return "\n".join(lines) + "\n"


def write_corpus(directory, names):
    """Write the tables of fine-tuning and files of the corpus, and return their directory."""
    write_data(directory)
    (directory / "corpus").mkdir()
    for place, name in enumerate(names):
        text = "\n".join(document(100 * place + number) for number in range(96))
        (directory / "corpus" / f"{name}.txt.xz").write_bytes(lzma.compress(text.encode()))
    return directory


def write_models(directory):
    """Write teacher.json and student.json of small models of four layers."""
    for name, variant in (("teacher", "teacher"), ("student", "mobilebert")):
        (directory / name).mkdir()
        sizes = {"num_hidden_layers": 4, "max_position_embeddings": 64}
        file = write_config(directory / name, PIECES, variant=variant, **sizes)
        file.rename(directory / f"{name}.json")
    return directory


def script(recipe, name):
    """Import a script from the directory of a recipe, which is no package."""
    for directory in (RECIPES, RECIPES / recipe):
        if str(directory) not in sys.path:
            sys.path.append(str(directory))
    return importlib.import_module(name)
