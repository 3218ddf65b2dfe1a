"""A digest of everything that an answer depends on, and a digest of the chain of answers behind it.

The code version of an analyzer is Dagster's code version. It is in every record, and a backfill compares it. It
changes with the analyzer's version, table and settings, the streams it reads, and its model, including the code of
the model's host.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from resources.catalog.rows import find
from resources.catalog.spec import PROFILES
from resources.errors import ModelUnavailable
from resources.hosting.handle import ModelResource
from resources.hosting.identity import model_digest
from vid_assets.configuration import configuration
from vid_assets.contract import Analyzer, Config
from vid_assets.media import MediaSettings
from vid_assets.streams import READS, changed_streams

UNAVAILABLE = "unavailable"


def code_version(
    analyzer: Analyzer,
    profile: str,
    config: Config | None,
    handle: ModelResource | None,
    media: MediaSettings | None = None,
) -> str:
    """Return ``<version>-<12 hex digits>``.

    Args:
        analyzer: The analyzer.
        profile: The profile that chooses the model.
        config: Settings of the analyzer; None if it has none.
        handle: Handle of its model; None if it uses none.
        media: How the streams are made; None for the defaults.
    """
    schema = {name: (str(column.dtype), column.unit) for name, column in analyzer.table.items()}
    facts = [analyzer.version, schema, changed(config), model_version(handle, profile)]
    if media is not None and (streams := changed_streams(media, analyzer.inputs)):
        facts.append(streams)
    return f"{analyzer.version}-{_short(facts, 12)}"


def archive_version(analyzer: Analyzer, profile: str) -> str:
    """Return the code version with the archive's configuration."""
    archive = configuration()
    media = archive.media.settings()
    return code_version(analyzer, profile, archive.settings_of(analyzer), archive.handle_for(analyzer), media)


def changed(config: Config | None) -> dict[str, Any]:
    """Return the settings that differ from their defaults. A new field with a default makes no answer stale."""
    return {} if config is None else config.model_dump(exclude_defaults=True)


def model_version(handle: ModelResource | None, profile: str) -> str:
    """Return the digest of the profile's model; empty without a model, or `UNAVAILABLE`."""
    if handle is None:
        return ""
    try:
        spec = handle.spec(profile)
    except ModelUnavailable:
        return UNAVAILABLE
    return model_digest(spec, spec.options)


def videos_version(version: str, media: MediaSettings) -> str:
    """Return the code version of ``videos``: the decoder's version and the non-default stream settings."""
    streams = changed_streams(media, READS)
    return f"{version}-{_short(streams, 12)}" if streams else version


def earlier_versions(analyzer: Analyzer, config: Config | None) -> frozenset[str]:
    """Return code versions of the same answers by the formula of release 0.1, to avoid needless recomputation.

    That formula used the analyzer's version, its table, and the model's revision in each profile.
    """
    if changed(config):
        return frozenset()
    schema = {name: (str(column.dtype), column.unit) for name, column in analyzer.table.items()}
    revisions = [""] if analyzer.task is None else [_revision(analyzer.task.name, profile) for profile in PROFILES]
    facts = ([analyzer.version, revision, json.dumps(schema)] for revision in revisions)
    return frozenset(f"{analyzer.version}-{_short(parts, 8)}" for parts in facts)


def provenance(version: str, content_hash: str | None, inputs: Iterable[Mapping[str, Any] | None]) -> str | None:
    """Return 16 hex digits for an answer's code version, the file's content, and the answers it was computed from.

    Args:
        version: Code version of the answer.
        content_hash: SHA-256 of the file.
        inputs: Records of the analyzers that it reads, in the order of its inputs.

    Returns:
        The digits; None if an input's record has none, as in release 0.1.
    """
    chain = [None if record is None else record.get("provenance") for record in inputs]
    if any(link is None for link in chain):
        return None
    return _short([version, content_hash, chain], 16)


def _revision(task: str, profile: str) -> str:
    try:
        return find(task, profile).revision
    except ModelUnavailable:
        return UNAVAILABLE


def _short(facts: Any, digits: int) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:digits]
