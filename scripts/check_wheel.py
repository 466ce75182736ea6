"""Check an installed mobilebert: what was installed, whether the engine is there, that it answers.

python check_wheel.py compiled|absent      (outside the source tree)
"""

import json
import subprocess
import sys
from importlib import metadata

MODEL = "mobilebert-mini-uncased"
QUESTION = ("run", "--model", MODEL, "The capital of France is [MASK].", "--format", "json")
NEEDED = (
    "mobilebert/py.typed",
    f"mobilebert/bundled/{MODEL}/model.safetensors",
    f"mobilebert/bundled/{MODEL}/measured.json",
    f"mobilebert/bundled/{MODEL}/vocab.txt",
)
# The source's rooms that are not for users.
FOREIGN = ("csrc", "tests", "benchmarks", "scripts", "docs")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mobilebert` with arguments."""
    line = [sys.executable, "-m", "mobilebert", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=True)


def first_word(answered: subprocess.CompletedProcess[str]) -> str:
    """Return the best word for the one text."""
    return str(json.loads(answered.stdout)[0][0]["token_str"])


def check_files(compiled: bool) -> None:
    """Check which files the distribution has."""
    files = [str(file) for file in metadata.files("mobilebert") or ()]
    for needed in NEEDED:
        assert needed in files, f"{needed} is missing"
    assert any(file.endswith("licenses/LICENSE") for file in files), "the licence is missing"
    tops = {file.split("/")[0] for file in files}
    assert not tops.intersection(FOREIGN), f"files that do not belong here: {tops}"
    native = [file for file in files if file.startswith("mobilebert/engine/_native")]
    assert bool(native) == compiled, f"compiled parts: {native}"


def main(expected: str) -> None:
    """Check the files, `mobilebert info` and `mobilebert run`."""
    compiled = expected == "compiled"
    check_files(compiled)
    engine = json.loads(command("info", "--json").stdout)["backends"]["engine"]
    answered = command(*QUESTION)
    word = first_word(answered)
    told = answered.stderr.strip().splitlines()
    if compiled:
        assert engine.startswith("available: "), engine
        assert not told, told
        forced = command(*QUESTION, "--backend", "engine")
        assert first_word(forced) == word
    else:
        assert engine.startswith("NOT COMPILED"), engine
        assert len(told) == 1, told
        assert "not compiled" in told[0], told
    print(f"engine: {engine}; first answer: {word}; on stderr: {told}")


if __name__ == "__main__":
    main(sys.argv[1])
