"""Parquet tables are read within the calling thread: Arrow's own threads outlive a read, and abort a program that ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tiny import tiny_city
from transport_abm.core.parquet import ParquetTable
from transport_abm.networks.cities.city_files import write_city

TASKS = Path("/proc/self/task")
COUNTED = """
import sys
from pathlib import Path
{imports}
tasks = lambda: len(list(Path("/proc/self/task").iterdir()))
before = tasks()
{read}
print(tasks() - before)
"""


def test_the_whole_and_some_columns_of_a_file_and_of_bytes(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, 1.5, 2.5]})
    pq.write_table(table, tmp_path / "t.parquet")
    for source in (tmp_path / "t.parquet", (tmp_path / "t.parquet").read_bytes()):
        found = ParquetTable(source)
        assert found.n_rows == 3 and found.names == ("a", "b", "c")
        assert found.read().equals(table)
        assert found.read(["c", "a"]).equals(table.select(["c", "a"]))


@pytest.mark.skipif(not TASKS.is_dir(), reason="the system does not list a process's threads")
@pytest.mark.parametrize("what", ["a city", "a data frame"])
def test_no_thread_is_left_behind_by_a_read(what: str, tmp_path: Path) -> None:
    if what == "a city":
        write_city(tiny_city(), tmp_path / "input")
        imports = "from transport_abm.networks.cities.city_files import read_city as read"
    else:
        pq.write_table(pa.table({"a": [1.0, 2.0]}), tmp_path / "input")
        imports = (
            "import pandas; from transport_abm.core.parquet import ParquetTable; "
            "read = lambda path: ParquetTable(path).read().to_pandas(use_threads=False)"
        )
    program = COUNTED.format(imports=imports, read=f"read(Path({str(tmp_path / 'input')!r}))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0"
