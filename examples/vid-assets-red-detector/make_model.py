"""Writes ``weights/red_grid.onnx`` and its checksums: ``python make_model.py``, with the package onnx.

The network takes a picture of 64 x 64 px, and measures how red each cell of 8 x 8 px is. It answers in YOLO's layout,
[1, 5, 64]: middle and size of each cell in px, and its score.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CELL = 64, 8
FOLDER = Path(__file__).parent / "vid_assets_red_detector" / "weights"


def graph() -> onnx.ModelProto:
    """The network: redness of each pixel, its mean over each cell, and the cells' boxes."""
    middles = np.arange(CELL / 2, SIDE, CELL, dtype=np.float32)
    across, down = (axis.ravel() for axis in np.meshgrid(middles, middles))
    boxes = np.stack([across, down, np.full_like(across, CELL), np.full_like(down, CELL)])[None]
    constants = {
        "red": np.array([1, -0.5, -0.5], np.float32).reshape(1, 3, 1, 1),
        "boxes": boxes,
        "flat": np.array([1, 1, (SIDE // CELL) ** 2], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["picture", "red"], ["redness"]),
        helper.make_node("Relu", ["redness"], ["positive"]),
        helper.make_node("AveragePool", ["positive"], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Reshape", ["cells", "flat"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["detections"], axis=1),
    ]
    made = helper.make_graph(
        nodes,
        "red_grid",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("detections", TensorProto.FLOAT, [1, 5, (SIDE // CELL) ** 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main() -> None:
    """Write the file and its checksums."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    data = graph().SerializeToString()
    (FOLDER / "red_grid.onnx").write_bytes(data)
    (FOLDER / "SHA256SUMS").write_text(f"{hashlib.sha256(data).hexdigest()}  red_grid.onnx\n")


if __name__ == "__main__":
    main()
