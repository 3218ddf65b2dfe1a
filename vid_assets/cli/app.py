"""Combine the commands, and turn errors into one line and an exit code."""

import sys
from collections.abc import Sequence

import typer

from vid_assets.cli.analyze import analyze
from vid_assets.cli.backfill import backfill
from vid_assets.cli.bench import bench
from vid_assets.cli.compact import compact
from vid_assets.cli.compare import compare
from vid_assets.cli.demo import demo
from vid_assets.cli.export import export
from vid_assets.cli.models import models
from vid_assets.cli.prune import prune
from vid_assets.cli.search import search
from vid_assets.cli.serve import serve
from vid_assets.cli.settings import settings
from vid_assets.cli.similar import similar
from vid_assets.cli.status import status
from vid_assets.cli.ui import ui

PROGRAM = "vid-assets"
FAILED, WRONG = 1, 2
_EPILOG = (
    "Exit codes: 0 all done; 1 something failed or was not found; 2 the command line or a setting is wrong; "
    "128 + n ended by signal n."
)
_PANELS = {
    "Analyse": (demo, analyze, backfill),
    "Results": (status, search, similar, serve, export, compare, ui),
    "Housekeeping": (prune, compact, settings, bench),
}

app = typer.Typer(
    name=PROGRAM,
    help="Analyse video archives: captions, objects, faces, text, speech, picture, structure, sound.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel, epilog=_EPILOG)(_command)
app.add_typer(models, rich_help_panel="Housekeeping")


@app.callback()
def _before_a_command() -> None:
    """Let the command write for those only whom ``VID_ACCESS`` names."""
    from vid_assets.disk import keep_private

    keep_private()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The arguments after the program's name; None for those of this process.

    Returns:
        The exit code, as `vid_assets.cli` lists them.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return app(given, prog_name=PROGRAM, standalone_mode=False) or 0
    except typer.TyperException as error:
        return _complain(_explained(error.format_message()), WRONG if error.exit_code == WRONG else FAILED)
    except typer.Abort:
        return _complain("interrupted", 130)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            from vid_assets.disk import explained

            if folder := explained(error):
                return _complain(str(folder), FAILED)
            raise
        return _complain(str(error), code)


def _code_of(error: Exception) -> int | None:
    """Return the exit code of an error of this project; None for an unexpected one."""
    from resources.errors import CatalogueError, InvalidSetting, ResourceError
    from vid_assets.errors import SettingsError, VidAssetsError

    if isinstance(error, SettingsError | InvalidSetting | CatalogueError):
        return WRONG
    return FAILED if isinstance(error, VidAssetsError | ResourceError) else None


def _explained(message: str) -> str:
    """Return the message; if it is about an unknown command, add the known ones."""
    if not message.startswith("No such command"):
        return message
    names = [command.__name__ for commands in _PANELS.values() for command in commands]
    return f"{message.rstrip('.')}; use one of {', '.join([*names, 'models'])}"


def _complain(problem: str, code: int) -> int:
    """Print one line on standard error, whatever the problem contains; print nothing without a problem."""
    from vid_assets.cli.console import one_line

    if lines := [line.strip() for line in problem.splitlines() if line.strip()]:
        sys.stderr.write(f"{PROGRAM}: {one_line(' '.join(lines))}\n")
    return code
