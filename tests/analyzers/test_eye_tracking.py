"""Faces and where they look."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.catalog.rows import find
from resources.catalog.spec import WEIGHTS
from resources.hosting.host import Request
from resources.models.face_mesh import SCHEMA, Detection, FaceMeshHost, Square, anchors, search_squares, upright
from tests.kit.makers import make_video
from vid_assets.analyzers import cut_analysis
from vid_assets.analyzers.eye_tracking import (
    ANALYZER,
    BALL_MM,
    EYE_MM,
    EYES,
    STRAIGHT_Y,
    head_pose,
    preview,
    read_face,
    run,
)
from vid_assets.contract import Frames
from vid_assets.media import identify, open_media
from vid_assets.pipeline.checks import check_table

SHARED = Path(__file__).parents[3] / "shared" / "media"
NO_CUTS = cut_analysis.ANALYZER.empty()


def turned(yaw, pitch, roll):
    """The rotation of a head: turned to the picture's right, bent down, leaned clockwise, in degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    lean = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turn = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    bend = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    return lean @ turn @ bend


def head(yaw=0.0, pitch=0.0, roll=0.0, eye_yaw=0.0, eye_pitch=0.0, open_by=0.3):
    """Mesh and irises of a head of known pose and gaze, 2 px a millimetre."""
    points = np.zeros((468, 3))
    points[10], points[152] = (0, -80, 0), (0, 90, 0)
    centres = []
    for eye, x in zip(EYES, (-32.0, 32.0), strict=True):
        points[eye.left], points[eye.right] = (x - EYE_MM / 2, 0, 0), (x + EYE_MM / 2, 0, 0)
        for (above, below), across in zip(eye.pairs, (-5, 5), strict=True):
            points[above], points[below] = (x + across, -open_by * 15, 0), (x + across, open_by * 15, 0)
        way = BALL_MM * np.sin(np.radians([eye_yaw, eye_pitch]))
        centres.append([x + way[0], way[1] + STRAIGHT_Y * EYE_MM, 0])
    rotation = 2 * turned(yaw, pitch, roll)
    mesh, seen = points @ rotation.T + [300, 200, 0], np.array(centres) @ rotation.T + [300, 200, 0]
    return mesh, np.repeat(seen[:, None, :2], 5, axis=1)


@given(st.floats(-60, 60), st.floats(-45, 45), st.floats(-80, 80))
def test_head_pose_is_exact(yaw, pitch, roll):
    mesh, _ = head(yaw, pitch, roll)
    assert head_pose(mesh) == pytest.approx((yaw, pitch, roll), abs=1e-6)


@given(st.floats(-40, 40), st.floats(-30, 30), st.floats(-60, 60))
def test_gaze_of_a_head_that_faces_the_camera_is_exact(eye_yaw, eye_pitch, roll):
    face = read_face(*head(roll=roll, eye_yaw=eye_yaw, eye_pitch=eye_pitch))
    assert (face["gaze_yaw_deg"], face["gaze_pitch_deg"]) == pytest.approx((eye_yaw, eye_pitch), abs=1e-6)
    assert (face["openness_right"], face["openness_left"]) == pytest.approx((0.3, 0.3))


def test_closed_eyes_have_no_gaze():
    face = read_face(*head(open_by=0.1))
    assert face["closed"] is True
    assert face["gaze_yaw_deg"] is None
    assert face["head_yaw_deg"] == pytest.approx(0)


class Heads:
    """A model that finds what a test wants: for each row a list of (x0, y0, pose)."""

    def __init__(self, *rows):
        self.rows = rows

    def faces(self, frames, rows):
        lines = []
        for row in rows:
            for x, y, pose in self.rows[row]:
                mesh, irises = head(**pose)
                lines.append((row, 0.9, x, y, x + 0.2, y + 0.2, mesh.ravel().tolist(), irises.ravel().tolist()))
        return pl.DataFrame(lines, SCHEMA, orient="row")


def test_rows_tracks_and_times():
    frames = Frames(np.full((3, 90, 160, 3), 120, np.uint8), np.arange(3) / 2, np.arange(3) * 12)
    table = run(
        frames, NO_CUTS, Heads([(0.1, 0.1, {"yaw": 20.0})], [], [(0.12, 0.1, {}), (0.7, 0.1, {"open_by": 0.1})])
    )
    assert table.select("time_s", "frame", "track", "closed").rows() == [
        (0.0, 0, 0, False), (1.0, 24, 0, False), (1.0, 24, 1, True),
    ]  # fmt: skip
    assert table["head_yaw_deg"].to_list() == pytest.approx([20, 0, 0], abs=1e-6)
    assert all(check.passed for check in check_table(ANALYZER, table, make_video()))
    assert preview(table, frames, NO_CUTS).std() > 10


