"""Our tokenizer classes and those of transformers, by kind."""

import transformers

from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast

OURS = {"slow": MobileBertTokenizer, "fast": MobileBertTokenizerFast}
PEERS = {
    "slow": transformers.MobileBertTokenizer,
    "fast": transformers.MobileBertTokenizerFast,
}
