"""What each analyzer may cost: computing seconds for a second of video, on two cores, in profile ``offline``.

All of them together stay under `GOAL`, real time on such a machine. `TARGET` and `LEAST_SCORE` are for whole videos.
"""

GOAL, TARGET = 1.0, 3.0  # wall seconds for a second of video: what is aimed at, and what is acceptable
LEAST_SCORE = 0.95  # share of the analyzers that should give a value, or a reason why the question does not arise

FIXED_S = 2.0  # on top, whatever the length: first calls, small files
DEFAULT = 0.005
BUDGETS = {
    "age_estimation": 0.01,
    "audio_analysis": 0.02,
    "background_segmentation": 0.015,
    "blip2": 0.015,
    "color_analysis": 0.02,
    "composition_analysis": 0.02,
    "content_quality": 0.03,
    "eye_tracking": 0.075,
    "object_detection": 0.27,
    "product_detection": 0.065,
    "speech_transcription": 0.08,
    "text_overlay": 0.27,
    "vid2seq": 0.015,
}


def budget_s(analyzer: str, duration_s: float) -> float:
    """Most computing seconds for a video of this length."""
    return FIXED_S + BUDGETS.get(analyzer, DEFAULT) * duration_s
