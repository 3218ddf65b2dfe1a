"""What the answers of the archive should be, with the code, models and settings of today."""

from resources.catalog.profiles import resolve_profile
from resources.settings import settings
from resources.warehouse.records import VIDEOS
from vid_assets.archive.plan import Wanted
from vid_assets.configuration import configuration
from vid_assets.pipeline.provenance import archive_version, earlier_versions, videos_version
from vid_assets.registry import computed
from vid_assets.settings import analyzers_named, with_dependants

VIDEOS_VERSION = "2"


def dependencies() -> dict[str, tuple[str, ...]]:
    """Return the upstream assets of each per-video asset."""
    return {VIDEOS.name: (), **{analyzer.name: (VIDEOS.name, *analyzer.upstream) for analyzer in computed()}}


def wanted_assets() -> list[str]:
    """Return the names of the enabled assets. Each comes after the assets it depends on."""
    off = with_dependants(analyzers_named(settings().disabled))
    return [VIDEOS.name, *(item.name for item in computed() if item.name not in off)]


def wanted_answers() -> dict[str, Wanted]:
    """Return the wanted answer of each of `wanted_assets`. It digests code and settings: ask once for many videos."""
    profile, enabled = resolve_profile(""), frozenset(wanted_assets())
    videos = videos_version(VIDEOS_VERSION, configuration().media.settings())
    # Streams from the release 0.1 decoder are kept; they are decoded again only when an analyzer needs them.
    return {VIDEOS.name: Wanted(videos, frozenset({"1"}) if videos == VIDEOS_VERSION else frozenset())} | {
        item.name: Wanted(
            archive_version(item, profile),
            earlier_versions(item, configuration().settings_of(item)),
            (VIDEOS.name, *item.upstream),
        )
        for item in computed()
        if item.name in enabled
    }
