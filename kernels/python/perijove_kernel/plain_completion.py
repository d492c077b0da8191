"""Completion and inspection without IPython."""

import inspect
import re
import rlcompleter

NAME_BEFORE = re.compile(r"[^\W\d][\w.]*$")
NAME_AFTER = re.compile(r"^\w*")


def complete(namespace, code, cursor):
    found = NAME_BEFORE.search(code[:cursor])
    prefix = found.group() if found else ""
    matches = []
    if prefix:
        completer = rlcompleter.Completer(namespace)
        while True:
            match = completer.complete(prefix, len(matches))
            if match is None:
                break
            matches.append(match)
    return {
        "status": "ok",
        "matches": sorted({match.rstrip("( ") for match in matches}),
        "cursor_start": cursor - len(prefix),
        "cursor_end": cursor,
        "metadata": {},
    }


def inspect_name(namespace, code, cursor, detail_level):
    before = NAME_BEFORE.search(code[:cursor].rstrip("("))
    after = NAME_AFTER.match(code[cursor:]).group()
    name = (before.group() if before else "") + after
    reply = {"status": "ok", "found": False, "data": {}, "metadata": {}}
    if not name:
        return reply
    try:
        value = eval(name, namespace)
    except Exception:
        return reply
    reply["found"] = True
    reply["data"] = {"text/plain": _describe(value, detail_level)}
    return reply


def _describe(value, detail_level):
    lines = []
    try:
        lines.append("Signature: %s%s" % (getattr(value, "__name__", ""), inspect.signature(value)))
    except (TypeError, ValueError):
        lines.append("String form: " + repr(value)[:500])
    lines.append("Type: " + type(value).__name__)
    try:
        if detail_level > 0:
            lines.append("Source:\n" + inspect.getsource(value))
    except (OSError, TypeError):
        pass
    lines.append("Docstring: " + (inspect.getdoc(value) or "<no docstring>"))
    return "\n".join(lines)
