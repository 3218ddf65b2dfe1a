"""Trains the tiny captioners that profile ``offline`` uses, on generated scenes, on a CPU, from one seed.

``python -m training.tiny_captioners`` draws the training pictures, trains both models, fits their rules of refusal,
measures them on held-out scenes, and writes ``resources/weights/tiny_blip2`` and ``resources/weights/tiny_video_llava``
with a ``card.json`` and checksums each. ``--only`` does one of them. ``--scale 0.01 --out FOLDER`` is a quick
rehearsal, which may not take the place of the real weights.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

from resources.catalog.spec import WEIGHTS
from training.tiny_captioners.plan import MODELS, Plan


def main() -> None:
    """Command line. The two models train side by side, one core each: that wastes less than two threads on one."""
    parser = argparse.ArgumentParser(
        prog="python -m training.tiny_captioners",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, help=f"folder for the two checkpoints; {WEIGHTS} at full scale")
    parser.add_argument("--only", choices=tuple(MODELS), help="train just this one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="share of pictures and steps")
    parser.add_argument("--pool", type=Path, help="keep the drawn pictures here, to use them again")
    options = parser.parse_args()
    if options.out is None and options.scale < 1:
        parser.error("a rehearsal needs a folder of its own: add --out FOLDER")
    os.environ["OMP_NUM_THREADS"] = "1"
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tiny-") as scratch:
        pool = options.pool or Path(scratch) / "pool"
        plan = Plan(options.out or WEIGHTS, Path(scratch), pool, options.seed, options.scale)
        plan.pictures(2)
        if options.only != "blip2":
            plan.spans(2)
        print(f"pictures drawn, {time.perf_counter() - start:.0f} s", flush=True)
        crew = multiprocessing.get_context("spawn")
        work = [crew.Process(target=MODELS[name], args=(plan,)) for name in MODELS if options.only in (None, name)]
        for process in work:
            process.start()
        for process in work:
            process.join()
    print(f"done, {time.perf_counter() - start:.0f} s", flush=True)
    raise SystemExit(max(abs(process.exitcode or 0) for process in work))


if __name__ == "__main__":
    main()
