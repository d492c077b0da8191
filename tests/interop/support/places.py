"""Where the interop tests find what they need. Standard library only."""

import os
import pathlib

INTEROP = pathlib.Path(__file__).resolve().parent.parent
DEBIAN_PYTHON = "/usr/bin/python3"


def cache():
    """The directory that tests/interop/setup fills."""
    if "PERIJOVE_TEST_CACHE" in os.environ:
        return pathlib.Path(os.environ["PERIJOVE_TEST_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "perijove-tests"


def installed(part, *path):
    """A file of one of setup's parts; says how to get it when it is missing."""
    place = cache().joinpath(part, *path)
    if not place.exists():
        raise FileNotFoundError(f"{place} is missing: run tests/interop/setup {part}")
    return place


def server_kind():
    """What the tests drive: perijove, or the peer named by PERIJOVE_TEST_PEER."""
    return os.environ.get("PERIJOVE_TEST_PEER") or "perijove"


def perijove_binary():
    binary = os.environ.get("PERIJOVE_BIN")
    if not binary:
        raise RuntimeError(
            "set PERIJOVE_BIN to the perijove binary (or PERIJOVE_TEST_PEER to a peer)"
        )
    return os.path.abspath(binary)


def test_output_directory():
    """Where screenshots and logs of failed tests stay; None when nobody wants them."""
    place = os.environ.get("PERIJOVE_TEST_OUTPUT")
    if not place:
        return None
    os.makedirs(place, exist_ok=True)
    return pathlib.Path(place)
