"""Results to charts, maps and one HTML file, in Chinese and English."""
