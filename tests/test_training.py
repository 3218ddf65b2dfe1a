"""The trainings that made the vendored weights: what can be checked without training."""

import pickle
import subprocess
import sys
from pathlib import Path

from training.tiny_captioners.plan import MODELS

ROOT = Path(__file__).parents[1]


def test_a_rehearsal_refuses_to_overwrite_the_vendored_weights():
    command = [sys.executable, "-m", "training.tiny_captioners", "--scale", "0.01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "add --out FOLDER" in done.stderr


def test_the_trainings_can_run_in_processes_of_their_own():
    for train in MODELS.values():
        assert not train.__module__.endswith("__main__")
        assert pickle.loads(pickle.dumps(train)) is train
