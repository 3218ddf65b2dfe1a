"""Colour of decoded pictures: matrix, transparency, and conversion of high dynamic range to standard range.

Tone mapping follows ITU-R BT.2100 (transfer functions) and BT.2408 (reference white at 203 cd/m2, which becomes the
white of the standard range). Highlights above a knee are compressed instead of clipped.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Numbers of libavutil; swscale uses the same ones for the matrix.
UNSPECIFIED = 2
BT709, BT601, BT2020 = 1, 5, 9
PQ, HLG = 16, 18
TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "iec61966-2-4", 12: "bt1361e", 13: "srgb", 14: "bt2020-10", 15: "bt2020-12", PQ: "pq", 17: "smpte428",
    HLG: "hlg",
}  # fmt: skip
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
REFERENCE_WHITE, HLG_PEAK = 203.0, 1000.0
KNEE = 0.85
# Display gamma of the standard range, ITU-R BT.1886.
GAMMA = 2.4
# Linear RGB of BT.2020 (9) and of P3 with D65 (12) to linear RGB of BT.709.
TO_BT709 = {
    9: np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32),
    12: np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]], np.float32),
}
LUMA_BT2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
LEVELS = 4096


def matrix(frame: Any) -> int:
    """Return the colour matrix of a picture, as swscale numbers it; if the file has none, use the rule of players."""
    if frame.colorspace != UNSPECIFIED:
        return frame.colorspace
    if frame.color_trc in (PQ, HLG):
        return BT2020
    return BT709 if frame.width >= 1280 or frame.height > 576 else BT601


class ToneMapper:
    """Converts pictures of one high-dynamic-range transfer function to BT.709, as a standard display shows them."""

    def __init__(self, transfer: int, primaries: int) -> None:
        """Prepare the tables.

        Args:
            transfer: `PQ` or `HLG`.
            primaries: FFmpeg's number; unspecified counts as BT.2020.
        """
        code = np.arange(65536, dtype=np.float64) / 65535
        self._hlg = transfer == HLG
        self._linear = (_hlg_scene(code) if self._hlg else _pq_light(code) / REFERENCE_WHITE).astype(np.float32)
        self._matrix = TO_BT709.get(9 if primaries == UNSPECIFIED else primaries)
        # Dark tones need finer steps than a table over linear light has, so the table is over its square root.
        self._shown = np.rint(np.linspace(0, 1, LEVELS) ** (2 / GAMMA) * 255).astype(np.uint8)

    def apply(self, picture: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Convert uint16 RGB [height, width, 3] as coded to uint8 RGB of the standard range."""
        light = self._linear[picture]
        if self._hlg:
            luma = light @ LUMA_BT2020
            light *= (luma**0.2 * (HLG_PEAK / REFERENCE_WHITE))[..., None]
        if self._matrix is not None:
            light = np.maximum(light @ self._matrix.T, 0)
        peak = light.max(axis=-1, keepdims=True)
        above = np.maximum(peak - KNEE, 0)
        rolled = np.minimum(peak, KNEE) + (1 - KNEE) * (1 - np.exp(-above / (1 - KNEE)))
        light *= rolled / np.maximum(peak, 1e-6)
        return self._shown[np.rint(np.sqrt(light) * (LEVELS - 1)).astype(np.int64)]


def _pq_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light in cd/m2 of a PQ code 0..1 (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = code ** (1 / m2)
    return 10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg_scene(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scene light 0..1 of an HLG code 0..1 (ARIB STD-B67)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def decoder_of(stream: Any) -> tuple[Any, str]:
    """Return what decodes a stream, with its alpha if it has any; and what is left out, in words, or an empty text.

    WebM keeps alpha beside each packet, where FFmpeg's own decoders of VP8 and VP9 do not look.
    """
    import av

    context = stream.codec_context
    name = _ALPHA_DECODERS.get(context.codec.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return context, ""
    if name not in av.codecs_available:
        return context, f"the transparency of track {stream.index} is left out: FFmpeg has no {name}"
    decoder = av.CodecContext.create(name, "r")
    decoder.extradata = context.extradata
    return decoder, ""


def over_black(frame: Any) -> Any:
    """Compose a transparent picture over black: rgb24, same size."""
    import av

    straight = frame.reformat(format="rgba", src_colorspace=matrix(frame)).to_ndarray()
    alpha = straight[..., 3:].astype(np.uint16)
    mixed = (straight[..., :3] * alpha + 127) // 255
    return av.VideoFrame.from_ndarray(mixed.astype(np.uint8), format="rgb24")


def has_alpha(frame: Any) -> bool:
    """Whether parts of a picture may be transparent."""
    form = frame.format
    return form.has_palette or any(component.is_alpha for component in form.components)
