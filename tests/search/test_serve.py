"""The search page over a real connection: what it shows, and whom it answers."""

import html
import http.client
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image

from tests.cli.conftest import SPEECH
from tests.search.conftest import HOSTILE, PICTURES, SAID
from tests.search.makers import painted
from vid_assets.cli import main
from vid_assets.indexes.shots import webp
from vid_assets.serve.app import pieces

ROOT = Path(__file__).parents[2]
POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'"


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


def test_a_spoken_word_is_found_marked_in_its_passage_and_linked_to_the_report(server):
    status, page = asked(server, q="COUNTRY", language="en")
    assert status == 200
    assert moments(page) == [("talk.mp4 at 0:03.0", f"/reports/{SPEECH}.html#t=3.00", SAID)]
    assert "your <mark>country</mark> can" in page
    assert "1 moment<" in page
    _, report = get(server, f"/reports/{SPEECH}.html")
    assert b"the report" in report


def test_the_player_of_a_report_gets_registered_files_only(server):
    for name in (SPEECH, "..%2f..%2fetc%2fpasswd", "nobody-000000000000"):
        answer, body = get(server, f"/reports/media/{name}")
        assert (answer.status, body) in [(404, b"there is no such file on this machine"), (404, b"Not Found")]


def test_sound_has_no_picture_and_a_video_without_a_report_no_link(server):
    _, page = asked(server, q="country")
    assert [(title, link) for title, link, _ in moments(page)] == [
        ("garden.flac at 0:01.0", None),
        ("talk.mp4 at 0:03.0", f"/reports/{SPEECH}.html#t=3.00"),
    ]
    assert page.count('<span class="shot">sound</span>') == 1
    assert f'<img src="/picture?video={SPEECH}&amp;t=3.00"' in page


def test_the_form_keeps_what_was_asked(server):
    given = {"analyzer": "object_detection", "longer_s": "0.1", "label": "dog", "until": "2026-05-01"}
    _, page = asked(server, q="dog", **given)
    assert [title for title, _, _ in moments(page)] == ["talk.mp4 at 0:03.0", "talk.mp4 at 0:09.0"]
    assert "<option selected>object_detection</option>" in page
    assert 'name="longer_s" type="number" min="0" step="any" value="0.1"' in page
    assert 'name="until" type="date" value="2026-05-01"' in page
    assert 'value="dog" placeholder="such as dog"' in page
    assert "<option>dog</option>" in page
    assert "<details open>" in page
    _, page = asked(server, q="dog", longer_s="1")
    assert "Nothing found" in page


def test_what_cannot_be_searched_is_said(server, places, monkeypatch):
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


def test_names_and_texts_are_data(server):
    _, page = asked(server, q="<img")
    assert [text for _, _, text in moments(page)] == [HOSTILE]
    assert "<img src=x" not in page
    _, page = asked(server, q='"><script>alert(1)</script>', label="'\"><script>", analyzer="<script>")
    assert "<script" not in page


def test_the_picture_of_a_moment_is_that_of_its_shot(server):
    for time_s, shot in ((0.0, 0), (3.99, 0), (4.0, 1), (99.0, 2), (-1.0, 0)):
        answer, body = get(server, f"/picture?video={SPEECH}&t={time_s}")
        assert (answer.status, answer.getheader("Content-Type")) == (200, "image/webp")
        assert body == PICTURES[shot]
        assert Image.open(io.BytesIO(body)).format == "WEBP"
    assert get(server, "/picture?video=other-0123456789ab&t=1")[1] == webp(painted(7))
    for query in ("", f"video={SPEECH}", "video=nobody&t=1", "video=../x&t=1", f"video={SPEECH}&t=x"):
        assert get(server, f"/picture?{query}")[0].status == 404


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/reports/../secret.txt", "/reports/..%2fsecret.txt", "/reports/%2e%2e/secret.txt"]
)
def test_only_reports_are_served(server, path):
    answer, body = get(server, path)
    assert answer.status == 404
    assert b"secret" not in body


def test_every_answer_forbids_what_the_page_does_not_need(server):
    for path in ("/", "/?q=x&limit=x", "/search.css", "/picture", "/nothing"):
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


def test_before_a_question_the_page_says_what_is_searched(server):
    _, page = asked(server)
    assert "2 videos are searched" in page
    assert '<a href="/?q=dog">dog</a>' in page
    assert "2 videos are searched" not in asked(server, q="dog")[1]
