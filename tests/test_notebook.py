"""The notebook of the documentation, executed by Jupyter over the results of the demo."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat

from tests.cli.conftest import places

__all__ = ["places"]
NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebooks" / "first-look.ipynb"


def test_every_cell_runs_over_the_results_of_the_demo(places):
    program = [sys.executable, "-m", "vid_assets"]
    environment = os.environ | {"PYTHONPATH": str(NOTEBOOK.parents[2]), "VID_PROFILE": "offline"}
    try:
        subprocess.run([*program, "demo"], env=environment, check=True, capture_output=True)
        os.environ["PYTHONPATH"], os.environ["VID_PROFILE"] = environment["PYTHONPATH"], "offline"
        notebook = nbformat.read(NOTEBOOK, 4)
        assert [cell for cell in notebook.cells if cell.get("outputs")] == []  # it is stored without results
        client = nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": places}})
        client.execute()
    finally:
        subprocess.run([*program, "models", "down"], env=environment, check=False, capture_output=True)
    kinds = [
        {kind for output in cell.outputs for kind in output.get("data", ())}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    assert sum("image/png" in found for found in kinds) == 4
    assert sum("text/html" in found for found in kinds) >= 6
    (meaning,) = [cell for cell in notebook.cells if 'by="meaning"' in cell.source]
    # the comma hangs on the arithmetic of the processor: one with other instructions rounds the weights otherwise
    assert re.search("And so,? my fellow", str(meaning.outputs))
