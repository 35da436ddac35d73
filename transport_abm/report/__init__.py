"""Results to charts, maps and one HTML file, in Chinese and English."""

from transport_abm.report.citymap import write_city_map
from transport_abm.report.page import write_report

__all__ = ["write_city_map", "write_report"]
