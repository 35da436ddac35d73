"""OpenStreetMap: ways and tags to directed road links."""
