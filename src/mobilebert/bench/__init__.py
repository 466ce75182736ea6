"""Measuring the engine beside other runtimes: what is run, by whom, how, and what came out."""
