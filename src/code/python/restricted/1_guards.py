"""Runs a small part of Python: arithmetic, containers, functions, print. No imports, no files, no
attributes that begin with an underscore.

Advisory: this keeps honest code, and most of what a model writes by mistake, within its bounds. It
is not a boundary: the interpreter around it is whole, and such checkers have been got around
before. The caller runs it in a process of its own, without privileges, and ends that process when
its time is up; the limits set here are a second line.

The rules of RestrictedPython, without needing it: the code is checked and rewritten as a syntax
tree so that every attribute, item, iteration, unpacking and write goes through a guard, and a guard
lets only exact built-in data types pass: an object that cannot lie needs no inspection.

stdin   {"code": "..."} or {"expression": "..."} (a calculator: the functions of math are there)
        and "variables": {name: JSON value}, "output_max": 10000, "memory_mb": 256, "timeout": 5,
        "result_fd": a descriptor for the answer, instead of standard output
answer  {"success": bool, "output": what was printed, "error": null or "Type: message",
         "line": N or null, "isolation": "advisory"}
        Code that is refused is not run: "output" then has the reasons, one a line.
"""

import ast
import json
import math
import operator
import os
import re
import sys
import types
import warnings

REQUEST_BYTES_MAX = 16 << 20
CODE_CHARS_MAX = 100_000
BITS_MAX = 1_000_000  # of the result of a power or shift

DATA = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    list,
    tuple,
    dict,
    set,
    frozenset,
    range,
    slice,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
# What may be gone through: data, and the iterators that the permitted functions return.
ITERABLE = (
    str,
    bytes,
    list,
    tuple,
    dict,
    set,
    frozenset,
    range,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
    types.GeneratorType,
    type(reversed([])),
    enumerate,
    zip,
    map,
    filter,
)
ITEMS_READ = (str, bytes, list, tuple, dict, range)
ITEMS_WRITTEN = (list, dict)
# Classes whose functions may be named: str.join, dict.fromkeys.
CLASSES = (str, int, float, complex, bool, list, dict, set, frozenset, tuple, bytes)
# Both read attributes that are named inside a string.
FORMATTERS = ("format", "format_map")

EXCEPTIONS = (
    Exception,
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    LookupError,
    NameError,
    OverflowError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    ZeroDivisionError,
)
BUILTINS = (len, sum, max, min, abs, round, sorted, list, dict, set, str, int, float)


# What the rewritten code calls.


def kind(value):
    return type(value).__name__


def guarded_attribute(value, name):
    cls = type(value)
    if name.startswith("_"):
        raise AttributeError(f"'{name}' is an invalid attribute name because it starts with '_'")
    if name in FORMATTERS and (cls is str or value is str):
        raise AttributeError(f"str.{name} is not safe; use an f-string")
    if (
        any(value is each for each in CLASSES)
        and name != "mro"
        or any(cls is each for each in DATA)
    ):
        return getattr(value, name)
    if issubclass(cls, BaseException) and name == "args":
        return value.args
    raise AttributeError(f"attribute '{name}' of '{kind(value)}' is not available")


def guarded_iterator(value):
    if not any(type(value) is each for each in ITERABLE):
        raise TypeError(f"'{kind(value)}' object is not iterable")
    return value


def guarded_mapping(value):
    if type(value) is not dict:
        raise TypeError(f"argument after ** must be a dict, not {kind(value)}")
    return value


def guarded_item(value, index):
    if not any(type(value) is each for each in ITEMS_READ):
        raise TypeError(f"'{kind(value)}' object is not subscriptable")
    return value[index]


def guarded_write(value):
    if not any(type(value) is each for each in ITEMS_WRITTEN):
        raise TypeError(f"'{kind(value)}' object does not support item assignment")
    return value


def guarded_item_in_place(name, value, index, operand):
    """`value[index] += operand`, with each part computed once."""
    guarded_write(value)[index] = guarded_binary(name, guarded_item(value, index), operand)


def guarded_binary(name, left, right):
    """Every operator with operands that may grow beyond all bounds, and all in-place ones."""
    if name in ("pow", "ipow") and isinstance(left, int) and isinstance(right, int):
        if right > 0 and left.bit_length() * right > BITS_MAX:
            raise OverflowError("the result of the power is too large")
    if name in ("lshift", "ilshift") and isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right > BITS_MAX:
            raise OverflowError("the result of the shift is too large")
    if name == "iadd" and type(left) is list:
        guarded_iterator(right)
    return getattr(operator, name)(left, right)


def guarded_unpack(value, shape):
    """`value` as nested tuples of `shape`: None is a value, "*" the rest, a tuple unpacks again."""
    values = list(guarded_iterator(value))
    if "*" in shape:
        before = shape.index("*")
        after = len(shape) - before - 1
        if len(values) < before + after:
            raise ValueError(
                f"not enough values to unpack (expected at least {before + after}, "
                f"got {len(values)})"
            )
        shape = shape[:before] + (None,) * (len(values) - before - after) + shape[before + 1 :]
    elif len(values) < len(shape):
        raise ValueError(f"not enough values to unpack (expected {len(shape)}, got {len(values)})")
    elif len(values) > len(shape):
        raise ValueError(f"too many values to unpack (expected {len(shape)})")
    return tuple(
        each if part is None else guarded_unpack(each, part) for each, part in zip(values, shape)
    )


def guarded_unpacking(values, shape):
    for each in guarded_iterator(values):
        yield guarded_unpack(each, shape)


GUARDS = {
    "_getattr_": guarded_attribute,
    "_getiter_": guarded_iterator,
    "_getmap_": guarded_mapping,
    "_getitem_": guarded_item,
    "_write_": guarded_write,
    "_binary_": guarded_binary,
    "_inplaceitem_": guarded_item_in_place,
    "_unpack_": guarded_unpack,
    "_iterunpack_": guarded_unpacking,
}
