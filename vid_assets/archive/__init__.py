"""What keeps an archive analysed: finding its files, planning what is due, and clearing away. Knows no sensors.

The Dagster objects that call this are in ``vid_assets/defs``.
"""
