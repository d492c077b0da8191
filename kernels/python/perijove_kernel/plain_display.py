"""Rich outputs without IPython: the methods _repr_*_ of objects, and matplotlib's figures."""

import io
import os
import sys

METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
    "_repr_javascript_": "application/javascript",
    "_repr_pdf_": "application/pdf",
}


def bundle(value):
    """(data, metadata) by MIME type. A method that fails, or returns None, adds nothing."""
    data, metadata = {}, {}
    if isinstance(value, type):
        return {"text/plain": repr(value)}, metadata
    whole = _call(value, "_repr_mimebundle_", include=None, exclude=None)
    if isinstance(whole, tuple):
        whole, metadata = whole
    if isinstance(whole, dict):
        data.update(whole)
    else:
        for method, mime in METHODS.items():
            part = _call(value, method)
            if isinstance(part, tuple):
                part, metadata[mime] = part
            if part is not None:
                data[mime] = part
    data.setdefault("text/plain", repr(value))
    return data, metadata


def _call(value, method, **arguments):
    function = getattr(value, method, None)
    if not callable(function):
        return None
    try:
        return function(**arguments)
    except Exception:
        return None


class Display:
    """display(object, ...), as IPython has it."""

    def __init__(self, publisher):
        self._publisher = publisher

    def __call__(self, *objects, raw=False, display_id=None, metadata=None, update=False, **others):
        if display_id is True:
            display_id = os.urandom(16).hex()
        for value in objects:
            data, details = (value, {}) if raw else bundle(value)
            self._publisher.publish(
                "update_display_data" if update else "display_data",
                {
                    "data": data,
                    "metadata": dict(details, **(metadata or {})),
                    "transient": {"display_id": display_id} if display_id else {},
                },
            )

    def clear(self, wait=False):
        self._publisher.publish("clear_output", {"wait": wait})

    def show_figures(self):
        """Shows and closes the figures that a cell has drawn."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None or not hasattr(pyplot, "get_fignums"):
            return
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            image = io.BytesIO()
            figure.savefig(image, format="png", bbox_inches="tight")
            self._publisher.publish(
                "display_data",
                {
                    "data": {"image/png": image.getvalue(), "text/plain": repr(figure)},
                    "metadata": {},
                    "transient": {},
                },
            )
            pyplot.close(figure)
