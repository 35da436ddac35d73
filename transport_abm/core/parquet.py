"""Parquet tables read within the calling thread.

Arrow reads ahead in threads of its own by default. Such a thread holds the file, and lets it go after the read has
returned; where the file is a Python object and the interpreter is then ending, the process is aborted ("terminate
called without an active exception") after its work was done and in place of its exit code. See
https://github.com/apache/arrow/issues/34314. Our tables are read at once and whole, so reading ahead gains nothing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


class ParquetTable:
    """A Parquet file whose head has been read.

    Parameters
    ----------
    source : Path or bytes
        The file, or what it holds.

    Raises
    ------
    OSError
        If it cannot be read.
    pyarrow.ArrowException
        If it is not a Parquet file; a hostile one may raise anything.
    """

    def __init__(self, source: Path | bytes) -> None:
        self._file = pq.ParquetFile(
            io.BytesIO(source) if isinstance(source, bytes) else source, pre_buffer=False
        )
        self.n_rows: int = self._file.metadata.num_rows
        self.names: tuple[str, ...] = tuple(self._file.schema_arrow.names)

    def read(self, names: Sequence[str] | None = None) -> pa.Table:
        """Read the columns of these names, or all; raises as the class does."""
        return self._file.read(columns=None if names is None else list(names), use_threads=False)
