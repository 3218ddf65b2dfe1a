"""Runs whose model hosts are killed under them, and many at once over videos that can be told apart."""

import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks.kit import child, temporary_home
from benchmarks.pipeline import CHANGES
from resources.hosting.handle import ModelHostsResource, handle_of
from resources.hosting.usage import collect_usage
from resources.warehouse.resource import Warehouse
from vid_assets.demo import SPEECH
from vid_assets.media import identify, open_media
from vid_assets.pipeline.provenance import UNAVAILABLE, model_version
from vid_assets.pipeline.records import read_records
from vid_assets.registry import discover
from vid_assets.synthetic.clips import Clip, Mover, Shape, Shot, Text, frames
from vid_assets.synthetic.render import write
from vid_assets.synthetic.sound import read

KILLS = 50
MARKS = [(kind, colour) for kind in ("circle", "square") for colour in ("red", "green", "blue", "yellow")]
# Phrases of the speech, seconds from its start.
PHRASES = [(0.2, 3.2), (3.2, 7.2), (5.2, 8.0), (7.9, 11.0)]
RATE = 48000


def marker_video(path, number):
    """Four seconds: a shape of its own, then its number, and one phrase under both."""
    kind, colour = MARKS[number % len(MARKS)]
    shape = Shot(2.0, background="black", shapes=(Mover(Shape(kind, colour, 0.5, 0.5, 0.25)),), seed=number)
    word = Text(f"VIDEO {1000 + 37 * number}", start_s=2.0, y=0.5, height=0.2)
    clip = Clip(shots=(shape, Shot(2.0, background="grey", seed=number)), texts=(word,), width=320, height=180)
    start, end = PHRASES[number % len(PHRASES)]
    track = np.zeros(4 * RATE, np.float32)
    phrase = read(SPEECH, RATE)[round(start * RATE) : round(end * RATE)]
    track[: len(phrase)] = phrase
    write(path, frames(clip), Fraction(25), (clip.width, clip.height), track, RATE)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marked")
    return [marker_video(folder / f"marked_{number}.mp4", number) for number in range(8)]


@pytest.fixture
def home():
    with temporary_home() as made:
        yield made


@pytest.fixture
def handles(home, monkeypatch):
    """By name of the task, handles of the models that the runs of `home` ask."""
    for name, value in home.variables().items():
        monkeypatch.setenv(name, value)
    hosts = ModelHostsResource(scratch=str(home.scratch), models=str(home.models))
    return {item.task.name: handle_of(item.task)(hosts=hosts) for item in discover() if item.task is not None}


def analyse(home, files, warehouse="warehouse", **changes):
    """A process of its own that runs the pipeline for each file; what it tells of each."""
    variables = home.variables(warehouse, **{CHANGES: json.dumps(changes)})
    return child("pipeline", {"files": [str(file) for file in files]}, variables)["videos"]


def tables(home, warehouse, video):
    """All that the warehouse holds of a video: the answered tables, and status and reason of the others."""
    store = Warehouse(path=str(home.root / warehouse))
    found = {}
    for name, record in video["analyzers"].items():
        table = store.read_partition(name, video["video_id"])
        assert (table is not None) == (record["status"] == "value"), name
        found[name] = table if table is not None else (record["status"], record["reason"])
    return found


def assert_same(left, right):
    """Equal rows in equal order; batches of another size may round otherwise."""
    assert left.keys() == right.keys()
    for name, table in left.items():
        if isinstance(table, tuple):
            assert table == right[name], name
        else:
            assert_frame_equal(table, right[name], rel_tol=1e-3, abs_tol=1e-3)


def pids(home, warehouse, video):
    """By model, the processes that answered last, as the run's records name them."""
    store = Warehouse(path=str(home.root / warehouse))
    found = {}
    records = read_records(video["video_id"], store)
    for name in video["analyzers"]:
        row = records[name]
        if row["model"] is not None:
            found.setdefault(row["model"], set()).add(int(row["host"].rpartition(":")[2]))
    return found


def kill_when_busy(handle, until, pause_s=0.0):
    """Kills a model's host, with no warning, that long into a call, and tells its pid; None if `until` comes first."""
    while not until():
        status = handle.status()
        if status.busy_s is not None:
            time.sleep(pause_s)
            os.kill(status.pid, signal.SIGKILL)
            return status.pid
        time.sleep(0.01)
    return None


