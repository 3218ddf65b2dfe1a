"""``vid-assets export``: write tables, subtitles, cut lists, chapters, data sets, clips and key frames."""

import sys
from typing import Annotated

import typer

from vid_assets.export.formats import TABLES, TEXTS, Format

Video = Annotated[
    str | None,
    typer.Argument(metavar="VIDEO", show_default=False, help="Its id, the start of it, its file name, or its path."),
]
All = Annotated[bool, typer.Option("--all", help="All videos, one after the other.")]
As = Annotated[
    Format | None,
    typer.Option(
        "--format",
        show_default=False,
        help="Tables: csv (the default), jsonl, parquet. Speech: srt, vtt, ttml. Cuts for editors: edl, otio, fcpxml. "
        "Chapters: chapters for FFmpeg, chapters-vtt for web players, chapters-txt for people. Objects: coco. "
        "A picture of each shot: keyframes.",
    ),
]
Tables = Annotated[
    list[str] | None,
    typer.Option(
        "--table",
        metavar="NAMES",
        help="Tables to write, with commas; default: all with rows. For other formats, the table they are made of: "
        "cues for the file's own subtitles or chapters, scene_segmentation for scenes instead of shots.",
    ),
]
Clips = Annotated[
    str | None,
    typer.Option(
        "--clips",
        metavar="WHAT",
        show_default=False,
        help="Cut out where this is said, written, shown or heard, or a range such as 1:05-1:20.5, without encoding.",
    ),
]
Source = Annotated[
    str | None,
    typer.Option(metavar="ANALYZER", show_default=False, help="Clips only of what this analyzer found."),
]
Gap = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Moments at most so far apart are one clip.")]
Margin = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="What clips show before and after.")]
Out = Annotated[
    str,
    typer.Option(
        "--out",
        metavar="PATH",
        show_default=False,
        help="Folder, or file for one text, - for standard output. Default: the id; export for all.",
    ),
]


def export(
    video: Video = None,
    everything: All = False,
    format: As = None,
    tables: Tables = None,
    clips: Clips = None,
    source: Source = None,
    gap: Gap = 1.0,
    margin: Margin = 0.5,
    out: Out = "",
) -> int:
    """Take the answers away: tables, subtitles, cuts, chapters, objects, key frames, clips.

    What cannot be written is said with the reason; then the exit code is 1.
    """
    from vid_assets.cli.console import complain, console, progress, say
    from vid_assets.errors import SettingsError
    from vid_assets.export.clips import Wanted
    from vid_assets.export.run import STDOUT, Request, run

    if (video is not None) == everything:
        raise SettingsError(
            "export", "which video?" if video is None else "a video and --all", "name one, or give --all"
        )
    if clips is not None and (format or tables or not clips.strip()):
        problem, fix = "it needs a word or a range of time, and no --format or --table", "see vid-assets export --help"
        raise SettingsError(f"--clips {clips}", problem, fix)
    if source is not None and clips is None:
        raise SettingsError(f"--source {source}", "it is of clips", "give --clips, or use --table")
    names = tuple(name.strip() for text in tables or () for name in text.split(",") if name.strip())
    wanted = None if clips is None else Wanted(clips, source, gap, margin)
    request = Request(video=video, format=format or Format.CSV, names=names, wanted=wanted, out=out)
    screen = console(stderr=out == STDOUT)
    with progress(screen) as bar:
        task = bar.add_task("export", total=None)
        outcome = run(
            request,
            lambda line: say(line, screen),
            lambda line: complain(line, screen),
            lambda done, count: bar.update(task, completed=done, total=count),
        )
    kind = "clips" if wanted else "tables" if request.format in TABLES else "pictures"
    if everything:
        kind = "files" if not wanted and request.format in TEXTS else kind
        failed = f"; of {outcome.failed} something could not be written" if outcome.failed else ""
        sys.stdout.write(f"{outcome.files} {kind} of {outcome.videos} videos in {outcome.place}{failed}\n")
    elif out != STDOUT and (wanted or request.format not in TEXTS):
        sys.stdout.write(f"{outcome.files} {kind} in {outcome.place}\n")
    return int(outcome.failed > 0)
