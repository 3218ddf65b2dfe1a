"""Which hosts and origins are this machine's own."""

import pytest

from vid_assets.loopback import is_named, is_own


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1:1", "[::1]", "[::1]:3000", "LOCALHOST"])
def test_names_of_this_machine(host):
    assert is_named(host)


@pytest.mark.parametrize(
    "host", ["", "example.com", "localhost.example.com", "127.0.0.1.example.com:80", "[::1", "a@b", "["]
)
def test_other_and_broken_names(host):
    assert not is_named(host)


def test_origins():
    assert is_own(None, "localhost:1")
    assert is_own("http://localhost:1", "localhost:1")
    for origin in (
        "http://localhost:2",
        "http://example.com",
        "null",
        "",
        "http://[",
        "http://localhost:1.example.com",
    ):
        assert not is_own(origin, "localhost:1")
