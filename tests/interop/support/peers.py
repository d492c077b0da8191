"""What the servers that are no perijove are known to fail at."""

import unittest

import places


def known_to_fail_on(**reasons):
    """Decorator: the test must fail on the peers named, `jupyter_server="why it does"`."""
    if places.server_kind() in reasons:
        return unittest.expectedFailure
    return lambda test: test


def perijove_only(reason):
    """Decorator: a promise that only perijove makes, or that the peer cannot be asked for."""
    return unittest.skipUnless(places.server_kind() == "perijove", reason)
