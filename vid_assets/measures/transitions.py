"""Hard cuts, dissolves and fades in a sequence of small pictures, for ``cut_analysis`` and ``visual_effects``.

- Cut: the step from one frame to the next meets three conditions. It is large even if the pictures may have moved
  (least difference within a few px, block by block). It stands out from the surrounding steps (adaptive threshold, as
  in Truong et al., "New enhancements to cut, fade, and dissolve detection", 2000). It separates *all* frames before it
  from all frames after it (Yuan et al., "A formal study of shot boundary detection", 2007). Flashes and fast pans are
  therefore no cuts.
- Dissolve: the colours of coarse fields follow a straight line from one steady level to another, and the spatial
  variance sags as much as a mix of the two pictures requires (the parabola of Alattar, "Detecting and compressing
  dissolve regions in video sequences", 1993). Motion does not cause such a sag.
- Fade: the same straight line, with a black or white picture at one end (Lienhart, "Comparison of automatic shot
  boundary detection algorithms", 1999).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CELL = 3
NEIGHBOURS = 6  # frames on each side from which a step must differ
CUT_STEP, CUT_RATIO = 3.5, 1.45
CUT_SPREAD = 0.35  # share of the lit blocks
PEAK_STEP = 12.0  # step of a cut that does not count as unrest around another one
BLENDED = 2  # plain or mixed frames that one cut may have between its shots
STEADY = 4  # frames of a steady level before and after a ramp
DARK, BRIGHT = 24.0, 231.0
FADE_SCORE = 5.0
DISSOLVE_SCORE, DISSOLVE_CHANGE, SAG = 3.0, 18.0, (0.5, 1.6)
DETOUR = 2.2
OTHER_STEP, CHANGED, SPREAD = 8.0, 10.0, 0.65  # levels, levels, share of the lit blocks
MIXED = 0.7  # of the difference between two shots: misfit of their mix
EVEN = 4.0  # levels of spread of a plain frame


@dataclass(frozen=True, slots=True)
class Cut:
    """A hard cut from frame `last` to frame `first`; `confidence` is 0.5 at the threshold.

    One or two frames between them are plain, or a mix of both.
    """

    last: int
    first: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Ramp:
    """A linear mix over the frames between `last` (wholly old) and `first` (wholly new).

    `kind` is dissolve, fade_out or fade_in. `colour` of a fade is black or white. `strength` is the root mean square
    change of the coarse colours in levels.
    """

    kind: str
    last: int
    first: int
    confidence: float
    strength: float
    colour: str = ""


def frame_rate(times_s: Array) -> float:
    """Typical frames per second from presentation times, [n]; frames at the same time count as one."""
    gaps = np.diff(times_s)
    gaps = gaps[gaps > 0]
    return float(1 / np.median(gaps)) if len(gaps) else 25.0


def cells(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean colour of blocks of 3 x 3 px, float32 [n, 9, 16, 3], for pictures of 27 x 48 px."""
    n, height, width = thumbs.shape[:3]
    total = np.zeros((n, height // CELL, width // CELL, 3), np.uint16)
    for row, column in product(range(CELL), repeat=2):
        total += thumbs[:, row::CELL, column::CELL]
    return total.astype(np.float32) / np.float32(CELL**2)


def steps(a: NDArray[np.float32], b: NDArray[np.float32], reach: int = 2) -> Array:
    """Difference of the pictures `a` from `b` apart from motion, float64 [n], in levels.

    Each block is compared with the most similar block of the other picture within `reach` blocks. The result is the
    mean over the blocks, from `a` to `b` or from `b` to `a`, whichever is larger.

    Args:
        a: Blocks from `cells`, [n, rows, columns, 3].
        b: The same shape.
        reach: Allowed motion, in blocks.
    """
    return both_steps(a, b, reach).max(axis=1)


def both_steps(a: NDArray[np.float32], b: NDArray[np.float32], reach: int = 2) -> Array:
    """As `steps`, in each direction, float64 [n, 2]: what of `a` is not in `b`, and what of `b` is not in `a`."""
    result = np.empty((len(a), 2))
    for start in range(0, len(a), 256):
        part = slice(start, start + 256)
        result[part] = _steps(np.rint(a[part]).astype(np.int16), np.rint(b[part]).astype(np.int16), reach)
    return result


def _steps(a: NDArray[np.int16], b: NDArray[np.int16], reach: int) -> Array:
    planes_a, planes_b = (np.ascontiguousarray(x.transpose(3, 0, 1, 2)) for x in (a, b))
    rows, columns = a.shape[1:3]
    best_a = np.full(a.shape[:3], 1000, np.int16)
    best_b = best_a.copy()
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            ya, xa = slice(max(0, -dy), rows - max(0, dy)), slice(max(0, -dx), columns - max(0, dx))
            yb, xb = slice(max(0, dy), rows - max(0, -dy)), slice(max(0, dx), columns - max(0, -dx))
            difference = np.abs(planes_a[0, :, ya, xa] - planes_b[0, :, yb, xb])
            for channel in (1, 2):
                difference += np.abs(planes_a[channel, :, ya, xa] - planes_b[channel, :, yb, xb])
            np.minimum(best_a[:, ya, xa], difference, out=best_a[:, ya, xa])
            np.minimum(best_b[:, yb, xb], difference, out=best_b[:, yb, xb])
    return np.stack([best_a.mean(axis=(1, 2)), best_b.mean(axis=(1, 2))], axis=1) / 3


def find_cuts(blocks: NDArray[np.float32], step: Array, fps: float, sensitivity: float = 1.0) -> list[Cut]:
    """Hard cuts, ascending.

    Args:
        blocks: Blocks from `cells`, [n, 9, 16, 3].
        step: `steps` from each frame to the next, [n - 1].
        fps: Frames per second; a flash lasts at most 0.12 s.
        sensitivity: Above 1, smaller changes count as cuts.
    """
    n = len(blocks)
    if n < 2:
        return []
    unrest = 1 + _unrest(step)
    least, least_ratio = CUT_STEP / sensitivity, 1 + (CUT_RATIO - 1) / sensitivity
    needed = np.maximum(least, least_ratio * unrest)
    found = np.flatnonzero(step > needed)
    # A large thing that comes or leaves at once changes a part of the picture.
    found = found[spread_changes(blocks[found], blocks[found + 1]) > CUT_SPREAD]
    apart = np.minimum(step[found], other_shot(blocks[found], blocks[found + 1]))
    reach = max(4, round(0.12 * fps))
    for back, ahead in product(range(reach), repeat=2):
        kept = apart > needed[found]
        found, apart = found[kept], apart[kept]
        before, after = np.maximum(found - back, 0), np.minimum(found + 1 + ahead, n - 1)
        if back or ahead:
            apart = np.minimum(apart, steps(blocks[before], blocks[after]))
    kept = apart > needed[found]
    ratio = apart[kept] / unrest[found[kept]]
    cuts = [
        Cut(int(last), int(last) + 1, _confidence(float(value), least_ratio, 4))
        for last, value in zip(found[kept], ratio, strict=True)
    ]
    return _joined(cuts, blocks)


def _joined(cuts: Sequence[Cut], blocks: NDArray[np.float32]) -> list[Cut]:
    """The cuts; two with only mixed or plain frames between them are one."""
    joined: list[Cut] = []
    for cut in cuts:
        before = joined[-1] if joined else None
        if before and cut.last - before.last <= BLENDED and _is_between(blocks, before.last, cut.first):
            joined[-1] = Cut(before.last, cut.first, max(before.confidence, cut.confidence))
        else:
            joined.append(cut)
    return joined


def _is_between(blocks: NDArray[np.float32], last: int, first: int) -> bool:
    """Whether the frames between two frames are plain, or mixes of the two."""
    inside = blocks[last + 1 : first]
    if (inside.reshape(len(inside), -1, 3).std(axis=1).max(axis=1) < EVEN).all():
        return True
    whole = float(steps(blocks[last, None], blocks[first, None])[0])
    return max(unmixed(blocks, last, first, frame) for frame in range(last + 1, first)) < MIXED * whole


def unmixed(blocks: NDArray[np.float32], last: int, first: int, frame: int) -> float:
    """Difference of a frame from the most similar mix of two others, in levels.

    Args:
        blocks: Blocks from `cells`.
        last: One of the mixed frames.
        first: The other one.
        frame: The frame to explain.
    """
    old, change = blocks[last], blocks[first] - blocks[last]
    share = float(((blocks[frame] - old) * change).sum() / max(float((change**2).sum()), 1.0))
    mix = old + min(max(share, 0.0), 1.0) * change
    return float(steps(blocks[frame, None], mix[None], reach=1)[0])


def _unrest(step: Array) -> Array:
    """Second largest of the steps around each step, without those that are clearly cuts, [n - 1]."""
    count = len(step)
    near, around = (np.pad(step, reach) for reach in (2, NEIGHBOURS))
    beside = np.sort(np.stack([near[i : i + count] for i in (0, 1, 3, 4)]), axis=0)[-2]
    # Without this, the cuts on both sides of a short shot hide each other.
    around[NEIGHBOURS : NEIGHBOURS + count][(step > PEAK_STEP) & (step > 2 * CUT_RATIO * (1 + beside))] = 0
    calm = np.stack([around[i : i + count] for i in range(2 * NEIGHBOURS + 1) if i != NEIGHBOURS])
    # The second largest: the other edge of a flash must not hide a cut.
    return np.maximum(np.sort(calm, axis=0)[-2], beside)


def other_shot(a: NDArray[np.float32], b: NDArray[np.float32]) -> Array:
    """Difference of the pictures apart from motion, brightness and contrast, float64 [n], in levels.

    An exposure that adapts, a fade and a flash change brightness and contrast only.

    Args:
        a: Blocks from `cells`, [n, rows, columns, 3].
        b: The same shape.
    """
    return np.maximum(steps(_lit_like(a, b), b), steps(_lit_like(b, a), a))


def _lit_like(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pictures `a` with the gain and offset that fit `b` best."""
    x, y = (blocks.mean(axis=3).reshape(len(a), a.shape[1] * a.shape[2]) for blocks in (a, b))
    mean_x, mean_y = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    spread = ((x - mean_x) ** 2).sum(axis=1, keepdims=True)
    gain = ((x - mean_x) * (y - mean_y)).sum(axis=1, keepdims=True) / np.maximum(spread, 1)
    gain = np.maximum(gain, 0)
    lit = np.clip(a * gain[..., None, None] + (mean_y - gain * mean_x)[..., None, None], 0, 255)
    # Any two plain pictures are alike but for their brightness.
    plain = np.maximum(x.std(axis=1), y.std(axis=1)) < EVEN
    lit[plain] = a[plain]
    return lit


def spread_changes(a: NDArray[np.float32], b: NDArray[np.float32]) -> Array:
    """Share of the blocks that change, of those that are not dark in both pictures, float64 [n].

    A thing that passes, comes or leaves changes a part of the picture; another shot changes most of it.

    Args:
        a: Blocks from `cells`, [n, rows, columns, 3].
        b: The same shape.
    """
    lit = np.maximum(a, b).max(axis=3) > DARK
    changed = (np.abs(a - b).mean(axis=3) > CHANGED) & lit
    return changed.sum(axis=(1, 2)) / np.maximum(lit.sum(axis=(1, 2)), 1)


def is_other_shot(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether most of the picture differs by more than motion, brightness and contrast, bool [n].

    Args:
        old: Blocks from `cells`, [n, rows, columns, 3].
        new: The same shape.
    """
    found = spread_changes(old, new) > SPREAD
    a, b = old[found], new[found]
    spread = np.maximum(spread_changes(_lit_like(a, b), b), spread_changes(_lit_like(b, a), a))
    found[found] = (spread > SPREAD) & (other_shot(a, b) > OTHER_STEP)
    return found


def coarse(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean colour of twelve fields of the picture, float32 [n, 36]; motion hardly changes it."""
    n, rows, columns = blocks.shape[:3]
    return blocks.reshape(n, 3, rows // 3, 4, columns // 4, 3).mean(axis=(2, 4)).reshape(n, -1)


def fit_ramps(
    levels: NDArray[np.float32], last: NDArray[np.int64], length: int, before: int, after: int
) -> tuple[Array, Array]:
    """How well a straight run from one steady level to another describes the frames after each frame of `last`.

    Args:
        levels: [n, k].
        last: Last frames of the old levels, [m].
        length: Number of frames from there to the first frame of the new level.
        before: Number of frames for the old level, up to and including its last.
        after: Number of frames for the new level.

    Returns:
        Root mean square change of the levels [m], and that change divided by the evidence against it [m]: root mean
        square misfit inside the run, unrest before and after, and one level.
    """
    change, score = np.empty(len(last)), np.empty(len(last))
    share = (np.arange(1, length, dtype=np.float32) / length)[None, :, None]
    for start in range(0, len(last), 512):
        part = slice(start, start + 512)
        window = levels[last[part, None] + np.arange(1 - before, length + after)]
        head, inside, tail = window[:, :before], window[:, before:-after], window[:, -after:]
        old, new = head.mean(axis=1, keepdims=True), tail.mean(axis=1, keepdims=True)
        misfit = np.sqrt(((inside - old - (new - old) * share) ** 2).mean(axis=(1, 2)))
        unrest = np.sqrt((((head - old) ** 2).mean(axis=(1, 2)) + ((tail - new) ** 2).mean(axis=(1, 2))) / 2)
        change[part] = np.sqrt(((new - old) ** 2).mean(axis=(1, 2)))
        score[part] = change[part] / (1 + misfit + unrest)
    return change, score


def _jumps(levels: NDArray[np.float32]) -> Array:
    """Root mean square step of the levels between successive frames, [n - 1]."""
    return np.sqrt((np.diff(levels, axis=0) ** 2).mean(axis=1, dtype=np.float64))


def find_fades(blocks: NDArray[np.float32], cuts: Sequence[Cut], fps: float) -> list[Ramp]:
    """Fades to and from black and white of 3 frames to 2.5 s, ascending.

    Args:
        blocks: Blocks from `cells`, [n, 9, 16, 3].
        cuts: No fade crosses a cut.
        fps: Frames per second.
    """
    n = len(blocks)
    if n < STEADY + 3:
        return []
    # Bars, logos and most titles are in the margins, and stay while the rest fades.
    inner = blocks[:, 2:7, 2:14].mean(axis=3).reshape(n, -1)
    black, white = plain_frames(blocks)
    plain = {"black": (black, inner.mean(axis=1)), "white": (white, -inner.mean(axis=1))}
    levels, lasts = coarse(blocks), np.array([cut.last for cut in cuts], np.int64)
    found: list[Ramp] = []
    for colour, (mask, distance) in plain.items():
        for first, end in runs_of(mask):
            rest = np.flatnonzero(distance[first:end] <= distance[first:end].min() + 2) + first
            out = _fade_into(levels, lasts, int(rest[0]), fps)
            if out:
                found.append(Ramp("fade_out", *out, colour))
            back = _fade_into(levels[::-1], n - 2 - lasts, n - 1 - int(rest[-1]), fps)
            if back:
                last, first_new, confidence, strength = back
                found.append(Ramp("fade_in", n - 1 - first_new, n - 1 - last, confidence, strength, colour))
    return sorted(found, key=lambda ramp: ramp.last)


def plain_frames(blocks: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which frames are black, and which are white, apart from their margins, bool [n].

    Args:
        blocks: Blocks from `cells`, [n, 9, 16, 3].
    """
    inner = blocks[:, 2:7, 2:14].mean(axis=3).reshape(len(blocks), -1)
    low, quarter, three_quarters, high = np.percentile(inner, [0, 25, 75, 100], axis=1)
    even = high - low < 14
    black, white = (three_quarters < DARK) & even | (three_quarters < 10), (quarter > BRIGHT) & even | (quarter > 245)
    return black, white


def runs_of(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First index and end (exclusive) of each stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _fade_into(
    levels: NDArray[np.float32], lasts: NDArray[np.int64], plain: int, fps: float
) -> tuple[int, int, float, float] | None:
    """The straight run that ends near the frame `plain`: last frame, first plain frame, confidence, strength."""
    earliest = int(lasts[lasts < plain].max(initial=-1)) + STEADY
    ends = np.arange(plain - 1, min(plain + 2, len(levels)))
    best = (0.0, 0.0, 0, 0)
    for length in range(3, round(2.5 * fps) + 1):
        last = ends - length
        last = last[last >= earliest]
        if not len(last):
            break
        change, score = fit_ramps(levels, last, length, STEADY, 1)
        place = int(score.argmax())
        if score[place] > best[0]:
            best = float(score[place]), float(change[place]), int(last[place]), int(last[place]) + length
    score, strength, last, end = best
    if score < FADE_SCORE or strength < 12 or _jumps(levels[last : end + 1]).max() > strength / 2:
        return None
    return last, end, _confidence(score, FADE_SCORE, 2), strength


def find_dissolves(
    thumbs: NDArray[np.uint8],
    blocks: NDArray[np.float32],
    step: Array,
    cuts: Sequence[Cut],
    fades: Sequence[Ramp],
    fps: float,
    sensitivity: float = 1.0,
) -> list[Ramp]:
    """Dissolves of 3 frames to 2 s, ascending.

    Args:
        thumbs: uint8 RGB [n, 27, 48, 3].
        blocks: Blocks from `cells` of the thumbs.
        step: `steps` from each frame to the next, [n - 1].
        cuts: No dissolve crosses a cut.
        fades: No dissolve overlaps a fade.
        fps: Frames per second.
        sensitivity: Above 1, less clear dissolves count.
    """
    n = len(thumbs)
    levels, least = coarse(blocks), DISSOLVE_SCORE / sensitivity
    if n < 2 * STEADY + 3:
        return []
    pixels = thumbs.reshape(n, -1, 3)
    variance = _variance(pixels)
    path = np.concatenate([[0.0], np.cumsum(step)])
    jumps, barrier = _jumps(levels), np.zeros(n, np.int64)
    barrier[[cut.last for cut in cuts]] = 1
    for fade in fades:
        barrier[fade.last + 1 : fade.first - 1] = 1
    barriers = np.concatenate([[0], np.cumsum(barrier)])
    found: list[Ramp] = []
    for length in np.unique(np.rint(np.geomspace(3, max(5.0, 2 * fps), 17)).astype(np.int64)).tolist():
        last = np.arange(STEADY - 1, n - length - STEADY + 1)
        free = barriers[last + length + STEADY - 1] == barriers[last - STEADY + 1]
        apart = np.sqrt(((levels[last + length] - levels[last]) ** 2).mean(axis=1))
        last = last[free & (apart > DISSOLVE_CHANGE)]
        change, score = fit_ramps(levels, last, length, STEADY, STEADY)
        good = (change > DISSOLVE_CHANGE) & (score > least)
        last, change, score = last[good], change[good], score[good]
        # Mixing goes straight from the old picture to the new one; motion, especially a zoom, takes a longer path.
        old, new = blocks[last], blocks[last + length]
        apart = both_steps(old, new)
        straight = path[last + length] - path[last] < DETOUR * apart.max(axis=1)
        # A thing that comes or leaves hides or shows a background: one picture holds nothing that the other does not.
        straight = np.flatnonzero(straight & (apart.min(axis=1) > CUT_STEP))
        for place in straight[is_other_shot(old[straight], new[straight])]:
            start, end = int(last[place]), int(last[place]) + length
            smooth = jumps[start:end].max() <= change[place] / 2
            if smooth and SAG[0] < _sag(pixels, variance, start, end) < SAG[1] and _is_mixed(blocks, start, end):
                confidence = _confidence(float(score[place]), least, 2)
                found.append(Ramp("dissolve", start, end, confidence, float(change[place])))
    return _strongest(found)


def _variance(pixels: NDArray[np.uint8]) -> Array:
    """Spatial variance of each picture, summed over the channels, float64 [n], of pixels [n, k, 3]."""
    variance = np.empty(len(pixels))
    for start in range(0, len(pixels), 256):
        part = pixels[start : start + 256].astype(np.float32)
        squares = np.einsum("nkc,nkc->nc", part, part) / pixels.shape[1]
        variance[start : start + 256] = (squares - part.mean(axis=1) ** 2).sum(axis=1)
    return variance


def _is_mixed(blocks: NDArray[np.float32], last: int, first: int) -> bool:
    """Whether the frames at a quarter, half and three quarters of the way are mixes of the two."""
    inside = {last + max(1, round(share * (first - last))) for share in (0.25, 0.5, 0.75)}
    whole = float(both_steps(blocks[last, None], blocks[first, None]).min())
    return max(unmixed(blocks, last, first, frame) for frame in inside) < MIXED * whole


def _strongest(ramps: list[Ramp]) -> list[Ramp]:
    """The ramps that overlap none of higher confidence, ascending."""
    kept: list[Ramp] = []
    for ramp in sorted(ramps, key=lambda ramp: (-ramp.confidence, ramp.last)):
        if all(ramp.first <= other.last or ramp.last >= other.first for other in kept):
            kept.append(ramp)
    return sorted(kept, key=lambda ramp: ramp.last)


def _sag(pixels: NDArray[np.uint8], variance: Array, last: int, first: int) -> float:
    """Sag of the spatial variance between two frames, divided by the sag that mixing them causes."""
    share = np.arange(1, first - last) / (first - last)
    straight = (1 - share) * variance[last] + share * variance[first]
    difference = pixels[last].astype(np.float32) - pixels[first]
    expected = (share * (1 - share)).sum() * difference.var(axis=0).sum(dtype=np.float64)
    return float((straight - variance[last + 1 : first]).sum() / max(expected, 1.0))


def _confidence(value: float, threshold: float, steepness: float) -> float:
    """Confidence: 0.5 at the threshold, close to 1 far above it."""
    return float(1 / (1 + (threshold / value) ** steepness))
