"""Reports: one self-contained HTML page per video, and one page that links them all.

`collect` reads what the warehouse holds about a video, `video_page` turns that into HTML, and `write_report` puts the
page, its thumbnail and its card into the reports folder. No code depends on a particular analyzer: the columns of a
table determine how it appears. This package does not use Dagster's assets and runs.

Limits, set by the size of a screen: events closer together than a pixel are drawn as one, at most three curves are
drawn per table, and the archive page shows the thousand newest reports.
"""

from vid_assets.report.facts import Facts, collect
from vid_assets.report.index import write_index
from vid_assets.report.page import video_page
from vid_assets.report.write import Written, write_report

__all__ = ["Facts", "Written", "collect", "video_page", "write_index", "write_report"]
