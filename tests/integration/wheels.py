"""Packages of the tests' own, for pip to install without an index."""

import base64
import hashlib
import io
import zipfile


def environment(directory):
    """Has pip look there and nowhere else; relative to the kernel's directory, it may be."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(directory), "PIP_NO_CACHE_DIR": "1"}


def write_wheel(directory, name, version):
    """A wheel with one module that knows its version."""
    info = f"{name}-{version}.dist-info"
    files = {f"{name}.py": f"VERSION = '{version}'\n",
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
                              "Tag: py3-none-any\n"}
    record = io.StringIO()
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.write(f"{path},sha256={digest},{len(text)}\n")
    record.write(f"{info}/RECORD,,\n")
    files[f"{info}/RECORD"] = record.getvalue()
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
