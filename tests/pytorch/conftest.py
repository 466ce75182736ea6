from one_thread import one_thread, seeded_torch

__all__ = ["one_thread", "seeded_torch"]
