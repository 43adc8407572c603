"""Pictures: read safely out of outputs, given their parameters as text, laid out as grids.

`outputs` takes a reference and gives bytes that were looked at, `downloads` is the only part
that opens a connection, `containers` knows PNG, JPEG and WebP byte by byte, `metadata` is the
door to what carries parameters inside a picture, `thumbnails` decodes, `grids` lays
out and `sheet` draws onto a `canvas`: pixels, SVG or PDF.  Nothing
here knows runs, ledgers or stores: pictures come in as bytes and go out as bytes or Pillow images.
"""
