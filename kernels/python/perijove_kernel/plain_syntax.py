"""The few of IPython's notations that work without it: `!command`, `%%bash` and `%cd`."""

import re

LINE = re.compile(r"^(\s*)!(.+)$")
CHANGE_DIRECTORY = re.compile(r"^(\s*)%cd\s+(.+?)\s*$")
BASH = re.compile(r"^%%(?:bash|sh)\s*$")


def translate(code):
    """The cell as Python."""
    first, _, rest = code.partition("\n")
    if BASH.match(first):
        return _call("bash", rest)
    if "!" not in code and "%" not in code:
        return code
    try:
        compile(code, "<cell>", "exec", 0x2000)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return code  # whatever looks like a command there is part of a text
    except (SyntaxError, ValueError):
        return "\n".join([_translate_line(line) for line in code.split("\n")])


def _translate_line(line):
    command = LINE.match(line)
    if command:
        return command.group(1) + _call("system", command.group(2))
    directory = CHANGE_DIRECTORY.match(line)
    if directory:
        return "%s__import__('os').chdir(%r)" % directory.groups()
    return line


def _call(function, text):
    return "__import__('perijove_kernel.plain_system', fromlist=['x']).%s(%r)" % (function, text)


def indent_after(code):
    """How the line that continues this code begins."""
    last = code.rstrip("\n").rpartition("\n")[2]
    spaces = len(last) - len(last.lstrip())
    return " " * (spaces + 4 if last.rstrip().endswith(":") else spaces)
