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

# A sum in float32, multiplied and added to another: a few roundings of 2**-24. The code's 1e-5 on
# two or three words is ten times that.
FLOAT32_UNITS = 5e-7

# Keras (TensorFlow on the CPU) against PyTorch, both float32, every class and variant, all label
# kinds: measured worst 2e-6 for outputs and losses and 4e-6 for gradients. Against float64 PyTorch
# itself is no nearer. A gradient is compared relative to its own largest element, or to a
# tenth of the model's largest: some are sums that cancel (to zero for the keys' bias).
KERAS_FLOAT32 = 1e-5

# math.erf is correctly rounded to about 1 ulp; the two expansions are summed to 1e-16 terms.
ERF = 1e-14

# Central differences with step 1e-5 in float64: the third derivative times step**2 / 6 (1e-10 at
# the curvatures of the small models times a few hundred) plus rounding of 1e-16 / 1e-5.
CENTRAL_DIFFERENCE = 1e-6

# Not a bound: how far twin tests move a weight of order 1. A hundred thousand times the bound they
# must break, and small enough to show that parity is not only sensitive to gross mistakes.
SMALL_MISTAKE = 1e-5

# The bundled model in float32: six layers instead of two, hidden values up to a few hundred.
BUNDLED_LOGITS = 5e-5

# The documented pages print scores and losses with two digits.
PRINTED_SCORE = 0.011

# Scores of pipelines: float32 models on both sides, through a softmax, which does not amplify.
# Measured worst 3e-6.
PIPELINE_SCORES = 2e-5

# Scores computed with float16 weights against float32: 2**-11 a rounding, over six layers.
FLOAT16_SCORE = 0.03

# Not a bound: the standard deviation of a normal distribution cut at two of them.
TRUNCATED_SHARE = 0.8796

# Mean and standard deviation of some ten thousand initial weights: four standard errors,
# 4 / sqrt(10000).
INITIAL_STANDARD_DEVIATION = 0.04

# Covariance of 20,000 drawn rows: five standard errors, 5 * sqrt(2 / 20000).
SAMPLE_COVARIANCE = 0.05

# bfloat16 rounds to 2**-8, and a few roundings a layer add up over the two layers.
BFLOAT16 = 0.1

# One part of a layer, or an attention, in bfloat16 autocast: operands, weights and the results of
# products are each rounded to 2**-9, and gradients pass two products. Measured worst 6.3e-3 for the
# parts of a layer.
BFLOAT16_PART = 0.02

# The engine in bfloat16: weights and what goes into products are rounded to 2**-9, the stream and
# all sums are float32. Measured worst 3.1e-2 on the small models (a pooler's tanh at hidden values
# of order 10), 1.5e-2 elsewhere.
ENGINE_BFLOAT16 = 0.05

# The engine in int8: 255 steps a row and 127 an output, so about 2**-8 and 2**-7 a rounding, and
# what stays out of it in float32 or bfloat16. Measured worst 5.8e-2 on the small models (a pooler's
# tanh at hidden values of order 10), 2.7e-2 elsewhere.
ENGINE_INT8 = 0.1

# The engine in int8 against the same integers in numpy: as float32, except where a number lies so
# near the middle of two steps that the order of a float32 sum decides. Such a number moves by a
# whole step, a 255th of its row, and adds that times one weight to what reads it.
INT8_ONE_STEP = 1e-2

# How much larger than the peer's our error in bfloat16 may be: the order of the roundings differs
# between the implementations, and the worst element of a small model is a matter of luck.
BFLOAT16_RATIO = 2.0

# Two trainings from the same weights on the same batches, in float32: one point, as promised. They
# drift apart by rounding only; measured over 24 steps, no sentence changed its class.
ACCURACY = 0.01

# What the engine promises (docs/accuracy.md), by element type: the share of texts with the same
# best answer as in float64, and the largest change of a probability.
ENGINE_ANSWERS = {"float32": (1.0, 1e-4), "bfloat16": (0.995, 0.01), "int8": (0.99, 0.03)}

# The same on the random model with outliers, 24 layers deep: relative to what texts differ by,
# bfloat16 has an error of 2 % there and 0.3 % on the bundled model (docs/accuracy.md). Measured
# over 300 texts: 98.3 %, 2.0e-2.
OUTLIER_ANSWERS = {"float32": (1.0, 1e-4), "bfloat16": (0.95, 0.05)}

# Largest error of a token relative to its largest number: over 24 layers in float32, as promised;
# in bfloat16 measured 1.8e-2.
ENGINE_TOKEN = {"float32": 1e-4, "bfloat16": 0.03}

# What is stored of the bundled model's faster types against what is measured again, as a share of
# what "auto" accepts: kernels give the same numbers everywhere, but numpy's exp, which makes
# probabilities of them, may round another way on another processor (2**-24 of 0.01: 6e-6).
STORED_MEASUREMENT = 1e-4

# Two processes, or parts of a batch, add the same float32 gradients in another order; 40 steps of
# AdamW on three weights of order 1 amplify 2**-24 by less than a hundred.
TWO_PROCESSES = {"rtol": 1e-4, "atol": 1e-5}
# Means over 2000 draws differ by sqrt(2 / 2000) standard deviations; six of those, as the largest
# of some hundred numbers is compared.
SIX_STANDARD_ERRORS = 0.19

# Spreads over 2000 draws, averaged over some hundred channels that depend on each other: measured
# worst 2 %.
SPREAD_SHARE = 0.06

# What is promised of a saved checkpoint against the logits in training, as a share of their range.
FOLDED_LOGITS = 1e-4

# Not a rounding: how large a standardised feature may be where the first batches said nothing about
# a channel: it then has a fifth of the median channel's spread, and some thousand numbers reach
# four times theirs.
LARGEST_STANDARDISED = 20.0
# Shares of 15, 80 and 10 percent among a few hundred drawn tokens: four standard errors,
# 4 * sqrt(0.16 / 600), rounded up.
SHARE_OF_MANY = 0.07

# One part of a layer on the engine's kernels in bfloat16, as a share of the whole: operands, and
# what is between two products, are rounded to 2**-9. Measured worst 2.3e-2, of a bias whose
# gradient is what remains of 300 numbers that cancel.
NATIVE_PART = 0.04

# The loss of masked words on the engine's kernels, for the same scores: powers of two by a
# polynomial within 8e-5, and the logarithm of their sum.
EXP2_LOSS = 2e-4

# Mean of 512 rows of 128 probabilities of which half are dropped: five standard errors,
# 5 / sqrt(512 * 128).
DROPPED_SHARE = 0.02
