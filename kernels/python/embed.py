"""Writes the Python side as constants of the binary: embed.py OUTPUT FILE...

Each module is there as text, for every CPython, and as code that is compiled already, for CPythons
of the version that runs this.
"""

import importlib.util
import marshal
import pathlib
import sys

output, *files = map(pathlib.Path, sys.argv[1:])
arrays, entries = [], []


def constant(name, data):
    # As elements: no literal is too long for a compiler, and no byte is special.
    elements = ",".join(map(str, data))
    arrays.append(f"constexpr unsigned char {name}[] = {{{elements}}};\n")
    return name


def view(name):
    return f"{{reinterpret_cast<const char*>({name}), sizeof {name}}}"


for file in files:
    module, text = file.stem, file.read_bytes()
    code = marshal.dumps(compile(text, f"<perijove_kernel/{module}.py>", "exec", optimize=0))
    names = constant(f"text_{module}", text), constant(f"code_{module}", code)
    entries.append(f'      {{"{module}", {view(names[0])}, {view(names[1])}}},\n')

magic = constant("magic", importlib.util.MAGIC_NUMBER)
output.write_text(
    '#include "python/sources.hpp"\n\n#include <vector>\n\n'
    "namespace perijove::kernels::python {\nnamespace {\n\n"
    + "".join(arrays)
    + "\n}  // namespace\n\nstd::span<const Source> sources() {\n"
    + "  static const std::vector<Source> kSources = {\n"
    + "".join(entries)
    + "  };\n  return kSources;\n}\n\n"
    + f"std::string_view code_magic() {{ return {view(magic)}; }}\n\n"
    + "}  // namespace perijove::kernels::python\n"
)
