"""Timecode, compared with OpenTimelineIO's."""

from fractions import Fraction

import pytest

from tests.export.otio_process import ask
from vid_assets.export.timecode import drops, first_frame, rate_of, timecode

NTSC, FAST = Fraction(30000, 1001), Fraction(60000, 1001)


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (25.0, 25), (24.0, 24), (23.976, Fraction(24000, 1001)), (23.976023976, Fraction(24000, 1001)),
        (29.97, NTSC), (29.970029970, NTSC), (30.0, 30), (29.999, 30), (59.94, FAST), (50.0, 50),
        (12.5, Fraction(25, 2)), (0.2, Fraction(1, 5)),
    ],
)  # fmt: skip
def test_rates(fps, rate):
    assert rate_of(fps) == rate
    assert drops(rate_of(fps)) == (rate in (NTSC, FAST))


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (0, "00:00:00;00"), (1799, "00:00:59;29"), (1800, "00:01:00;02"), (17981, "00:09:59;29"),
        (17982, "00:10:00;00"), (107892, "01:00:00;00"), (2589408, "00:00:00;00"),
    ],
)  # fmt: skip
def test_drop_frame_leaves_out_two_numbers_of_each_minute_but_the_tenth(frame, text):
    assert timecode(frame, NTSC, drop=True) == text
    if frame < 2589408:
        assert first_frame(text, NTSC) == (frame, True)


@pytest.mark.parametrize(
    ("rate", "drop"), [(NTSC, True), (FAST, True), (NTSC, False), (Fraction(25), False), (Fraction(24000, 1001), False)]
)
def test_it_is_that_of_opentimelineio(rate, drop):
    # Around every minute of ten, and some places of a whole day.
    minute = 60 * round(rate)
    near = [start + step for start in range(0, 11 * minute, minute) for step in range(-25, 5)]
    frames = [frame for frame in near if frame >= 0] + list(range(0, 23 * 60 * minute, 9973))
    texts = [timecode(frame, rate, drop=drop) for frame in frames]
    assert texts == ask(frames=frames, rate=float(rate), drop=drop)
    assert [first_frame(text, rate) for text in texts] == [(frame, drop) for frame in frames]


@pytest.mark.parametrize("text", [None, "", "1:2:3", "00:00:61:00", "00:00:00:25", "a0:00:00:00", "00:00:00"])
def test_what_is_no_timecode_at_this_rate(text):
    assert first_frame(text, Fraction(25)) is None


def test_a_colon_is_no_drop_and_other_rates_never_drop():
    assert first_frame("01:00:00:00", NTSC) == (108000, False)
    assert first_frame("01:00:00;00", Fraction(25)) == (90000, False)
