"""The kernelspecs that every server under test is given, whatever else the machine has."""

import json
import pathlib

import places


def _specs():
    python = {"language": "python", "metadata": {"debugger": True}}
    launcher = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specs = {
        # Named as everywhere, so that clients which insist on python3 are content.
        "python3": dict(
            python,
            display_name="Python 3 (Debian's ipykernel)",
            argv=[places.DEBIAN_PYTHON, *launcher],
        ),
        "unstartable": {
            "language": "none",
            "display_name": "Ends at once, with words",
            "argv": ["/bin/sh", "-c", "echo no such luck >&2; exit 3", "{connection_file}"],
        },
    }
    specs["slow"] = dict(
        specs["python3"],
        display_name="Python 3 after a while",
        argv=["/bin/sh", "-c", 'sleep 3; exec "$@"', "sh", *specs["python3"]["argv"]],
    )
    current = places.cache() / "jupyter" / "bin" / "python"
    if current.exists():
        specs["python-current"] = dict(
            python, display_name="Python 3 (current ipykernel)", argv=[str(current), *launcher]
        )
    return specs


def write(directory):
    """Writes the kernelspecs below `directory`, which then belongs into JUPYTER_PATH."""
    kernels = pathlib.Path(directory) / "kernels"
    for name, spec in _specs().items():
        (kernels / name).mkdir(parents=True)
        (kernels / name / "kernel.json").write_text(json.dumps(spec))
    # One broken file must hide none of the others.
    (kernels / "broken").mkdir()
    (kernels / "broken" / "kernel.json").write_text('{"argv": [')
