"""Arrays that grow on disk: rows are appended, and the header is filled in when the row count is known."""

import os
from pathlib import Path
from typing import Any

HEADER_BYTES = 128


class NpyWriter:
    """Writes one ``.npy`` file (format version 1.0) row by row.

    Attributes:
        rows: Rows written so far.
        path: The file.
    """

    def __init__(self, path: Path, dtype: str, row_shape: tuple[int, ...], row_bytes: int) -> None:
        """Start the file.

        Args:
            path: A file that does not exist yet.
            dtype: Numpy name with byte order, such as ``|u1`` or ``<f4``.
            row_shape: Shape of one row; empty for a vector.
            row_bytes: Bytes of one row.
        """
        self.path = path
        self.rows = 0
        self._dtype = dtype
        self._row_shape = row_shape
        self._row_bytes = row_bytes
        self._file = path.open("xb", buffering=1 << 20)
        self._file.write(bytes(HEADER_BYTES))

    def append(self, data: Any) -> None:
        """Write whole rows from any C-contiguous buffer."""
        with memoryview(data) as view:
            self.rows += view.nbytes // self._row_bytes
            self._file.write(view)

    def skip(self, rows: int) -> None:
        """Leave rows of zeros, as a hole in the file that takes no disk space."""
        self._file.seek(rows * self._row_bytes, os.SEEK_CUR)
        self.rows += rows

    def finish(self) -> int:
        """Write the header and close.

        Returns:
            The file's size in bytes.
        """
        self._file.truncate(HEADER_BYTES + self.rows * self._row_bytes)
        self._file.seek(0)
        shape = (self.rows, *self._row_shape)
        fields = f"{{'descr': '{self._dtype}', 'fortran_order': False, 'shape': {shape}, }}"
        self._file.write(b"\x93NUMPY\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little"))
        self._file.write(fields.encode("ascii").ljust(HEADER_BYTES - 11) + b"\n")
        self._file.close()
        return self.path.stat().st_size
