"""Configuration of a composite whose encoders and heads are an ONNX graph."""

from __future__ import annotations

from hybridner.errors import ModelError
from hybridner.hybrid import HybridNerConfig

#: What the graph's weights are: single precision, or 8-bit integers with activations quantised as they come.
PRECISIONS = ("fp32", "int8")


class OnnxHybridNerConfig(HybridNerConfig):
    """A composite's configuration, and what its graph is.

    Args:
        precision: "fp32" or "int8".
        parameters: number of weights of each member in the graph; those of encoders that several share stand under "".
    """

    model_type = "hybrid-ner-onnx"

    precision: str = "fp32"
    parameters: dict[str, int] | None = None

    def __post_init__(self, **kwargs: object) -> None:
        if self.precision not in PRECISIONS:
            raise ModelError(f"precision must be one of {', '.join(PRECISIONS)}; got {self.precision!r}")
        super().__post_init__(**kwargs)
