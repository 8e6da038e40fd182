"""weights.py FILE NAME FIRST:LAST: the floats of NAME in FILE are FIRST, FIRST + 1, ..."""

import json
import struct
import sys

path, name, bounds = sys.argv[1:]
with open(path, "rb") as file:
    data = file.read()
header_size = struct.unpack_from("<Q", data)[0]
entry = json.loads(data[8 : 8 + header_size])[name]
begin, end = (8 + header_size + offset for offset in entry["data_offsets"])
first, last = map(int, bounds.split(":"))
wanted = struct.pack(f"<{last - first}f", *range(first, last))
sys.exit(None if data[begin:end] == wanted else f"{name}: other values")
