"""execute_notebook.py nbclient|nbconvert KERNEL URL SOURCE TARGET: executes a notebook on a gateway.

Runs in the Python of the server in front, with that release's GatewayKernelManager.
"""

import sys

import nbformat
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import GatewayKernelManager

how, kernel, url, source, target = sys.argv[1:]

client = GatewayClient.instance()
client.url = url

notebook = nbformat.read(source, as_version=4)
if how == "nbclient":
    from nbclient import NotebookClient

    NotebookClient(
        notebook, timeout=60, kernel_name=kernel, kernel_manager_class=GatewayKernelManager
    ).execute()
else:
    from nbconvert.preprocessors import ExecutePreprocessor

    processor = ExecutePreprocessor(
        timeout=60, kernel_name=kernel, kernel_manager_class=GatewayKernelManager
    )
    processor.preprocess(notebook, {"metadata": {"path": "."}})
nbformat.write(notebook, target)
