#!/bin/sh
# rapidocr drags in opencv-python-headless beside opencv-python; both own the folder cv2, so one of them has to go.
# A machine without libGL (a server, a slim container) cannot import opencv-python: there the headless build of the same version stays.
set -eu
python=$1
install="$python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall"
version=$("$python" -c 'from importlib.metadata import version; print(version("opencv-python"))' 2>/dev/null ||
    "$python" -c 'from importlib.metadata import version; print(version("opencv-python-headless"))')
"$python" -m pip uninstall --quiet --yes opencv-python opencv-python-headless 2>/dev/null
$install "opencv-python==$version"
if ! "$python" -c 'import cv2' 2>/dev/null; then
    echo "opencv-python cannot be imported here (libGL is missing): using opencv-python-headless $version instead" >&2
    "$python" -m pip uninstall --quiet --yes opencv-python
    $install "opencv-python-headless==$version"
fi