def test_two_runs_at_once_get_over_two_kills(home, handles, videos):
    first, second = [videos[0], videos[1]], [videos[2], videos[3]]
    store = Warehouse(path=str(home.root / "warehouse"))
    ids = {file: identify(file).video_id for file in first + second}
    killed = []

    def done(file):
        return "speech_transcription" in read_records(ids[file], store)

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(analyse, home, files, only=["speech_transcription"]) for files in (first, second)]
        for _ in range(2):
            # A call is sent again once, so the second kill waits for those that the first one hit.
            killed.append(kill_when_busy(handles["speech"], lambda: all(run.done() for run in runs)))
            pending = [next((file for file in files if not done(file)), files[-1]) for files in (first, second)]
            while not all(done(file) or run.done() for file, run in zip(pending, runs, strict=True)):
                time.sleep(0.02)
        ended = [run.result() for run in runs]
    assert None not in killed
    answers = [video for run in ended for video in run]
    assert [video["success"] for video in answers] == [True] * 4
    disturbed = [tables(home, "warehouse", video) for video in answers]
    assert not set(killed) & pids(home, "warehouse", answers[1])[handles["speech"].spec().name]
    # The same again without kills, and each phrase belongs to its own video.
    quiet = analyse(home, first, only=["speech_transcription"]) + analyse(home, second, only=["speech_transcription"])
    for left, video in zip(disturbed, quiet, strict=True):
        assert_same(left, tables(home, "warehouse", video))
    said = [" ".join(found["speech_transcription"]["word"]) for found in disturbed]
    assert len(set(said)) == len(said)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_runs_get_over_fifty_kills_of_their_hosts(home, handles, videos):
    chosen = videos[:3]
    (*undisturbed,) = analyse(home, chosen, "undisturbed")
    models = set().union(*(pids(home, "undisturbed", video) for video in undisturbed))
    expected = [tables(home, "undisturbed", video) for video in undisturbed]
    by_model = {
        handle.spec().name: handle for handle in handles.values() if model_version(handle, "offline") != UNAVAILABLE
    }
    assert models <= set(by_model)
    chance, hits, runs = random.Random(1), [], 0
    while len(hits) < KILLS or not models <= set(hits):
        assert runs < KILLS, f"most kills missed the calls: {hits}"
        number, warehouse = runs % len(chosen), f"disturbed-{runs}"
        runs += 1
        over = threading.Event()
        with ThreadPoolExecutor(1 + len(models)) as pool:
            run = pool.submit(analyse, home, [chosen[number]], warehouse)
            run.add_done_callback(lambda _, over=over: over.set())
            # Every model of every run, at the start of a call or in it.
            killers = {
                name: pool.submit(kill_when_busy, by_model[name], over.is_set, chance.choice((0.0, 0.01, 0.1)))
                for name in sorted(models)
            }
            (video,) = run.result()
        killed = {name: killer.result() for name, killer in killers.items()}
        assert video["success"], video
        assert_same(expected[number], tables(home, warehouse, video))
        # Whoever was killed after its answer was out has done no harm, and does not count.
        last = pids(home, warehouse, video)
        hits += [model for model, pid in killed.items() if pid is not None and pid not in last[model]]
    print(f"\n{len(hits)} kills during calls in {runs} runs: {pl.Series(hits).value_counts().sort('').rows()}")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_call_after_a_kill_waits_for_the_load_and_little_more(home, handles, videos):
    media = open_media(videos[0], identify(videos[0]).video_id, home.scratch)
    assert media.frames is not None
    rows = range(len(media.frames))
    calls = {
        "text": lambda model: model.read_text(media.frames, rows),
        "speech": lambda model: model.transcribe(media.audio),
        "captions": lambda model: model.caption(media.frames, rows),
        "descriptions": lambda model: model.describe(media.frames, [rows]),
    }
    for name, call in calls.items():
        handle = handles[name]
        expected = call(handle)
        beyond = []
        for _ in range(4):
            os.kill(handle.status().pid, signal.SIGKILL)
            began = time.monotonic()
            with collect_usage() as usage:
                answer = call(handle)
            took = time.monotonic() - began
            assert_frame_equal(answer, expected)
            assert usage.load is not None
            assert usage.load.kind != "hit"
            beyond.append(took - usage.load.load_s - usage.compute_s)
        print(f"\n{name}: {min(beyond):.2f} to {max(beyond):.2f} s beyond load and computing")
        assert min(beyond) < 1.0 * max(1.0, 2 * os.getloadavg()[0])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_eight_runs_at_once_do_not_mix_up_their_videos(home, videos):
    with temporary_home() as alone:
        one_by_one = analyse(alone, videos, "alone")
        expected = [tables(alone, "alone", video) for video in one_by_one]
    with ThreadPoolExecutor(len(videos)) as pool:
        answers = [video for (video,) in pool.map(lambda file: analyse(home, [file]), videos)]
    found = [tables(home, "warehouse", video) for video in answers]
    for number, (video, left, right) in enumerate(zip(answers, expected, found, strict=True)):
        assert video["success"]
        assert_same(left, right)
        assert right["text_overlay"]["text"].str.replace_all(" ", "").to_list() == [f"VIDEO{1000 + 37 * number}"]
        kind, colour = MARKS[number]
        captions = right["blip2"].filter(pl.col("prompt") == "scene")["text"].drop_nulls()
        assert len(captions)
        assert captions.str.contains(f"{colour} {kind}").all(), captions
    spoken = [" ".join(table["speech_transcription"]["word"]) for table in found]
    assert spoken[:4] == spoken[4:]
    assert len(set(spoken)) == 4