def test_nobody_there_gives_a_typed_empty_table():
    frames = Frames(np.zeros((2, 90, 160, 3), np.uint8), np.arange(2) / 2, np.arange(2))
    table = run(frames, NO_CUTS, Heads([], []))
    assert table.schema == ANALYZER.empty().schema
    assert table.is_empty()
    assert preview(table, frames, NO_CUTS) is None


def test_anchors_and_search_squares():
    assert anchors().shape == (896, 2)
    assert anchors()[0].tolist() == [1 / 32, 1 / 32]
    whole = Square(0, 0, 0, is_small=False)
    assert search_squares(100, 80) == [whole]
    squares = search_squares(640, 360)
    assert squares[:3] == [whole, Square(0, 0, 360, is_small=False), Square(140, 0, 360, is_small=False)]
    assert {square.side for square in squares if square.is_small} == {180}
    for square in squares:
        assert square.left + square.side <= 640
        assert square.top + square.side <= 360


class Squares(FaceMeshHost):
    """A host that sees a face in the middle of what it looks at, if the px there is bright, in small squares only."""

    def __init__(self):
        self.looks = 0

    def _look(self, picture):
        self.looks += 1
        middle = picture.shape[0] / 2
        bright = picture.shape[0] == 180 and picture[int(middle), int(middle), 0] > 200
        return [Detection(0.9, np.array([40.0, 40, 50, 50]), np.zeros((2, 2)))] if bright else []


def test_small_squares_are_looked_at_in_every_second_picture_and_where_a_neighbour_has_a_face():
    squares = search_squares(640, 360)
    large = sum(not square.is_small for square in squares)
    # each picture is of another grey, so that all have changed
    pictures = {row: np.full((360, 640, 3), 20 * row, np.uint8) for row in range(7)}
    host = Squares()
    assert host._found(pictures) == {row: [] for row in range(7)}
    assert host.looks == 7 * large + 4 * (len(squares) - large)
    for row in (2, 3):
        pictures[row][90, 90] = 255
    host = Squares()
    found = host._found(pictures)
    assert {row: len(faces) for row, faces in found.items()} == {0: 0, 1: 0, 2: 1, 3: 1, 4: 0, 5: 0, 6: 0}
    assert host.looks == 7 * large + 4 * (len(squares) - large) + 2


def test_pictures_that_stand_still_are_looked_at_once():
    host = Squares()
    host._found({row: np.full((360, 640, 3), 90, np.uint8) for row in range(20)})
    assert host.looks == len(search_squares(640, 360))


def test_upright_crops_come_back_to_their_place():
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[90:94, 180:184] = 255
    crop, back = upright(picture, np.array([150.0, 100.0]), 120, 0.4, 96)
    y, x = np.argwhere(crop[..., 0] > 0.9).mean(axis=0)
    assert back[:, :2] @ [x, y] + back[:, 2] == pytest.approx([181.5, 91.5], abs=1.0)


@pytest.fixture(scope="module")
def host():
    made = FaceMeshHost(find("faces", "offline"), WEIGHTS / "face_mesh", {})
    made.load()
    return made


class Here:
    def __init__(self, host):
        self.host = host

    def faces(self, frames, rows):
        (table,) = self.host.faces([Request(arrays={"frames": frames.array}, picked={"frames": list(rows)})])
        return table


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not here")
def test_the_face_of_a_talking_man_is_found_in_every_picture(tmp_path, host):
    source = identify(SHARED / "carphone_pristine.mp4")
    media = open_media(source.path, source.video_id, tmp_path)
    table = run(media.frames, NO_CUTS, Here(host))
    assert table["frame"].to_list() == media.frames.indices.tolist()
    assert table["track"].unique().to_list() == [0]
    assert not table["closed"].any()
    assert table["gaze_yaw_deg"].abs().max() < 20
    media.close()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not here")
@pytest.mark.parametrize("angle", [-30, -15, 15, 30])
def test_a_turned_picture_turns_the_head_and_nothing_else(tmp_path, host, angle):
    import cv2

    source = identify(SHARED / "carphone_pristine.mp4")
    media = open_media(source.path, source.video_id, tmp_path)
    picture = cv2.resize(media.frames.array[0], (580, 432))
    leaned = cv2.warpAffine(picture, cv2.getRotationMatrix2D((290, 216), -angle, 1), (580, 432))
    frames = Frames(np.stack([picture, leaned]), np.arange(2) / 2, np.arange(2))
    plain, other = run(frames, NO_CUTS, Here(host)).rows(named=True)
    assert other["head_roll_deg"] - plain["head_roll_deg"] == pytest.approx(angle, abs=3)
    assert other["head_yaw_deg"] == pytest.approx(plain["head_yaw_deg"], abs=6)
    assert other["openness_left"] == pytest.approx(plain["openness_left"], abs=0.05)
    media.close()


def test_textures_have_no_faces(host):
    noise = np.random.default_rng(1).integers(0, 256, (2, 180, 320, 3), dtype=np.uint8)
    (table,) = host.faces([Request(arrays={"frames": noise})])
    assert table.is_empty()
