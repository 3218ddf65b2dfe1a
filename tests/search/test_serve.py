"""The search page over a real connection: what it shows, and whom it answers."""

import html
import http.client
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlencode

import polars as pl
import pytest
import uvicorn
from PIL import Image

from resources.warehouse.records import VIDEOS
from tests.cli.conftest import SILENT, SPEECH, archive, places
from tests.export.conftest import rows_of
from tests.search.test_indexes import painted, shots_of
from vid_assets.cli import main
from vid_assets.indexes.shots import webp
from vid_assets.serve.app import app, pieces

__all__ = ["archive", "places"]
ROOT = Path(__file__).parents[2]
HOSTILE = '<img src=x onerror=alert(1)> "quoted" & country'
POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'"


@pytest.fixture
def server(archive, places):
    """The port of a server over the archive."""
    (places / "reports").mkdir()
    (places / "reports" / f"{SPEECH}.html").write_text("<p>the report")
    (places / "secret.txt").write_text("secret")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        made = uvicorn.Server(uvicorn.Config(app(archive, places / "reports"), log_level="critical"))
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        made.should_exit = True
        thread.join()


def get(port, path="/", method="GET", host="", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"} | given)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def asked(port, **given):
    answer, body = get(port, "/?" + urlencode(given, doseq=True))
    return answer.status, body.decode()


def moments(page):
    """Title, link and text of each moment of a page."""
    found = re.findall(r'<li class="card">.*?</li>', page, re.DOTALL)
    return [
        (
            re.sub("<[^>]+>", "", re.search("<b>(.*?)</b>", item)[1]),
            (re.search('<a href="([^"]*)"', item) or [None, None])[1],
            html.unescape(re.sub("<[^>]+>", "", (re.search('class="text">(.*?)</span>', item) or [None, ""])[1])),
        )
        for item in found
    ]


def test_words_are_found_marked_and_linked_to_the_report(server):
    status, page = asked(server, q="COUNTRY")
    assert status == 200
    assert moments(page) == [("talk.mp4 at 0:03.0", f"/reports/{SPEECH}.html#t=3.00", "country")]
    assert "<mark>country</mark>" in page
    assert "1 moment<" in page
    _, report = get(server, f"/reports/{SPEECH}.html")
    assert report == b"<p>the report"


def test_a_spoken_word_is_shown_with_its_passage(archive, server):
    text = "Ask not what your country can do."
    rows = {"video_id": SPEECH, "source": "speech_transcription", "start_s": 1.0, "end_s": 4.4, "text": text}
    row = pl.DataFrame([rows | {"embedding": [1, 2]}], archive.schema_of("passages"))
    archive.replace_partition("passages", SPEECH, row)
    _, page = asked(server, q="country")
    assert moments(page) == [("talk.mp4 at 0:03.0", f"/reports/{SPEECH}.html#t=3.00", text)]
    assert "your <mark>country</mark> can" in page


def test_the_form_keeps_what_was_asked(server):
    _, page = asked(server, q="dog", analyzer="object_detection", longer_s="0.1", since="2020-01-01", label="dog")
    assert len(moments(page)) == 0  # the files of this archive have no date
    _, page = asked(server, q="dog", analyzer="object_detection", longer_s="0.1", label="dog")
    assert [title for title, _, _ in moments(page)] == ["talk.mp4 at 0:03.0", "talk.mp4 at 0:09.0"]
    assert "<option selected>object_detection</option>" in page
    assert 'name="longer_s" type="number" min="0" step="any" value="0.1"' in page
    assert 'value="dog" placeholder="such as dog"' in page
    assert "<option>dog</option>" in page
    assert "<details open>" in page
    _, page = asked(server, q="dog", longer_s="1")
    assert "Nothing found" in page


def test_what_cannot_be_searched_is_said(server, monkeypatch):
    monkeypatch.setenv("VID_PROFILE", "offline")
    monkeypatch.setenv("VID_MODELS", "no/such/folder")
    _, page = asked(server)
    assert "By looks nothing can be searched: pictures: the profile &#39;offline&#39; has no model for it" in page
    assert "By meaning nothing can be searched: minilm-l6-v2: " in page
    assert page.count("disabled") == 2
    status, page = asked(server, q="country", by="looks")
    assert status == 503
    assert 'role="alert">pictures: the profile' in page


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"by": "magic"}, "by magic: no such kind of search; use words, meaning, looks"),
        ({"analyzer": "nobody"}, "analyzers nobody: no such analyzer; use some of "),
        ({"longer_s": "long"}, "minutes at least long: not a number"),
        ({"longer_s": "nan"}, "minutes at least nan: not a number"),
        ({"since": "yesterday"}, "since yesterday: not a day; give a day such as 2026-05-01"),
        ({"limit": "-1"}, "limit -1: not a number from 1 to 1000"),
    ],
)
def test_bad_input_is_one_line(server, given, told):
    status, page = asked(server, q="x", **given)
    assert status == 400
    assert told in html.unescape(page)


