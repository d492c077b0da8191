"""Comms: messages between objects here and objects in the client, such as widgets.

Libraries import them from the package `comm`, older ones from `ipykernel.comm`; both names lead to
the classes of this module, whether such packages are installed or not.
"""

import importlib.machinery
import os
import sys
import types


class Comm:
    """One end of a comm, as `comm.base_comm.BaseComm` and ipykernel have it."""

    def __init__(
        self,
        target_name="comm",
        data=None,
        metadata=None,
        buffers=None,
        comm_id=None,
        primary=True,
        target_module=None,
        topic=None,
        _open_data=None,
        _close_data=None,
        **others,
    ):
        self.target_name = target_name
        self.target_module = target_module
        self.comm_id = comm_id or os.urandom(16).hex()
        self.primary = primary
        self.topic = topic or ("comm-%s" % self.comm_id).encode("ascii")
        self._open_data = _open_data or {}
        self._close_data = _close_data or {}
        self._on_msg = None
        self._on_close = None
        self._closed = True
        if primary:
            self.open(data=data, metadata=metadata, buffers=buffers)
        else:
            self._closed = False

    @property
    def kernel(self):
        """The one that `get_ipython().kernel` is: ipywidgets 6 looks whether there is any."""
        return manager().kernel

    def open(self, data=None, metadata=None, buffers=None):
        """Opens the other end."""
        manager().register_comm(self)
        self._closed = False
        self.publish_msg(
            "comm_open",
            data=self._open_data if data is None else data,
            metadata=metadata,
            buffers=buffers,
            target_name=self.target_name,
            target_module=self.target_module,
        )

    def send(self, data=None, metadata=None, buffers=None):
        self.publish_msg("comm_msg", data=data, metadata=metadata, buffers=buffers)

    def close(self, data=None, metadata=None, buffers=None, deleting=False):
        """Closes both ends; once is enough."""
        if self._closed:
            return
        self._closed = True
        self.publish_msg(
            "comm_close",
            data=self._close_data if data is None else data,
            metadata=metadata,
            buffers=buffers,
        )
        if not deleting:
            manager().unregister_comm(self)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **fields):
        content = dict(data=data or {}, comm_id=self.comm_id, **fields)
        manager().publisher.publish(msg_type, content, metadata, buffers)

    def on_msg(self, callback):
        self._on_msg = callback

    def on_close(self, callback):
        self._on_close = callback

    def handle_msg(self, message):
        if self._on_msg:
            manager().shell.trigger("pre_execute")
            self._on_msg(message)
            manager().shell.trigger("post_execute")

    def handle_close(self, message):
        if self._on_close:
            self._on_close(message)


class CommManager:
    """All open comms, and who wants those that clients open."""

    def __init__(self, publisher, shell, kernel):
        self.publisher = publisher
        self.shell = shell
        self.kernel = kernel
        self.comms = {}
        self.targets = {}
        global _manager
        _manager = self
        provide_modules()

    def register_target(self, target_name, function):
        """`function(comm, message)`, or its name "module.function", is called for each comm that a
        client opens for this target."""
        if isinstance(function, str):
            module, _, name = function.rpartition(".")
            function = getattr(__import__(module, fromlist=[name]), name)
        self.targets[target_name] = function

    def unregister_target(self, target_name, function):
        return self.targets.pop(target_name)

    def register_comm(self, comm):
        self.comms[comm.comm_id] = comm
        return comm.comm_id

    def unregister_comm(self, comm):
        return self.comms.pop(comm.comm_id, None)

    def get_comm(self, comm_id):
        return self.comms.get(comm_id)

    def names(self, target_name):
        """{id: {"target_name": ...}} of the comms of this target, or of all."""
        return {
            comm_id: {"target_name": comm.target_name}
            for comm_id, comm in self.comms.items()
            if target_name in (None, comm.target_name)
        }

    # What clients send. Code of the user that fails has its traceback in the log of Python.

    def comm_open(self, message):
        content = message["content"]
        target_name = content["target_name"]
        comm = Comm(target_name, comm_id=content["comm_id"], primary=False)
        self.register_comm(comm)
        function = self.targets.get(target_name)
        if function is None:
            _log().error("No such comm target registered: %s", target_name)
        else:
            try:
                function(comm, message)
                return
            except Exception:
                _log().error("Exception opening comm with target: %s", target_name, exc_info=True)
        comm.close()

    def comm_msg(self, message):
        self._handle("handle_msg", message)

    def comm_close(self, message):
        comm = self._handle("handle_close", message)
        if comm is not None:
            comm._closed = True
            self.unregister_comm(comm)

    def _handle(self, method, message):
        comm_id = message["content"]["comm_id"]
        comm = self.get_comm(comm_id)
        if comm is None:
            _log().warning("No such comm: %s", comm_id)
            return None
        try:
            getattr(comm, method)(message)
        except Exception:
            _log().error("Exception in %s of comm %s", method, comm_id, exc_info=True)
        return comm


_manager = None


def manager():
    """The one of this process."""
    return _manager


def create_comm(*arguments, **fields):
    return Comm(*arguments, **fields)


def provide_modules():
    """Lets `import comm` and `import ipykernel.comm` find the classes of this module."""
    classes = {"CommManager": CommManager, "create_comm": create_comm, "get_comm_manager": manager}
    _module("comm", BaseComm=Comm, **classes)
    _module("comm.base_comm", BaseComm=Comm, **classes)
    if importlib.machinery.PathFinder.find_spec("ipykernel") is None:
        _module("ipykernel")
    _module("ipykernel.comm", Comm=Comm, **classes)


def _module(name, **contents):
    module = types.ModuleType(name, "Provided by Perijove's Python kernel.")
    module.__path__ = []  # a package
    module.__dict__.update(contents)
    sys.modules[name] = module
    package, _, attribute = name.rpartition(".")
    if package in sys.modules:
        setattr(sys.modules[package], attribute, module)


def _log():
    import logging  # which takes its time, and is seldom needed

    return logging.getLogger("perijove_kernel.comms")
