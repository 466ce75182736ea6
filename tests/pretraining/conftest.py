from one_thread import one_thread, seeded_torch
from pretraining.small_fixtures import config_file, prepared, tokenizer, tokenizer_dir

__all__ = ["config_file", "one_thread", "prepared", "seeded_torch", "tokenizer", "tokenizer_dir"]
