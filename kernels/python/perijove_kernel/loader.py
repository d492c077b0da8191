"""Makes the modules of perijove_kernel importable from the texts in the C++ side."""

import importlib.machinery
import marshal
import sys

import _frozen_importlib_external
import _perijove_kernel

PACKAGE = "perijove_kernel"


class Loader:
    """Finds and loads, as sys.meta_path wants it; linecache asks get_source() for tracebacks."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == PACKAGE:
            return importlib.machinery.ModuleSpec(name, cls, origin=name, is_package=True)
        package, _, module = name.rpartition(".")
        if package != PACKAGE or module not in _perijove_kernel.SOURCES:
            return None
        return importlib.machinery.ModuleSpec(name, cls, origin="<%s/%s.py>" % (package, module))

    @staticmethod
    def create_module(spec):
        return None

    @classmethod
    def exec_module(cls, module):
        spec = module.__spec__
        if spec.name == PACKAGE:
            return
        if _frozen_importlib_external.MAGIC_NUMBER == _perijove_kernel.CODE_MAGIC:
            code = marshal.loads(_perijove_kernel.CODE[spec.name.rpartition(".")[2]])
        else:
            code = compile(cls.get_source(spec.name), spec.origin, "exec")
        exec(code, module.__dict__)

    @staticmethod
    def get_source(name):
        return _perijove_kernel.SOURCES.get(name.rpartition(".")[2])


# Before the finder of files: one of them has the name of the package, see abi3/.
sys.meta_path.insert(0, Loader)
