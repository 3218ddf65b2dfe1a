"""Known holes of FFmpeg: which of them its version still has.

The table follows https://ffmpeg.org/security.html, for recent branches. It leaves out the holes of parts that are never
used: network protocols, playlists (HLS, DASH), filters, encoders, codecs that `allowed` refuses (OpenEXR, SANM).
"""

import re
from collections.abc import Mapping, Sequence

# Date of the list that the table follows.
LISTED = "2026-06-29"
# hole -> the first sound release of each branch
FIXED: Mapping[str, tuple[str, ...]] = {
    "CVE-2026-8461": ("8.0.3", "8.1.2"),  # MagicYUV
    "CVE-2026-30999": ("8.0.3", "8.1.2"),
    "CVE-2026-40962": ("8.1",),  # encryption in MP4
    "CVE-2026-30754": ("8.1",),
    "CVE-2025-69693": ("8.0.1", "8.1"),  # RealVideo 6
    "CVE-2025-67306": ("8.0.2", "8.1"),
    "CVE-2025-63757": ("8.0.1", "8.1"),  # scaling
    "CVE-2025-59729": ("8.0",),  # DHAV
    "CVE-2025-25473": ("8.0",),  # MP4
    "CVE-2025-25469": ("8.0",),  # IAMF
    "CVE-2025-22921": ("8.1",),  # JPEG 2000
    "CVE-2025-9951": ("7.1.2", "8.0"),  # JPEG 2000
    "CVE-2025-1816": ("7.1.1", "8.0"),  # IAMF
    "CVE-2025-22919": ("7.1.1", "8.0"),  # AAC
}

_Release = tuple[int, int, int]
_NUMBERS = re.compile(r"n?(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])")


def known_holes(version: str) -> list[str] | None:
    """Return the holes of the table that a version of FFmpeg has.

    Args:
        version: As FFmpeg gives it, such as ``8.1.2`` or ``n8.1.2-3-g0123456``.

    Returns:
        Their names; None if the version is no release, so that nothing can be said.
    """
    release = _release(version)
    if release is None:
        return None
    return [hole for hole, fixes in FIXED.items() if not _has_fix(release, [_release(fix) for fix in fixes])]


def _has_fix(release: _Release, fixes: Sequence[_Release | None]) -> bool:
    """Whether a release is as new as the fix in its branch; branches after the last that needed one have it."""
    known = [fix for fix in fixes if fix is not None]
    in_branch = [fix for fix in known if fix[:2] == release[:2]]
    return release >= in_branch[0] if in_branch else release > max(known)


def _release(version: str) -> _Release | None:
    """Return the numbers of a release; None if it is not one."""
    if found := _NUMBERS.match(version):
        major, minor, patch = found.groups()
        return int(major), int(minor), int(patch or 0)
    return None
