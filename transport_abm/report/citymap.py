"""Picture of a city before any run: districts, roads, metro, zones as a PNG (the only user of matplotlib)."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.vocabulary import LinkClass, TransitMode
from transport_abm.core.whole_files import whole_file
from transport_abm.networks.cities.open_city import open_city
from transport_abm.networks.city import City

CJK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Sans CJK JP",
    "Noto Serif CJK SC",
)
CJK_FILES = ("notosanscjk", "notosanssc", "sourcehansans", "pingfang", "msyh", "simhei", "wqy")
ROAD_STYLE: tuple[tuple[tuple[LinkClass, ...], str, float, int], ...] = (
    ((LinkClass.TERTIARY, LinkClass.LOCAL), "#e3e6e8", 0.25, 2),
    ((LinkClass.SECONDARY,), "#cdd3d7", 0.4, 3),
    ((LinkClass.PRIMARY,), "#a9b3b9", 0.65, 4),
    ((LinkClass.EXPRESSWAY,), "#67757e", 1.2, 5),
    ((LinkClass.MOTORWAY,), "#67757e", 1.0, 5),
)
METRO_COLOUR = (
    "#c23a30",
    "#006098",
    "#008e9c",
    "#a6217f",
    "#d29700",
    "#f6c582",
    "#009b6b",
    "#8fc31f",
    "#009bc0",
    "#ed796b",
    "#e46022",
    "#f9e700",
    "#ca9a8e",
    "#5b2c68",
    "#76a32e",
    "#00a9a9",
    "#de82b2",
    "#9b7b5c",
    "#d6abc1",
    "#3b6e22",
)
INNER_RING = 6
SMALL_PART = 0.17
"""Districts narrower than this share of the city are named on the inner map only."""


def write_city_map(city: City | str, path: Path | str) -> Path:
    """Draw a city as a PNG: the whole city, and the part inside the 6th ring road.

    Names are Chinese where the machine has a font for them, and English elsewhere.

    Parameters
    ----------
    city
        The city, its name, or its folder.
    path
        PNG file to write; an earlier one is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    NetworkError
        If the city cannot be opened.
    StoreError
        If the file cannot be written.
    """
    place = open_city(city)[0] if isinstance(city, str) else city
    path = Path(path)
    picture = _draw(place)
    with whole_file(path) as drawn:
        drawn.write_bytes(picture)
    return path


def _draw(city: City) -> bytes:
    """The picture."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    font = cjk_font()
    with mpl.rc_context(
        {"font.family": [font, "DejaVu Sans"] if font else ["DejaVu Sans"], "axes.unicode_minus": False}
    ):
        figure = Figure(figsize=(15.0, 8.6), dpi=150, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        whole, inner = figure.subplots(1, 2)
        inside = city.zones.ring <= INNER_RING
        if inside.all() or not inside.any():
            inside = np.ones(len(city.zones), bool)
        for axis, close in ((whole, False), (inner, True)):
            _panel(axis, city, inside, font, close=close)
        _legend(figure, city, font)
        figure.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.1, wspace=0.02)
        out = io.BytesIO()
        canvas.print_figure(out, format="png", metadata={"Software": None})
        return out.getvalue()


def cjk_font() -> str | None:
    """Name of an installed font with Chinese characters, or None."""
    from matplotlib import font_manager

    found = _known_font()
    if found is None:
        # The list of fonts is kept in a cache, which does not know fonts installed since.
        for file in sorted(font_manager.findSystemFonts()):
            if any(part in Path(file).name.lower() for part in CJK_FILES):
                with contextlib.suppress(OSError, RuntimeError):
                    font_manager.fontManager.addfont(file)
        found = _known_font()
    return found


def _known_font() -> str | None:
    """First of the fonts with Chinese characters that matplotlib knows."""
    from matplotlib import font_manager

    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((name for name in CJK_FONTS if name in known), None)


def _panel(axis: Any, city: City, inside: NDArray[np.bool_], font: str | None, *, close: bool) -> None:
    """One map: the whole city, or the part inside the ring road with zones and metro in their colours."""
    lat = float(np.mean(city.zones.lat))
    axis.set_aspect(1.0 / np.cos(np.deg2rad(lat)))
    axis.set_axis_off()
    _districts(axis, city)
    _roads(axis, city, thick=1.25 if close else 0.8, small=close)
    _metro(axis, city, 1.7 if close else 1.0)
    if close:
        lon, at = city.zones.lon[inside], city.zones.lat[inside]
        pad_x, pad_y = 0.05 * max(np.ptp(lon), 0.01), 0.05 * max(np.ptp(at), 0.01)
        axis.set_xlim(lon.min() - pad_x, lon.max() + pad_x)
        axis.set_ylim(at.min() - pad_y, at.max() + pad_y)
        axis.scatter(city.zones.lon, city.zones.lat, s=5, color="#1c2b33", linewidths=0, zorder=8)
        _names(axis, city, font, inside)
    else:
        axis.autoscale()
        _names(axis, city, font, None)
    _scale(axis, lat, font)


def _districts(axis: Any, city: City) -> None:
    """Outlines of the districts, the central ones shaded."""
    from matplotlib.collections import PolyCollection

    lines = city.districts.outlines
    shape = [
        np.column_stack([lines.lon[a:b], lines.lat[a:b]])
        for a, b in zip(lines.indptr[:-1], lines.indptr[1:], strict=True)
    ]
    fill = ["#dfeceb" if city.districts.central[d] else "#f6f7f6" for d in lines.owner]
    axis.add_collection(
        PolyCollection(shape, facecolors=fill, edgecolors="#8fa0a8", linewidths=0.8, zorder=1)
    )


