"""Archive and results in an object store: moto's server, which speaks S3 over HTTP."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.errors import WarehouseUnreachable
from resources.warehouse.lake import writable
from resources.warehouse.resource import Warehouse
from tests.cluster.test_lake import LUMA, TEXT, contents, rows, words
from vid_assets.archive.register import take_in
from vid_assets.archive.scan import Archive
from vid_assets.synthetic.clips import Clip, Shot, render


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="films")
    yield "films"
    server.stop()


def test_a_lake_in_a_bucket(new_lake: Callable[[], Warehouse], bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = new_lake()
    monkeypatch.setenv("VID_WAREHOUSE_DATA", f"s3://{bucket}/results")
    lake.publish([LUMA, TEXT])
    for turn in range(9):
        lake.commit({"luma": {f"v{turn}": rows(f"v{turn}", 0.5, 0.25)}, "words": {f"v{turn}": words(f"v{turn}", "x")}})
    lake.commit({"luma": {"v0": None}})
    before = contents(lake)
    assert len(before["luma"]) == 8
    made = lake.compact(keep_s=0)
    assert (made.files, made.rows) == (2, 25)
    assert contents(lake) == before
    import boto3

    found = boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert {item["Key"].split("/")[0] for item in found} == {"results"}


def test_a_bucket_that_is_not_there_is_named_before_work(
    new_lake: Callable[[], Warehouse], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = new_lake()
    writable._check.cache_clear()
    monkeypatch.setenv("VID_WAREHOUSE_DATA", f"s3://{bucket}-missing/results")
    with pytest.raises(WarehouseUnreachable) as error:
        lake.publish([LUMA])
    assert f"s3://{bucket}-missing/results/: this machine cannot write there" in str(error.value)
    monkeypatch.setenv("VID_WAREHOUSE_DATA", f"s3://{bucket}/results")
    assert lake.publish([LUMA])  # nothing was half made


def test_an_archive_in_a_bucket(lake: Warehouse, bucket: str, tmp_path: Path) -> None:
    import boto3

    clip = tmp_path / "clip.mp4"
    render(Clip(shots=(Shot(1.0),)), clip)
    boto3.client("s3").upload_file(str(clip), bucket, "2026/clip.mp4")
    lake.publish([LUMA])
    with dg.DagsterInstance.ephemeral() as instance, Archive(f"s3://{bucket}", tmp_path / "scratch") as archive:
        for _ in range(60):
            if take_in(archive, tmp_path / "scratch", lake, instance).new:
                break
            time.sleep(0.5)  # a file that was just written may not be complete
    (source,) = lake.read_table("sources").collect().rows(named=True)
    assert source["path"] == f"s3://{bucket}/2026/clip.mp4"
    assert source["content_hash"] == hashlib.sha256(clip.read_bytes()).hexdigest()
