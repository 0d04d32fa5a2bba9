"""`tsugiki export-detector`: a detector as an ONNX file that gives boxes, suppression included."""

from __future__ import annotations

from typing import Annotated

import typer
from tsugiki.cli.options import Json, ModelName, Overwrite
from tsugiki.cli.output import format_bytes, note, only_results_on_stdout, print_json
from tsugiki.output_path import check_output_path


def command(
    name: ModelName,
    onnx: Annotated[str, typer.Option("--onnx", metavar="FILE", help="The file to write.", show_default=False)],
    max_detections: Annotated[
        int, typer.Option("--max-detections", min=1, help="Boxes of one class in one picture, at most.")
    ] = 100,
    check: Annotated[
        bool | None,
        typer.Option(
            "--check/--no-check",
            help="Run the file with onnxruntime on one and on three pictures; torch must agree.  "
            "[default: where onnxruntime is installed]",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Export a detector to ONNX with its post-processing.

    The graph goes from any number of prepared pictures to boxes (corners, in fractions of the frame), scores, classes
    and the number of each box's picture: non-maximum suppression is part of it, and its thresholds are inputs that may
    be left out. `tsugiki export` writes the network alone. Needs `pip install 'tsugiki[onnx]'`.

    Example:
        tsugiki export-detector yolo-bccd --onnx cells.onnx
    """
    check_output_path(onnx, (), reads=[name], overwrite=overwrite)
    with only_results_on_stdout():
        from .onnx_detector import INPUTS, OPSET, OUTPUTS, export_detector

        export = export_detector(name, onnx, max_detections=max_detections, check=check, overwrite=overwrite)
    if json:
        facts = {**vars(export), "path": str(export.path), "frame": list(export.frame)}
        print_json({**facts, "inputs": list(INPUTS), "outputs": list(OUTPUTS), "opset": OPSET})
        return
    print(f"{export.path}  {format_bytes(export.size_bytes)}  {', '.join(INPUTS)} -> {', '.join(OUTPUTS)}")
    print(f"score_threshold {export.score_threshold:g} and iou_threshold {export.iou_threshold:g} where none are given")
    if export.max_difference is not None:
        print(f"largest difference to torch: {export.max_difference:.1e}")
    else:
        note("not compared with torch: --check does, with onnxruntime")
