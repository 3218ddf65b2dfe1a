"""Shot boundaries of random clips, with flashes, fast pans, crossing shapes, freezes and changes of pace; and of
footage.
"""

from evaluation import _boundaries
from evaluation.figure import Calibration, Figure
from tests.kit.scene_streams import of_clip
from vid_assets.analyzers.cut_analysis import run
from vid_assets.synthetic.clips import FEATURES, random_clip

CLIPS = 40
SEEN = FEATURES - {"sound", "speech_like", "av_offset"}


def overlap(one: tuple[int, int], two: tuple[int, int]) -> bool:
    """Whether two stretches of frames share a step."""
    return min(one[1], two[1]) > max(one[0], two[0])


def measure(seed: int) -> list[Figure | Calibration]:
    """F1 of hard cuts to the frame, of gradual transitions that overlap, and of all boundaries of footage."""
    cuts, gradual = Count(), Count()
    for number in range(CLIPS):
        made, known = of_clip(random_clip(1000 * seed + number, duration_s=10, width=192, height=108, features=SEEN))
        table = run(made.thumbs)
        spans = {kind: table.filter(table["kind"] == kind).select("last_frame", "first_frame").rows() for kind in KINDS}
        true = {kind: [b[1:] for b in known.boundaries if b.kind == kind] for kind in KINDS}
        cuts.add(spans["cut"], true["cut"], lambda one, two: one[0] == two[0])
        gradual.add(spans["gradual"], true["gradual"], overlap)
    return [
        Figure(
            analyzer="cut_analysis", what="F1 of hard cuts, 0 frames tolerance", value=cuts.f1, unit="1",
            cases=cuts.cases, at_least=0.95,
        ),
        Figure(
            analyzer="cut_analysis", what="F1 of gradual transitions that overlap", value=gradual.f1, unit="1",
            cases=gradual.cases, at_least=0.8,
        ),
        *_boundaries.measure(),
    ]  # fmt: skip


KINDS = ("cut", "gradual")


class Count:
    """True positives, false positives and false negatives over several clips."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = 0

    def add(self, found: list, true: list, same) -> None:  # noqa: ANN001
        """Count one clip."""
        hit = sum(any(same(one, two) for one in found) for two in true)
        self.right += hit
        self.missed += len(true) - hit
        self.wrong += sum(not any(same(one, two) for two in true) for one in found)

    @property
    def cases(self) -> int:
        """True ones."""
        return self.right + self.missed

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return 2 * self.right / (2 * self.right + self.wrong + self.missed)
