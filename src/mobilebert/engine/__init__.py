"""The fused engine: MobileBERT on a CPU without a framework.

`fold.py` rewrites a model exactly, `program.py` lists what is left to compute, `packing.py` lays it
out for the native kernels in `csrc/`. `interpreter.py` runs the same program in numpy.
"""

from mobilebert.engine.engine import Engine

__all__ = ["Engine"]
