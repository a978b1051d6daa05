"""Models as ONNX graphs for onnxruntime on the CPU, in single precision or with 8-bit weights."""

from hybridner.export.configuration_onnx import OnnxHybridNerConfig
from hybridner.export.modeling_onnx import GRAPH_FILE, OnnxHybridNerModel, as_onnx, export_onnx
from hybridner.registration import register_model

register_model(OnnxHybridNerModel)

__all__ = ["GRAPH_FILE", "OnnxHybridNerConfig", "OnnxHybridNerModel", "as_onnx", "export_onnx"]
