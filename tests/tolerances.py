"""Every numeric bound of the tests, with its reason.

An assertion compares ``abs(found - wanted)`` with ``bound * max(1, abs(wanted).max())``: the bounds
are relative to the largest value of the compared array, because hidden values of MobileBERT range
over many orders of magnitude.
"""

# Two float64 computations of the same formulae differ by the order of summation only: about
# sqrt(terms) * 2**-53 a layer, amplified by at most a few thousand over the layers of the small
# test models.
FLOAT64 = 1e-10

# The same in float32: 2**-24 a rounding, measured worst about 3e-6 on the small models.
FLOAT32 = 2e-5

# math.erf is correctly rounded to about 1 ulp; the two expansions are summed to 1e-16 terms.
ERF = 1e-14
