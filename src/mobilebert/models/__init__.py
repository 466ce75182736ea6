"""Modules under the qualified names of the documentation; see `mobilebert.models.mobilebert`."""
