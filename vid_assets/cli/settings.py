"""``vid-assets settings``: show every environment variable, its value and its meaning."""

from typing import Annotated

import typer

Markdown = Annotated[bool, typer.Option("--markdown", help="As a table in Markdown.")]


def settings(markdown: Markdown = False) -> int:
    """Show every setting: value, default, unit, meaning."""
    from resources.settings import markdown_table, rows
    from vid_assets.cli.console import console, say, table

    screen = console()
    if markdown:
        say(markdown_table(), screen)
    else:
        cells = ((row.variable, row.value, row.default, row.unit, row.meaning) for row in rows())
        table(("variable", "value", "default", "unit", "meaning"), cells, screen)
    return 0
