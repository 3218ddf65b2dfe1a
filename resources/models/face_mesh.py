"""Faces: boxes, a mesh of 468 points, and both irises, by MediaPipe's three networks.

BlazeFace (Bazarevsky et al., 2019) finds faces of at least about a sixth of its input. So it gets the whole picture and
overlapping squares of the full and half height. The mesh (Kartynnik et al., "Real-time Facial Surface Geometry from
Monocular Video on Mobile GPUs", 2019) is read from the face turned upright, and the irises (Ablavatski et al.,
"Real-time Pupil Tracking from Monocular Video for Digital Puppetry", 2020) from each eye.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.hosting.host import Request, served
from resources.models.boxes import intersection_over_union, strongest
from resources.models.looking import View, closely
from resources.models.runtimes import OnnxHost
from resources.tasks.faces import FACES

SCHEMA = FACES.schema
POINTS = 468
LEAST_SCORE, LEAST_PRESENCE = 0.5, 0.5
SAME_FACE = 0.3  # intersection over union
DETECTOR, MESH, IRIS = 128, 192, 64  # px, of the inputs
FACE_MARGIN, EYE_MARGIN = 1.5, 2.3  # of the crops, as in MediaPipe's graphs
# Corners of the eyes in the mesh. The iris network is trained on the first eye and sees the second one mirrored.
EYES = ((33, 133), (362, 263))
SMALLEST_TILE = 96  # px

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Detection:
    """A face found by BlazeFace, in px of the picture: box x0 y0 x1 y1, and the two eyes, [2, 2]."""

    score: float
    box: Array
    eyes: Array


@dataclass(frozen=True, slots=True)
class Square:
    """A part of the pictures, in px. A side of 0 means all of it. Small ones show faces that others do not."""

    left: int
    top: int
    side: int
    is_small: bool

    def of(self, picture: np.ndarray) -> np.ndarray:
        """Return this part of a picture."""
        if not self.side:
            return picture
        return picture[self.top : self.top + self.side, self.left : self.left + self.side]


class FaceMeshHost(OnnxHost):
    """The three networks."""

    def load(self) -> None:
        """Load all three networks and run them once."""
        self._detector = self.session("mp_face_detection_short_range.onnx")
        self._mesh = self.session("mp_face_landmark.onnx")
        self._iris = self.session("mp_iris_landmark.onnx")
        self._anchors = anchors()
        self._look(np.zeros((DETECTOR, DETECTOR, 3), np.uint8))

    @served
    def faces(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the faces in each request's rows of ``frames``."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> pl.DataFrame:
        rows = request.rows("frames")
        pictures = {row: np.asarray(request.arrays["frames"][row]) for row in sorted(set(rows))}
        found = self._found(pictures)
        lines = {row: list(self._read(row, picture, found[row])) for row, picture in pictures.items()}
        return pl.DataFrame([line for row in rows for line in lines[row]], SCHEMA, orient="row")

    def _found(self, pictures: Mapping[int, np.ndarray]) -> dict[int, list[Detection]]:
        """Return the faces of each picture.

        The network looks at the large squares of all pictures, and at the small ones of every second picture, and
        where a neighbour has a face.
        """
        found: dict[int, list[Detection]] = {row: [] for row in pictures}
        close = closely(pictures)
        for square in search_squares(*next(iter(pictures.values())).shape[1::-1]) if pictures else ():
            view = View(partial(self._look_at, square))
            looks = close if square.is_small else list(pictures)
            seen = {row: view.see(square.of(pictures[row])) for row in looks}
            beside = {near for row, faces in seen.items() if faces for near in (row - 1, row + 1)} & pictures.keys()
            between = View(partial(self._look_at, square))
            seen |= {row: between.see(square.of(pictures[row])) for row in sorted(beside - seen.keys())}
            for row, faces in seen.items():
                found[row] += faces
        return {row: without_doubles(faces) for row, faces in found.items()}

    def _look_at(self, square: Square, picture: np.ndarray) -> list[Detection]:
        """Return the faces in a square, in px of the whole picture."""
        corner = np.array([square.left, square.top])
        return [Detection(one.score, one.box + np.tile(corner, 2), one.eyes + corner) for one in self._look(picture)]

    def _read(self, row: int, picture: np.ndarray, faces: Iterable[Detection]) -> Iterator[tuple]:
        height, width = picture.shape[:2]
        for face in faces:
            mesh = self._mesh_of(picture, face)
            if mesh is None:
                continue
            irises = [self._iris_of(picture, mesh, side) for side in (0, 1)]
            box = np.clip(face.box / [width, height, width, height], 0, 1).tolist()
            yield (row, face.score, *box, mesh.ravel().tolist(), np.concatenate(irises).ravel().tolist())

    def _look(self, picture: np.ndarray) -> list[Detection]:
        """Return the faces of one picture, fitted into a square without distortion."""
        import cv2

        height, width = picture.shape[:2]
        side = max(height, width)
        scale = DETECTOR / side
        shift = np.array([(side - width) / 2, (side - height) / 2])
        matrix = np.array([[scale, 0, shift[0] * scale], [0, scale, shift[1] * scale]])
        small = cv2.resize(picture, None, fx=min(1.0, 2 * scale), fy=min(1.0, 2 * scale), interpolation=cv2.INTER_AREA)
        matrix[:, :2] *= np.array([width / small.shape[1], height / small.shape[0]])
        square = cv2.warpAffine(small, matrix, (DETECTOR, DETECTOR)).astype(np.float32) / 127.5 - 1
        regressors, scores = self._detector.run(["regressors", "classificators"], {"input": square[None]})
        sure = 1 / (1 + np.exp(-np.clip(scores[0, :, 0], -80, 80)))
        found = []
        for at in np.flatnonzero(sure >= LEAST_SCORE):
            values = regressors[0, at].astype(np.float64).reshape(8, 2)
            middle, size = values[0] + self._anchors[at] * DETECTOR, values[1]
            eyes = values[2:4] + self._anchors[at] * DETECTOR
            corners = np.stack([middle - size / 2, middle + size / 2]) / scale - shift
            found.append(Detection(float(sure[at]), corners.ravel(), eyes / scale - shift))
        return without_doubles(found)

    def _mesh_of(self, picture: np.ndarray, face: Detection) -> Array | None:
        """Return the mesh in px of the picture, [468, 3]; None if the network finds no face there."""
        middle, size = (face.box[:2] + face.box[2:]) / 2, face.box[2:] - face.box[:2]
        across = face.eyes[1] - face.eyes[0]
        turn = float(np.arctan2(across[1], across[0]))
        crop, back = upright(picture, middle, FACE_MARGIN * float(size.max()), turn, MESH)
        points, presence = self._mesh.run(None, {"input_1": crop[None]})
        if 1 / (1 + np.exp(-float(presence.ravel()[0]))) < LEAST_PRESENCE:
            return None
        mesh = points.reshape(POINTS, 3).astype(np.float64)
        scale = float(np.hypot(*back[0, :2]))
        return np.column_stack([mesh[:, :2] @ back[:, :2].T + back[:, 2], mesh[:, 2] * scale])

    def _iris_of(self, picture: np.ndarray, mesh: Array, side: int) -> Array:
        """Return five points of one iris in px of the picture, the centre first, [5, 2]."""
        first, second = (mesh[at, :2] for at in EYES[side])
        across = second - first
        turn = float(np.arctan2(across[1], across[0]))
        middle, size = (first + second) / 2, EYE_MARGIN * float(np.hypot(*across))
        crop, back = upright(picture, middle, size, turn, IRIS)
        if side:
            crop = np.ascontiguousarray(crop[:, ::-1])
        (points,) = self._iris.run(["output_iris"], {"input_1": crop[None]})
        iris = points.reshape(5, 3)[:, :2].astype(np.float64)
        if side:
            iris[:, 0] = IRIS - iris[:, 0]
        return iris @ back[:, :2].T + back[:, 2]


def anchors() -> Array:
    """Return BlazeFace's 896 anchor centres in shares of its input: 2 on a grid of 16, 6 on a grid of 8, [896, 2]."""
    found = []
    for cells, times in ((16, 2), (8, 6)):
        middles = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middles, middles, indexing="ij")
        found.append(np.repeat(np.column_stack([x.ravel(), y.ravel()]), times, axis=0))
    return np.concatenate(found)


