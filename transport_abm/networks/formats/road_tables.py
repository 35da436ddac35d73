"""A road network and results on it as Parquet tables, for data tools.

``nodes.parquet``: node (row), name, x, y. ``links.parquet``: link (row), name, tail, head, length_m, lanes, capacity_pcuh,
free_speed_kmh, free_time_s (empty where closed to cars), bpr_scale, bpr_power, fixed_cost_s, preload_pcuh, uses,
facility. ``zones.parquet``: zone, name, node. ``link_results.parquet``: see ``link_results``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transport_abm.core.whole_files import whole_folder
from transport_abm.networks.formats.link_results import LinkResults, write_link_results
from transport_abm.networks.formats.road_file import RoadFile


def write_road_tables(roads: RoadFile, folder: Path, results: LinkResults | None = None) -> None:
    """Write a network and results to a folder, completely or not at all.

    Parameters
    ----------
    roads
        Network; columns that it does not have are left out.
    folder
        A new name, or an empty folder.
    results
        Results by rows of the network's links.

    Raises
    ------
    StoreError
        If the folder holds something or cannot be written.
    """
    problem = roads.problem
    time = np.where(roads.open, problem.free_time_s, np.nan)
    nodes = {"node": np.arange(problem.n_nodes, dtype=np.int32), "name": list(roads.node_name)}
    nodes |= {"x": roads.x, "y": roads.y} if roads.x is not None else {}
    links = {
        "link": np.arange(problem.n_links, dtype=np.int32), "name": list(roads.link_name), "tail": problem.tail,
        "head": problem.head, "length_m": roads.length_m, "lanes": roads.lanes,
        "capacity_pcuh": problem.capacity_pcuh, "free_speed_kmh": roads.free_speed_kmh,
        "free_time_s": pa.array(time, from_pandas=True), "bpr_scale": problem.bpr_scale,
        "bpr_power": problem.bpr_power, "fixed_cost_s": problem.fixed_cost_s, "preload_pcuh": problem.preload_pcuh,
        "uses": list(roads.uses) or None, "facility": list(roads.facility) or None,
    }  # fmt: skip
    zones = {
        "zone": np.arange(roads.n_zones, dtype=np.int32),
        "name": list(roads.zone_name),
        "node": roads.zone_node,
    }
    with whole_folder(folder) as fresh:
        for name, columns in (("nodes", nodes), ("links", links), ("zones", zones)):
            table = pa.table({key: column for key, column in columns.items() if column is not None})
            table = table.replace_schema_metadata({"crs": roads.crs, "network": roads.name})
            pq.write_table(table, fresh / f"{name}.parquet", compression="zstd")
        if results is not None:
            write_link_results(results, fresh / "link_results.parquet")
