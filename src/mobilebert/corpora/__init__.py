"""Plain text as data for pre-training: documents to sequences of token ids, and their masks."""
