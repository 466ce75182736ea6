"""Pre-training: masked words and next sentences, from prepared text to a judged checkpoint."""
