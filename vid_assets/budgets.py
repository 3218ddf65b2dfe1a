"""What each analyzer may cost: computing seconds for a second of video, on two cores, in profile ``offline``.

All of them together stay under the goal of 1.0, real time on such a machine.
"""

FIXED_S = 2.0  # on top, whatever the length: first calls, small files
DEFAULT = 0.02
BUDGETS = {
    "audio_analysis": 0.06,
    "blip2": 0.05,
    "camera_analysis": 0.03,
    "color_analysis": 0.03,
    "composition_analysis": 0.03,
    "content_quality": 0.06,
    "speech_transcription": 0.15,
    "text_overlay": 0.30,
}


def budget_s(analyzer: str, duration_s: float) -> float:
    """Most computing seconds for a video of this length."""
    return FIXED_S + BUDGETS.get(analyzer, DEFAULT) * duration_s