def test_a_limit_leads_to_more(server):
    _, page = asked(server, q="dog", limit=1)
    assert len(moments(page)) == 1
    assert "1 and more moments" in page
    _, more = get(server, "/" + html.unescape(re.search(r'<a href="(\?[^"]*)">More', page)[1]))
    assert len(moments(more.decode())) == 2


def test_names_and_texts_are_data(archive, server):
    row = {"segment": 0, "word": HOSTILE, "start_s": 1.0, "end_s": 2.0, "language": "en", "understood": True}
    archive.replace_partition("speech_transcription", SPEECH, rows_of("speech_transcription", [row], SPEECH))
    for words in ("country", "<img", '"quoted"'):
        _, page = asked(server, q=words)
        assert [text for _, _, text in moments(page)] == [HOSTILE], words
        assert "<img src=x" not in page
    _, page = asked(server, q='"><script>alert(1)</script>', label="'\"><script>", analyzer="<script>")
    assert "<script" not in page


def test_the_picture_of_a_moment_is_that_of_its_shot(archive, server, places):
    rows = [
        {
            "shot": shot,
            "start_s": 2.0 * shot,
            "end_s": 2.0 * shot + 2,
            "time_s": 2.0 * shot + 1,
            "picture": webp(painted(shot)),
        }
        for shot in range(3)
    ]
    archive.replace_partition("shots", SPEECH, shots_of(rows, SPEECH))
    for time_s, shot in ((0.0, 0), (1.99, 0), (2.0, 1), (99.0, 2), (-1.0, 0)):
        answer, body = get(server, f"/picture?video={SPEECH}&t={time_s}")
        assert (answer.status, answer.getheader("Content-Type")) == (200, "image/webp")
        assert body == rows[shot]["picture"]
        assert Image.open(io.BytesIO(body)).format == "WEBP"
    (places / "reports" / "thumbs").mkdir()
    (places / "reports" / "thumbs" / f"{SILENT}.webp").write_bytes(webp(painted(7)))
    assert get(server, f"/picture?video={SILENT}&t=1")[1] == webp(painted(7))
    for query in ("", f"video={SPEECH}", "video=nobody&t=1", "video=../x&t=1", f"video={SPEECH}&t=x"):
        assert get(server, f"/picture?{query}")[0].status == 404


def test_sound_without_pictures_says_so(archive, server):
    video = {"video_id": SPEECH, "duration_s": 20.0, "file_name": "talk.flac", "has_picture": False}
    archive.replace_partition(VIDEOS.name, SPEECH, VIDEOS.frame([video]))
    _, page = asked(server, q="country")
    assert '<span class="shot">sound</span>' in page
    video |= {"has_picture": True}
    archive.replace_partition(VIDEOS.name, SPEECH, VIDEOS.frame([video]))
    _, page = asked(server, q="country")
    assert f'<img src="/picture?video={SPEECH}&amp;t=3.00"' in page


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/reports/../secret.txt", "/reports/..%2fsecret.txt", "/reports/%2e%2e/secret.txt"]
)
def test_only_reports_are_served(server, path):
    answer, body = get(server, path)
    assert answer.status == 404
    assert b"secret" not in body


def test_every_answer_forbids_what_the_page_does_not_need(server):
    for path in ("/", "/?q=country", "/search.css", "/picture", "/nothing"):
        answer, _ = get(server, path)
        assert answer.getheader("Content-Security-Policy").startswith(POLICY), path
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    answer, _ = get(server, f"/reports/{SPEECH}.html")
    assert "default-src 'none'" in answer.getheader("Content-Security-Policy")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 200),
        ({"host": "localhost:{port}"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:{port}"}, 403),
        ({"host": "127.0.0.1.evil.example:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Dest": "image"}, 403),
        ({"Sec_Fetch_Site": "none", "Sec_Fetch_Dest": "document"}, 200),
        ({"method": "POST"}, 403),
        ({"method": "DELETE"}, 403),
    ],
)
def test_other_sites_and_other_methods_are_refused(server, given, status):
    answer, body = get(server, **{name: value.format(port=server) for name, value in given.items()})
    assert answer.status == status
    assert (b"Search the archive" in body) == (status == 200)


def test_the_program_serves_until_ctrl_c_and_tells_of_a_port_in_use(archive, capsys):
    command = [sys.executable, "-m", "vid_assets", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdout is not None
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())[1])
        assert asked(port, q="country")[0] == 200
        assert main(["serve", "--port", str(port)]) == 2
        assert (
            capsys.readouterr().err
            == f"vid-assets: --port {port}: cannot be used: Address already in use; give another one\n"
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def test_words_are_marked_whatever_their_case_and_signs():
    assert pieces("Ask (not) WHAT", ["what", "(not)"]) == [
        ("Ask ", False),
        ("(not)", True),
        (" ", False),
        ("WHAT", True),
    ]
    assert pieces("plain", []) == [("plain", False)]
    assert pieces("", ["a"]) == []
