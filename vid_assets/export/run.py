"""Write what is asked for, video by video, and say for each what could not be written and why."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from resources.errors import ResourceError
from resources.settings import settings
from resources.warehouse.resource import Warehouse
from vid_assets.configuration import configuration
from vid_assets.errors import SettingsError, VidAssetsError
from vid_assets.export import captions, chapters, clips, coco, keyframes, tables, timeline
from vid_assets.export.formats import CHAPTERS, SOURCES, SUBTITLES, TABLES, TEXTS, Format, Written, suffix
from vid_assets.export.subject import Subject, all_videos, find
from vid_assets.sql.publish import publish

Writer = Callable[[Subject], Written]
Say = Callable[[str], None]
STDOUT = "-"
DEFAULT_FOLDER = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to write.

    Attributes:
        video: Name of the video; None for all.
        format: The format.
        names: Tables to write, or to make the format of.
        wanted: Moments to cut out; None to write the format.
        out: File or folder; ``-`` for standard output, empty for the default.
    """

    video: str | None
    format: Format = Format.CSV
    names: tuple[str, ...] = ()
    wanted: clips.Wanted | None = None
    out: str = ""

    @property
    def table(self) -> str:
        """The table that the format is made of; empty for the format's own choice."""
        return self.names[0] if self.names else "" if self.format in CHAPTERS else SOURCES[self.format][0]

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            SettingsError: A table does not exist, or does not go with the format; or standard output cannot take it.
        """
        if self.wanted is None and self.format in TABLES:
            tables.chosen(self.names)
        elif self.wanted is None and self.names:
            self._check_source()
        if self.out == STDOUT and (self.wanted or self.video is None or self.format not in (*TABLES, *TEXTS)):
            raise SettingsError("--out -", "standard output takes one text of one video", "give --out a folder")

    def _check_source(self) -> None:
        name, *others = self.names
        if others:
            raise SettingsError(f"--table {','.join(self.names)}", f"{self.format} is made of one table", "name one")
        known = SOURCES[self.format]
        if self.format in SUBTITLES:
            captions.check(name)
        elif name not in known:
            problem, fix = f"{self.format} cannot be made of it", f"use {' or '.join(known)}"
            raise SettingsError(f"--table {name}", problem, fix)


@dataclass(slots=True)
class Outcome:
    """What became of all videos.

    Attributes:
        place: Where it was written.
        videos: Videos of which something was written.
        files: Files written.
        failed: Videos of which something could not be written.
    """

    place: Path
    videos: int = 0
    files: int = 0
    failed: int = 0


def run(request: Request, say: Say, complain: Say, advance: Callable[[int, int], None]) -> Outcome:
    """Write what is asked for.

    Args:
        request: What to write.
        say: Receives notes, one line each.
        complain: Receives what could not be written, one line each.
        advance: Receives the number of videos that are done, and of all.

    Raises:
        SettingsError: The request contradicts itself, or names something that does not exist.
        MediaError: The video is unknown; or it is the only one, and nothing of it can be written.
    """
    request.check()
    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    video_id = None if request.video is None else find(request.video, warehouse)
    spans = clips.spans_of(request.wanted, warehouse, video_id) if request.wanted else None
    ids = [video_id] if video_id else list(spans) if spans is not None else all_videos(warehouse)
    media, scratch = configuration().media.settings(), settings().scratch
    outcome = Outcome(target(request, video_id))
    with _writer(request, video_id, spans) as write:
        for done, each in enumerate(ids):
            advance(done, len(ids))
            try:
                written = write(Subject(each, warehouse, scratch, media))
            except (VidAssetsError, ResourceError) as error:
                if video_id or isinstance(error, SettingsError):
                    raise
                complain(str(error) if each in str(error) else f"{each}: {error}")
                outcome.failed += 1
                continue
            for line in written.notes:
                say(f"{each}: {line}")
            for line in written.missing:
                complain(f"{each}: {line}")
            outcome.failed += bool(written.missing)
            outcome.videos += bool(written.files)
            outcome.files += written.files
    return outcome


def target(request: Request, video_id: str | None) -> Path:
    """Return the folder of what is written; for one text of one video, the file."""
    if request.out and request.out != STDOUT:
        return Path(request.out)
    if video_id is None:
        return Path(DEFAULT_FOLDER)
    if request.wanted is None and request.format in TEXTS:
        return Path(f"{video_id}{suffix(request.format)}")
    return Path(video_id)


@contextmanager
def _writer(request: Request, video_id: str | None, spans: dict[str, list[clips.Span]] | None) -> Iterator[Writer]:
    """Yield what writes one video."""
    place = target(request, video_id)

    def folder(subject: Subject) -> Path:
        return place if video_id else place / subject.video_id

    if spans is not None:
        yield lambda subject: clips.write_clips(subject, spans[subject.video_id], place)
    elif request.format is Format.COCO:
        with coco.coco(place) as add:
            yield add
    elif request.format is Format.KEYFRAMES:
        yield lambda subject: keyframes.write_keyframes(subject, request.table, folder(subject))
    elif request.format in TABLES and request.out == STDOUT:
        yield lambda subject: _print(tables.text_of(subject, request.names, request.format))
    elif request.format in TABLES:
        yield lambda subject: tables.write_tables(subject, request.names, request.format, folder(subject))
    else:
        yield partial(_write_texts, request=request, place=place, single=video_id is not None)


def _write_texts(subject: Subject, *, request: Request, place: Path, single: bool) -> Written:
    """Write the texts of a video: one, or one for each track of its own subtitles."""
    texts, notes = _texts(subject, request)
    if request.out == STDOUT:
        if len(texts) > 1:
            problem = f"it has {len(texts)} tracks of subtitles"
            raise SettingsError("--out -", problem, "give --out the name of a file; each track adds its own")
        sys.stdout.write(next(iter(texts.values())))
        return Written(0, tuple(notes))
    ending = suffix(request.format)
    for name, text in texts.items():
        path = place if single else place / f"{subject.video_id}{ending}"
        if len(texts) > 1 or (name and not (single and request.out)):
            path = path.with_name(f"{path.name.removesuffix(ending)}{name}{ending}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if single:
            sys.stdout.write(f"{path}\n")
    return Written(len(texts), tuple(notes))


def _texts(subject: Subject, request: Request) -> tuple[dict[str, str], Sequence[str]]:
    if request.format in SUBTITLES:
        return dict(captions.subtitles(subject, request.format, request.table)), ()
    make = chapters.chapters if request.format in CHAPTERS else timeline.timeline
    text, notes = make(subject, request.format, request.table)
    return {"": text}, notes


def _print(text: str) -> Written:
    sys.stdout.write(text)
    return Written(0)
