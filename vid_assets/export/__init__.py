"""What people take away: tables, subtitles, cut lists, chapters, data sets, clips and key frames.

One module per family of formats. Each writes one video at a time, from its rows in the warehouse. Clips and pictures
also need its file, which only the confined process of `vid_assets.media.sandbox` reads.
"""
