"""``vid-assets demo``: run three clips through every analyzer."""

from pathlib import Path

from vid_assets.cli.options import Profile, use_profile


def demo(profile: Profile = "") -> int:
    """Analyse three clips that come with the program: animation, speech, a generated scene."""
    use_profile(profile)
    from resources.settings import settings
    from vid_assets.cli.analyze import analyze_files
    from vid_assets.cli.models import fetch
    from vid_assets.demo import put_clips

    # an unavailable model gives one line, and its analyzers answer `undefined`
    fetch("offline")
    return analyze_files(put_clips(Path(settings().archive)), profile=profile)
