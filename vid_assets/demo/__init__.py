"""The three clips of ``vid-assets demo``: an animation film, real speech over pictures, a scene with known truth."""

from pathlib import Path

_HERE = Path(__file__).parent
BUNNY = _HERE / "bigbuckbunny.mp4"
SPEECH = _HERE / "jfk.flac"
SEED = 2026


def put_clips(folder: Path) -> list[Path]:
    """Put the demo clips into a folder; those that are there stay as they are.

    Returns:
        Their paths.
    """
    import shutil

    from vid_assets.synthetic.clips import random_clip, render
    from vid_assets.synthetic.speech import render_speech_clip

    folder.mkdir(parents=True, exist_ok=True)
    makers = {
        "bigbuckbunny.mp4": lambda path: shutil.copyfile(BUNNY, path),
        "inaugural_speech.mp4": lambda path: render_speech_clip(SPEECH, path, SEED),
        "generated_scene.mp4": lambda path: render(random_clip(SEED), path),
    }
    for name, make in makers.items():
        if not (folder / name).exists():
            unfinished = folder / f".{name}.part.mp4"
            make(unfinished)
            unfinished.replace(folder / name)
    return [folder / name for name in makers]
