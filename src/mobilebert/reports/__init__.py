"""What came of training, for people: a page, a file of numbers, a model card."""
