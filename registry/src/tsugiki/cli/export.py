"""`tsugiki export`: writes a model in a format of another runtime."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, ModelName
from .output import format_bytes, only_results_on_stdout, print_json


def command(
    name: ModelName,
    onnx: Annotated[str, typer.Option("--onnx", metavar="FILE", help="The file to write.", show_default=False)],
    check: Annotated[
        bool, typer.Option("--check", help="Run the file with onnxruntime and compare with torch.")
    ] = False,
    json: Json = False,
) -> None:
    """Export a model to ONNX.

    The graph goes from the prepared input to the logits, with a free batch size. Needs `pip install 'tsugiki[onnx]'`.

    Example:
        tsugiki export lenet5-mnist --onnx lenet5.onnx --check
    """
    with only_results_on_stdout():
        from ..export.export_onnx import export_onnx

        export = export_onnx(name, onnx, check=check)
    if json:
        print_json(
            {
                "path": str(export.path),
                "size_bytes": export.size_bytes,
                "inputs": export.inputs,
                "outputs": export.outputs,
                "max_difference": export.max_difference,
            }
        )
        return
    print(
        f"{export.path}  {format_bytes(export.size_bytes)}  {', '.join(export.inputs)} -> {', '.join(export.outputs)}"
    )
    if export.max_difference is not None:
        print(f"largest difference to torch: {export.max_difference:.1e}")
