"""Level changes of a noisy curve: cuts it into stretches, each of which is steady.

The curve has one row per sample and one column per quantity (a camera's pan, tilt and zoom). `stretches` has three
steps.

1. Scale. Each column is divided by its noise, so that a gain in fit means the same in all columns.
2. Divide, from the whole down to its parts (binary segmentation, Scott & Knott 1974). A part is cut at the place where
   two means fit it best. One cut cannot find a change that returns to its level, because both sides of any cut then
   have about the same mean. Therefore the step also searches for the span that differs most from its surroundings
   (circular, Olshen et al. 2004)::

        level    one cut is enough                 a span: it comes back
          |                   _.-._-.-                   _.-._-.
          |                  |                          |       |
          |   -._.-_.-._-.-._|                .-._-._.-_|       |_.-.-._-._
          +------------------^----------->   -----------^-------^---------->  time
              a             cut        b      a       first    last       b

3. Place again. The first cuts are placed before the later ones are known. A cut inside a stretch that later becomes two
   is therefore off. Each cut moves to the best place between its neighbours, and is dropped if nothing changes there.

A cut must gain more fit than chance gives to a part of its length. The levels must also differ by an amount that
matters to the reader of the result (`differ`): with little noise, the tiniest drift would gain enough.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Least gain in fit of a cut, in squared noise, times the logarithm of the samples. This is what the best place reaches
# by chance in pure noise, with a margin for noise that is not independent from sample to sample.
PENALTY = 8.0
# Number of lengths to try for a span inside a part. Rough lengths are enough, since both ends are placed again.
LENGTHS = 24
# Least change of level that separates two stretches: absolute, and as a share of the larger level.
STEP, STEP_SHARE = 0.03, 0.15
# Lower bound for the noise: a drawn curve has none, and would be cut at each rounding.
LEAST_NOISE = 0.01
# Median of the difference of two independent normal samples, in standard deviations of one: 0.6745 times sqrt(2).
MEDIAN_DIFFERENCE = 0.954
ROUNDS = 2  # of placing again; a third changes nothing in practice


def stretches(curve: Array, shortest: int) -> list[int]:
    """First sample of each steady stretch, ascending; the first is 0.

    Args:
        curve: Samples at even distances, [n, k], n at least 1.
        shortest: Minimum number of samples of a stretch, at least 1.
    """
    sums = _scaled_sums(curve)
    starts = _divided(curve, sums, shortest)
    for _ in range(ROUNDS):
        starts = _placed_again(curve, sums, sorted(starts), shortest)
    return starts


def differ(one: Array, two: Array) -> bool:
    """Whether two levels [k] differ enough to be two stretches."""
    largest = np.maximum(np.abs(one), np.abs(two)).max()
    return bool(np.abs(one - two).max() > max(STEP, STEP_SHARE * largest))


def median_of_three(curve: Array) -> Array:
    """The curve [n, k] without single bad samples; unlike a mean, this keeps steps in place."""
    if len(curve) < 3:
        return curve
    padded = np.concatenate([curve[:1], curve, curve[-1:]])
    return np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)


def _scaled_sums(curve: Array) -> Array:
    """Sums of the first 0, 1, ... n samples in units of the noise, [n + 1, k]: a span's mean by one subtraction."""
    columns = curve.shape[1]
    noise = np.zeros(columns)
    if len(curve) > 1:
        noise = np.median(np.abs(np.diff(curve, axis=0)), axis=0) / MEDIAN_DIFFERENCE
    return np.concatenate([np.zeros((1, columns)), np.cumsum(curve / np.maximum(noise, LEAST_NOISE), axis=0)])


def _divided(curve: Array, sums: Array, shortest: int) -> list[int]:
    """Starts of the stretches, not in order; each is chosen before the later ones are known."""
    starts, todo = [0], [(0, len(curve))]
    while todo:
        a, b = todo.pop()
        places = _cut(curve, sums, a, b, shortest) or _span(curve, sums, a, b, shortest)
        starts += places
        if places:
            todo += zip([a, *places], [*places, b], strict=True)
    return starts


def _cut(curve: Array, sums: Array, a: int, b: int, shortest: int) -> list[int]:
    """Places at which to divide the samples `a` to `b`; nothing if they are steady."""
    cut, gain = _best_cut(sums, a, b, shortest)
    is_enough = gain > PENALTY * np.log(b - a) and differ(curve[a:cut].mean(axis=0), curve[cut:b].mean(axis=0))
    return [cut] if is_enough else []


def _span(curve: Array, sums: Array, a: int, b: int, shortest: int) -> list[int]:
    """Start and end of a stretch within the samples `a` to `b` that differs from the rest; nothing if none does."""
    if b - a < 3 * shortest:
        return []
    first, last, gain = _best_span(sums, a, b, shortest)
    rest = np.concatenate([curve[a:first], curve[last:b]])
    is_enough = gain > PENALTY * np.log(b - a) and differ(curve[first:last].mean(axis=0), rest.mean(axis=0))
    return [first, last] if is_enough else []


def _best_cut(sums: Array, a: int, b: int, shortest: int) -> tuple[int, float]:
    """The best place to divide the samples `a` to `b`, and the gain in fit of two means over one."""
    cuts = np.arange(a + shortest, b - shortest + 1)
    if not len(cuts):
        return b, 0.0
    left = (sums[cuts] - sums[a]) / (cuts - a)[:, None]
    right = (sums[b] - sums[cuts]) / (b - cuts)[:, None]
    gain = ((cuts - a) * (b - cuts) / (b - a)) * ((left - right) ** 2).sum(axis=1)
    return int(cuts[gain.argmax()]), float(gain.max())


def _best_span(sums: Array, a: int, b: int, shortest: int) -> tuple[int, int, float]:
    """Start and end of the samples within `a` to `b` that differ most from the rest, and the gain in fit of two means.

    There must be at least three times `shortest` samples.
    """
    found = (a, b, 0.0)
    lengths: list[int] = np.unique(np.geomspace(shortest, b - a - 2 * shortest, LENGTHS).round().astype(int)).tolist()
    for length in lengths:
        firsts = np.arange(a + shortest, b - shortest - length + 1)
        inside, rest = sums[firsts + length] - sums[firsts], b - a - length
        unlike = inside / length - (sums[b] - sums[a] - inside) / rest
        gain: Array = length * rest / (b - a) * (unlike**2).sum(axis=1)
        place = int(gain.argmax())
        if gain[place] > found[2]:
            found = int(firsts[place]), int(firsts[place]) + length, float(gain[place])
    return found


def _placed_again(curve: Array, sums: Array, starts: list[int], shortest: int) -> list[int]:
    """The starts, each at the best place between its neighbours, without those that separate nothing.

    The levels here are medians: a sample across a change is a mix of both levels, and must not form a stretch with its
    neighbours.
    """
    kept = [0]
    for end in [*starts[2:], len(curve)][: len(starts) - 1]:
        cut, _gain = _best_cut(sums, kept[-1], end, shortest)
        if differ(np.median(curve[kept[-1] : cut], axis=0), np.median(curve[cut:end], axis=0)):
            kept.append(cut)
    return kept
