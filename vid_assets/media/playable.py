"""What browsers play: containers and codecs that Chromium, Firefox and Safari share, without a plug-in."""

# What FFmpeg calls a decoder, where the format has another name.
_FORMATS = {"libdav1d": "av1", "libvpx": "vp8", "libvpx-vp9": "vp9", "libopus": "opus", "mp3float": "mp3"}
_EIGHT_BITS = frozenset({"yuv420p", "yuvj420p"})
_TEN_BITS = _EIGHT_BITS | {"yuv420p10le"}
_PIXELS = {"h264": _EIGHT_BITS, "vp8": _EIGHT_BITS, "vp9": _TEN_BITS, "av1": _TEN_BITS}
_NO_PICTURE: frozenset[str] = frozenset()
# Container, as FFmpeg names it -> codecs of the picture, codecs of the sound.
_PLAYED = {
    "mov,mp4,m4a,3gp,3g2,mj2": (frozenset({"h264", "vp9", "av1"}), frozenset({"aac", "mp3", "opus", "flac"})),
    "matroska,webm": (frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"})),
    "ogg": (_NO_PICTURE, frozenset({"opus", "vorbis", "flac"})),
    "mp3": (_NO_PICTURE, frozenset({"mp3"})),
    "flac": (_NO_PICTURE, frozenset({"flac"})),
    "wav": (_NO_PICTURE, frozenset({"pcm_u8", "pcm_s16le"})),
    "aac": (_NO_PICTURE, frozenset({"aac"})),
}


def obstacle(container: str, picture: str | None, sound: str | None, pixel_format: str | None) -> str:
    """Return why some browser may not play a file; empty if all play it.

    Args:
        container: Container format, as FFmpeg names it.
        picture: Codec of the picture, as FFmpeg names it; None without one.
        sound: Codec of the sound, as FFmpeg names it; None without one.
        pixel_format: Pixel format of the picture, as FFmpeg names it.
    """
    if container not in _PLAYED:
        return f"its container, {container.split(',')[0]}"
    pictures, sounds = _PLAYED[container]
    seen, heard = (_FORMATS.get(name or "", name) for name in (picture, sound))
    if seen and seen not in pictures:
        return f"the codec of its picture, {seen}"
    if heard and heard not in sounds:
        return f"the codec of its sound, {heard}"
    if seen and pixel_format not in _PIXELS[seen]:
        return f"the pixel format of its picture, {pixel_format}"
    return ""