def search_squares(width: int, height: int) -> list[Square]:
    """Return the whole picture and the squares to look at."""
    found = [Square(0, 0, 0, is_small=False)]
    short = min(width, height)
    for side in (short, short // 2):
        if side < SMALLEST_TILE or (side == short and max(width, height) < 1.2 * short):
            continue
        lefts, tops = (_steps(length, side) for length in (width, height))
        found += [Square(left, top, side, is_small=side < short) for top in tops for left in lefts]
    return found


def _steps(length: int, side: int) -> list[int]:
    """Return the starts of squares that cover a length and overlap by at least a third."""
    count = max(1, int(np.ceil((length - side) / (side * 2 / 3))) + 1)
    return np.unique(np.linspace(0, length - side, count).round().astype(int)).tolist()


def without_doubles(found: list[Detection]) -> list[Detection]:
    """Keep one detection per face, the one with the best score; of two equal ones the larger."""
    return strongest(
        found,
        lambda face: (round(face.score, 1), float(face.box[2] - face.box[0])),
        lambda one, two: intersection_over_union(one.box.tolist(), two.box.tolist()) >= SAME_FACE,
    )


def upright(picture: np.ndarray, middle: Array, size: float, turn: float, side: int) -> tuple[np.ndarray, Array]:
    """Return a square of the picture, turned upright.

    Args:
        picture: uint8 RGB.
        middle: Centre of the square, in px.
        size: Side of the square, in px.
        turn: Angle of its upper edge, in radians, clockwise.
        side: Side of the result, in px.

    Returns:
        The square, float32 [side, side, 3] in 0..1, and the matrix [2, 3] from its px to the picture's.
    """
    import cv2

    scale = size / side
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    rotation = np.array([[cos, -sin], [sin, cos]])
    back = np.column_stack([rotation, middle - rotation @ [side / 2, side / 2]])
    method = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(picture, back, (side, side), flags=method, borderMode=cv2.BORDER_REPLICATE)
    return crop.astype(np.float32) / 255, back
