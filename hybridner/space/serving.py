"""Serving the page, for the command `hybridner space` and for a Space."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hybridner.bundled import BUNDLED
from hybridner.errors import ModelError
from hybridner.hybrid.loading import load_composite
from hybridner.optional import require
from hybridner.pipeline import HybridNerPipeline
from hybridner.space.analyzer import Analyzer
from hybridner.space.llm_hosts import allowed_hosts

#: Names the model where no option does.
MODEL_VARIABLE = "HYBRIDNER_MODEL"


def serve(
    model: str | None,
    host: str,
    port: int | None = None,
    *,
    public: bool = False,
    llm_hosts: Sequence[str] = (),
    device: str | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        model: folder or Hub id; None for what HYBRIDNER_MODEL says, or the bundled one.
        host, port: where to listen; without a port the first free one from 7860.
        public: whether others reach the page although it listens on this computer's own address, as behind a proxy.
        llm_hosts: LLM servers that visitors may use beside the well-known ones.
        device: where the model runs.

    Raises:
        ModelError: a model that cannot be loaded, an address that is taken, or an LLM server that no public page may use.
        MissingPackageError: gradio is missing.
    """
    source = model or os.environ.get(MODEL_VARIABLE) or BUNDLED
    require("gradio", "space")
    from hybridner.space.page import build, launch_settings

    hosts = allowed_hosts(host, llm_hosts, public=public)
    analyzer = Analyzer(HybridNerPipeline(load_composite(source), device=device), llm_hosts=hosts)
    try:
        build(analyzer).launch(server_name=host, server_port=port, **launch_settings(analyzer))
    except OSError as error:
        raise ModelError(f"cannot listen on {host}, port {port or '7860 and up'}: {error}") from error
