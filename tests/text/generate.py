"""Seeded random Unicode text: all planes, combining marks, CJK, controls, special tokens."""

import random

# (first, last) code points; each group is drawn as often as its weight says.
GROUPS = (
    (18, ((0x61, 0x7A), (0x41, 0x5A), (0x20, 0x20), (0x30, 0x39))),
    (6, ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E))),
    (4, ((0x00, 0x1F), (0x7F, 0xA0), (0x2000, 0x206F), (0xFE00, 0xFE0F), (0xFFF0, 0xFFFD))),
    (8, ((0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x1E00, 0x1FFF))),
    (8, ((0x300, 0x36F), (0x483, 0x487), (0x591, 0x5BD), (0x64B, 0x65F), (0x1AB0, 0x1ACE))),
    (5, ((0x900, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x109F), (0x1780, 0x17FF))),
    (6, ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x3000, 0x30FF))),
    (4, ((0x1100, 0x11FF), (0xAC00, 0xD7A3), (0xA960, 0xA97C), (0xD7B0, 0xD7FB))),
    (4, ((0x0, 0xD7FF), (0xE000, 0xFFFF))),
    (3, ((0x10000, 0x1FFFF),)),
    (2, ((0x20000, 0x2FFFF), (0x30000, 0x3FFFF))),
    (2, ((0x40000, 0xDFFFF), (0xE0000, 0xEFFFF), (0xF0000, 0xFFFFF), (0x100000, 0x10FFFF))),
)
SPECIAL = ("[MASK]", "[SEP]", "[CLS]", "[PAD]", "[UNK]", "[mask]", "[MASK", "##ing", "##")
COMMON = ("the", "un", "ing", "naïve", "don't", "İ", "ΟΔΟΣ", "Å", "e\u0301", "が", "조", "ﬁ")


def strings(count: int, seed: int, longest: int = 12) -> list[str]:
    """Make `count` strings of 0 to `longest` drawn units."""
    rng = random.Random(seed)
    weights = [weight for weight, _ in GROUPS]
    blocks = [ranges for _, ranges in GROUPS]

    def unit() -> str:
        kind = rng.random()
        if kind < 0.03:
            return rng.choice(SPECIAL)
        if kind < 0.10:
            return rng.choice(COMMON)
        first, last = rng.choice(rng.choices(blocks, weights)[0])
        return chr(rng.randint(first, last))

    return ["".join(unit() for _ in range(rng.randint(0, longest))) for _ in range(count)]


def every_character(last: int = 0x10FFFF, per_string: int = 40) -> list[str]:
    """Every Unicode character up to `last`, each between two letters, many to a string."""
    words = [f"a{chr(code)}b" for code in range(last + 1) if not 0xD800 <= code <= 0xDFFF]
    return [" ".join(words[i : i + per_string]) for i in range(0, len(words), per_string)]
