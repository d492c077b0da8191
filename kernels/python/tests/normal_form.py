"""What of an output may differ between two kernels that do the same: random ids, addresses, names of
temporary files, colours, and how a picture is compressed."""

import base64
import re
import struct

ANSI = re.compile(r"\x1b\[[0-9;]*m")
VARYING = (
    (re.compile(r"0x[0-9a-f]{6,}"), "0x..."),
    (re.compile(r"<ipython-input-\d+-[0-9a-f]+>|(/tmp/ipykernel_\d+/)?\d{5,}\.py"), "<cell>"),
    (re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{24}_\d+_\d+"), "<id>"),
    (re.compile(r"id='?T_\w+'?|T_[0-9a-f]{5}"), "<style>"),
)


def normal_text(text):
    text = ANSI.sub("", text)
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    return text


def normal_bundle(data):
    """Images by their size; both may draw them with other compression."""
    normal = {}
    for mime, value in data.items():
        if mime == "image/png":
            image = base64.b64decode(value)
            normal[mime] = ("a PNG of", struct.unpack(">II", image[16:24]))
        else:
            normal[mime] = normal_state(value)
    return normal


def normal_state(value):
    """Widgets refer to each other by random ids."""
    if isinstance(value, str):
        return normal_text(value)
    if isinstance(value, dict):
        return {key: normal_state(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normal_state(item) for item in value]
    return value
