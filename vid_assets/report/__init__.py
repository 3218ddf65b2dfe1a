"""Something to look at: one self-contained HTML page for each video, and one that links them all.

`collect` reads what the warehouse holds of a video, `video_page` turns that into HTML, and `write_report` puts the
page, its thumbnail and its card into the folder of reports. Everything is generic in the analyzers: what a table shows
follows from its columns. Knows nothing of Dagster's assets and runs.

It cannot show more than a screen can: events that lie closer together than a pixel are drawn as one, of each table at
most three curves are drawn, and the archive page shows the thousand newest reports.
"""

from vid_assets.report.facts import Facts, collect
from vid_assets.report.index import write_index
from vid_assets.report.page import video_page
from vid_assets.report.write import Written, write_report

__all__ = ["Facts", "Written", "collect", "video_page", "write_index", "write_report"]
