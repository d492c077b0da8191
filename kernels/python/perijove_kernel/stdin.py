"""input() and getpass.getpass() ask the client."""

import builtins
import getpass
import threading

import _perijove_kernel as core


class Stdin:
    """`error` is what is raised when the client takes no questions."""

    def __init__(self, publisher, error):
        self.is_allowed = False
        self._error = error
        self._publisher = publisher

    def install(self):
        builtins.input = self.input
        getpass.getpass = self.getpass

    def input(self, prompt=""):
        """Asks the client for a line."""
        return self._ask("raw_input", str(prompt), False)

    def getpass(self, prompt="Password: ", stream=None):
        """Asks the client for a line that it does not show."""
        if stream is not None:
            import warnings

            warnings.warn(
                "The `stream` parameter of `getpass.getpass` will have no effect here",
                UserWarning,
                stacklevel=2,
            )
        return self._ask("getpass", str(prompt), True)

    def _ask(self, name, prompt, password):
        if not self.is_allowed:
            raise self._error(
                name + " was called, but this frontend does not support input requests."
            )
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("only the main thread can ask for input")
        self._publisher.flush()
        try:
            return core.read_input(prompt, password)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Interrupted by user") from None