def _roads(axis: Any, city: City, *, thick: float, small: bool) -> None:
    """Roads by class, the main ones on top."""
    from matplotlib.collections import LineCollection

    roads = city.roads
    point = np.column_stack([roads.shape_lon, roads.shape_lat])
    for classes, colour, width, order in ROAD_STYLE:
        if not small and LinkClass.TERTIARY in classes:
            continue
        links = np.flatnonzero(roads.drive & np.isin(roads.link_class, classes))
        lines = [point[roads.shape_indptr[k] : roads.shape_indptr[k + 1]] for k in links]
        axis.add_collection(
            LineCollection(lines, colors=colour, linewidths=width * thick, zorder=order, capstyle="round")
        )


def _metro(axis: Any, city: City, width: float) -> None:
    """Metro lines through their stations, a colour a line; lines that open later are drawn too."""
    transit = city.transit
    for p in range(transit.n_patterns):
        line = int(transit.pattern_line[p])
        if transit.line_mode[line] != TransitMode.METRO:
            continue
        stop = transit.stop[transit.pattern_indptr[p] : transit.pattern_indptr[p + 1]]
        colour = METRO_COLOUR[line % len(METRO_COLOUR)]
        axis.plot(
            transit.stop_lon[stop],
            transit.stop_lat[stop],
            color=colour,
            linewidth=width,
            zorder=6,
            solid_joinstyle="round",
        )
    metro = transit.stop_mode == TransitMode.METRO
    axis.scatter(
        transit.stop_lon[metro],
        transit.stop_lat[metro],
        s=2.2 * width,
        color="white",
        edgecolors="#44525a",
        linewidths=0.3,
        zorder=7,
    )


def _names(axis: Any, city: City, font: str | None, inside: NDArray[np.bool_] | None) -> None:
    """Names of the districts with a halo: the large ones on the whole map, all on the inner one."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.4, foreground="white")]
    lines = city.districts.outlines
    for d, name in enumerate(city.districts.name_zh if font else city.districts.name_en):
        if inside is None:
            parts = np.flatnonzero(lines.owner == d)
            if not len(parts):
                continue
            a, b = int(lines.indptr[parts[0]]), int(lines.indptr[parts[0] + 1])
            if np.ptp(lines.lon[a:b]) < SMALL_PART * np.ptp(lines.lon):
                continue
            lon, lat = _middle(lines.lon[a:b], lines.lat[a:b])
        else:
            own = inside & (city.zones.district == d)
            if own.sum() < 2:
                continue
            lon, lat = float(city.zones.lon[own].mean()), float(city.zones.lat[own].mean())
        axis.text(
            lon,
            lat,
            name,
            fontsize=10,
            fontweight="bold",
            ha="center",
            va="center",
            color="#22313a",
            zorder=9,
            path_effects=halo,
            clip_on=True,
        )


def _middle(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> tuple[float, float]:
    """A point well inside an outline."""
    import shapely
    import shapely.ops

    area = shapely.Polygon(np.column_stack([lon, lat])).buffer(0)
    largest = max(getattr(area, "geoms", [area]), key=lambda part: part.area)
    point = shapely.ops.polylabel(largest, tolerance=0.01)
    return float(point.x), float(point.y)


def _scale(axis: Any, lat: float, font: str | None) -> None:
    """Scale bar in the lower left corner."""
    left, right = axis.get_xlim()
    bottom, top = axis.get_ylim()
    km_per_degree = 111.195 * float(np.cos(np.deg2rad(lat)))
    most = (right - left) * km_per_degree / 4
    power = 10.0 ** np.floor(np.log10(most))
    length = float(max(f * power for f in (1.0, 2.0, 5.0) if f * power <= most))
    x, y = left + 0.03 * (right - left), bottom + 0.03 * (top - bottom)
    axis.plot(
        [x, x + length / km_per_degree], [y, y], color="#22313a", linewidth=2, zorder=9, solid_capstyle="butt"
    )
    axis.text(
        x + length / km_per_degree / 2,
        y + 0.012 * (top - bottom),
        f"{length:g} {'公里' if font else 'km'}",
        ha="center",
        va="bottom",
        fontsize=8,
        color="#22313a",
        zorder=9,
    )


def _legend(figure: Any, city: City, font: str | None) -> None:
    """Title, what the lines mean, and whose data it is."""
    from matplotlib.lines import Line2D

    words = (
        ("高速公路和快速路", "主干路", "次干路", "地铁", "交通小区中心", "中心城区")
        if font
        else (
            "Motorways, expressways",
            "Primary roads",
            "Secondary roads",
            "Metro",
            "Zone centres",
            "Central districts",
        )
    )
    marks = [
        Line2D([], [], color="#67757e", linewidth=2),
        Line2D([], [], color="#a9b3b9", linewidth=1.4),
        Line2D([], [], color="#cdd3d7", linewidth=1.2),
        Line2D([], [], color=METRO_COLOUR[0], linewidth=2),
        Line2D([], [], color="#1c2b33", marker="o", markersize=3, linestyle="none"),
        Line2D(
            [], [], color="#dfeceb", marker="s", markersize=10, markeredgecolor="#8fa0a8", linestyle="none"
        ),
    ]
    figure.legend(
        marks, words, loc="lower center", ncol=6, frameon=False, fontsize=9, bbox_to_anchor=(0.5, 0.025)
    )
    figure.text(
        0.02,
        0.955,
        city.name if font or city.name.isascii() else "",
        fontsize=15,
        fontweight="bold",
        color="#22313a",
    )
    facts = " ".join(str(value) for value in city.meta.values())
    if "openstreetmap" in facts.lower() or "odbl" in facts.lower():
        figure.text(0.985, 0.012, "© OpenStreetMap contributors", fontsize=8, color="#5c6c75", ha="right")
