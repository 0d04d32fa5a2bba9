"""`tsugiki export`: writes a model in a format of another runtime."""

from __future__ import annotations

from typing import Annotated

import typer

from ..output_path import check_output_path
from .options import Json, ModelName, Overwrite
from .output import format_bytes, note, only_results_on_stdout, print_json


def command(
    name: ModelName,
    onnx: Annotated[str, typer.Option("--onnx", metavar="FILE", help="The file to write.", show_default=False)],
    check: Annotated[
        bool | None,
        typer.Option(
            "--check/--no-check",
            help="Run the file with onnxruntime on other rows, lengths, sizes and padding; torch must agree.  "
            "[default: where onnxruntime is installed]",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Export a model to ONNX.

    The graph goes from the prepared input to the logits, for any number of rows and, where the network takes them,
    texts of any length and pictures of any size. What cannot be exported rightly is refused, and no file is left. Needs
    `pip install 'tsugiki[onnx]'`.

    Example:
        tsugiki export lenet5-mnist --onnx lenet5.onnx
    """
    check_output_path(onnx, (), reads=[name], overwrite=overwrite)
    with only_results_on_stdout():
        from ..export.export_onnx import export_onnx

        export = export_onnx(name, onnx, check=check, overwrite=overwrite)
    if json:
        print_json(
            {
                "path": str(export.path),
                "size_bytes": export.size_bytes,
                "inputs": export.inputs,
                "outputs": export.outputs,
                "opset": export.opset,
                "free_axes": list(export.free_axes),
                "unused": list(export.unused),
                "trials": export.trials,
                "max_difference": export.max_difference,
            }
        )
        return
    print(
        f"{export.path}  {format_bytes(export.size_bytes)}  {', '.join(export.inputs)} -> {', '.join(export.outputs)}"
    )
    if export.unused:
        print(f"exported without {', '.join(export.unused)}, of which the network makes no use")
    if export.max_difference is not None:
        print(f"largest difference to torch: {export.max_difference:.1e}, over {export.trials} kinds of batches")
    else:
        note("not compared with torch: --check does, with onnxruntime")
