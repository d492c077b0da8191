"""What the servers that are no perijove are known to fail at."""

import unittest

import places


def known_to_fail_on(**reasons):
    """Decorator: the test must fail on the peers named, `jupyter_server="why it does"`."""
    if places.server_kind() in reasons:
        return unittest.expectedFailure
    return lambda test: test


def unreliable_on(**reasons):
    """Decorator: on the peers named the test fails at times, `jupyter_server="what it does"`."""
    reason = reasons.get(places.server_kind())
    return unittest.skipIf(reason is not None, reason)
