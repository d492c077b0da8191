"""Magics that IPython leaves to its kernels."""

from IPython.core import page
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magics import CodeMagics
from IPython.utils import openpy
from IPython.utils.process import arg_split


@magics_class
class KernelMagics(Magics):
    _find_edit_target = CodeMagics._find_edit_target

    @line_magic
    def edit(self, parameter_s=""):
        """Asks the client to open the file of an object, or a new one."""
        options, arguments = self.parse_options(parameter_s, "prn:")
        target = self._find_edit_target(self.shell, arguments, options, [])
        if target is None:
            return
        filename, line, _ = target
        self.shell.payload_manager.write_payload(
            {"source": "edit_magic", "filename": filename, "line_number": line}
        )

    @line_magic
    def less(self, arg_s):
        """Shows a file in the client's pager."""
        words = arg_split(arg_s)
        if not words:
            raise ValueError("%less wants the name of a file")
        if words[0].endswith(".py"):
            text = self.shell.pycolorize(openpy.read_py_file(words[0], skip_encoding_cookie=False))
        else:
            with open(words[0]) as file:
                text = file.read()
        page.page(text)

    more = line_magic("more")(less)

    @line_magic
    def man(self, arg_s):
        """Shows a page of the manual in the client's pager."""
        page.page(self.shell.getoutput("man %s | col -b" % arg_s, split=False))

    @line_magic
    def connect_info(self, arg_s):
        """Prints the connection file, for other clients of this kernel."""
        with open(self.shell.kernel.connection_file) as file:
            print(file.read())
