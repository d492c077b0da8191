"""Python values as JSON, the way Jupyter clients expect them."""

import binascii
import json
import math
import numbers


def encode(value):
    """The value as UTF-8 bytes. Bytes become base64; numbers that JSON has not become texts."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_stand_in)
    except (ValueError, TypeError):
        text = json.dumps(_clean(value), ensure_ascii=False, default=_stand_in)
    return text.encode("utf-8", "replace")


def _stand_in(value):
    """What to write for a value that the json module does not know."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    if hasattr(value, "isoformat"):  # dates and times
        return value.isoformat()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return _finite(float(value))
    if isinstance(value, (set, frozenset)) or hasattr(value, "__iter__"):
        return list(value)
    raise TypeError("%r cannot be sent as JSON" % (value,))


def _finite(number):
    return number if math.isfinite(number) else repr(number)


def _clean(value):
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, dict):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
