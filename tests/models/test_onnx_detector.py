"""Any ONNX detector by the layout of its row: networks that answer with constants, so that every number is known."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from resources.catalog.spec import ModelSpec
from resources.errors import ModelUnavailable
from resources.hosting.host import Request
from resources.models.onnx_detector import OnnxDetectorHost, fitted, tensor

SPEC = {
    "name": "mine", "task": "objects", "profiles": (), "host": "resources.models.onnx_detector:OnnxDetectorHost",
    "source": "folder", "repo": "x", "revision": "1", "licence": "MIT", "precision": "fp32", "memory_mb": 100,
}  # fmt: skip
LABELS = ["cat", "dog", "bird"]


def constant(folder: Path, *answers: np.ndarray, size: tuple[int, int] = (100, 200), nhwc: bool = False) -> Path:
    """A network that answers with these arrays, plus nothing times its input."""
    height, width = size
    shape = [1, height, width, 3] if nhwc else [1, 3, height, width]
    nodes = [
        helper.make_node("ReduceSum", ["picture"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
    ]
    outputs, weights = [], [numpy_helper.from_array(np.float32(0), "zero")]
    for number, answer in enumerate(answers):
        weights.append(numpy_helper.from_array(answer.astype(np.float32), f"answer{number}"))
        nodes.append(helper.make_node("Add", [f"answer{number}", "nothing"], [f"out{number}"]))
        outputs.append(helper.make_tensor_value_info(f"out{number}", TensorProto.FLOAT, list(answer.shape)))
    graph = helper.make_graph(
        nodes, "constant", [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)], outputs, weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return folder


def opened(folder: Path, **options: object) -> OnnxDetectorHost:
    given = {"file": "net.onnx", "labels": LABELS, "height": 100, "width": 200, "least_score": 0.5, **options}
    host = OnnxDetectorHost(ModelSpec(**SPEC), folder, given)
    host.load()
    return host


def found(host: OnnxDetectorHost, height: int = 100, width: int = 200) -> list[tuple]:
    pictures = np.zeros((1, height, width, 3), np.uint8)
    (table,) = host.detect([Request("v", {"frames": pictures}, {"frames": [0]})])
    return [(row[1], round(row[2], 4), *(round(value, 4) for value in row[3:])) for row in table.iter_rows()]


# One dog from (50, 20) to (150, 80) of an input of 200 x 100 px, a cat that is too unsure, the dog again beside itself.
DOG = ("dog", 0.9, 0.25, 0.2, 0.75, 0.8)
MIDDLES = np.array([[100, 50, 100, 60], [20, 20, 10, 10], [102, 50, 100, 60]], float)
SCORES = np.array([[0.1, 0.9, 0.0], [0.4, 0.0, 0.0], [0.0, 0.8, 0.0]])


@pytest.mark.parametrize("turned", [False, True])
def test_yolo(tmp_path, turned):
    rows = np.concatenate([MIDDLES, SCORES], axis=1)
    answer = rows[None] if turned else rows.T[None]
    assert found(opened(constant(tmp_path, answer), decoder="yolo")) == [DOG]


def test_yolo5_multiplies_by_the_objectness(tmp_path):
    rows = np.concatenate([MIDDLES, [[1.0], [1.0], [0.5]], SCORES], axis=1)
    assert found(opened(constant(tmp_path, rows[None]), decoder="yolo5")) == [DOG]


def test_boxes6(tmp_path):
    rows = np.array([[50, 20, 150, 80, 0.9, 1], [15, 15, 25, 25, 0.4, 0], [52, 20, 152, 80, 0.8, 1]])
    assert found(opened(constant(tmp_path, rows), decoder="boxes6")) == [DOG]


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("first", ["logits", "boxes"])
def test_detr(tmp_path, activation, first):
    boxes = MIDDLES / [200, 100, 200, 100]
    if activation == "sigmoid":
        logits = np.log(SCORES.clip(1e-6, 1 - 1e-6) / (1 - SCORES.clip(1e-6, 1 - 1e-6)))
        logits = np.concatenate([logits, np.full((3, 2), -20.0)], axis=1)  # five classes
        labels = [*LABELS, "fish", "fox"]
    else:
        rest = 1 - SCORES.sum(axis=1, keepdims=True)
        logits, labels = np.log(np.concatenate([SCORES, np.zeros((3, 1)), rest], axis=1).clip(1e-9)), [*LABELS, "fish"]
    answers = (logits[None], boxes[None]) if first == "logits" else (boxes[None], logits[None])
    host = opened(constant(tmp_path, *answers), decoder="detr", activation=activation, labels=labels)
    assert found(host) == [DOG]


def test_without_suppression_all_good_boxes_stay(tmp_path):
    rows = np.concatenate([MIDDLES, SCORES], axis=1)
    host = opened(constant(tmp_path, rows.T[None]), decoder="yolo", overlap=1.0)
    assert [(label, score) for label, score, *_ in found(host)] == [("dog", 0.9), ("dog", 0.8)]


def test_a_letterbox_gives_shares_of_the_picture(tmp_path):
    # A square picture of 50 px becomes 100 px, with 50 px of bars at the left and the right.
    rows = np.array([[50, 0, 100, 50, 0.9, 2]])
    assert found(opened(constant(tmp_path, rows), decoder="boxes6"), 50, 50) == [("bird", 0.9, 0.0, 0.0, 0.5, 0.5)]
    stretched = opened(constant(tmp_path, rows), decoder="boxes6", fit="stretch")
    assert found(stretched, 50, 50) == [("bird", 0.9, 0.25, 0.0, 0.5, 0.5)]


def test_values_go_in_as_declared():
    layout = {"height": 4, "width": 4, "fit": "stretch", "layout": "NCHW", "channels": "BGR", "divide": 127.5,
              "mean": [1.0], "std": [1.0]}  # fmt: skip
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., 0] = 255
    square, offset, scale = fitted(picture, layout)
    values = tensor(square, layout)
    assert values.shape == (1, 3, 4, 4)
    assert (values[0, 2] == 1).all()
    assert (values[0, :2] == -1).all()
    assert (offset.tolist(), scale.tolist()) == ([0, 0], [1, 1])
    whole = tensor(
        square, layout | {"layout": "NHWC", "channels": "RGB", "divide": 255.0, "mean": [0.5, 0, 0], "std": [0.5, 1, 1]}
    )
    assert whole.shape == (1, 4, 4, 3)
    assert whole[0, 0, 0].tolist() == [1, 0, 0]


def test_a_network_for_pictures_with_the_channels_last(tmp_path):
    rows = np.array([[50, 20, 150, 80, 0.9, 1]])
    assert found(opened(constant(tmp_path, rows, nhwc=True), decoder="boxes6", layout="NHWC")) == [DOG]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "yolo9"}, r"mine: option decoder = 'yolo9' is unknown; use one of boxes6, yolo, yolo5, detr"),
        ({"decoder": "yolo", "hight": 3}, r"mine: options \['hight'\] are unknown; use some of activation, channels"),
        ({}, r"mine: options \['decoder'\] are missing; add them to the row"),
        ({"decoder": "boxes6", "labels": ["cat"]}, r"mine: class 1 has no label, the row names 1; name all classes"),
    ],
)
def test_a_row_that_cannot_be_is_one_line(tmp_path, options, message):
    rows = np.array([[50, 20, 150, 80, 0.9, 1]])
    with pytest.raises(ModelUnavailable, match=message):
        found(opened(constant(tmp_path, rows), **options))
