"""Serving the page, for the command `hybridner space` and for a Space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hybridner.bundled import BUNDLED, BUNDLED_FOLDER
from hybridner.errors import ModelError
from hybridner.hybrid.loading import load_composite
from hybridner.optional import require
from hybridner.pipeline import HybridNerPipeline
from hybridner.space.analyzer import Analyzer
from hybridner.space.examples import read_card
from hybridner.space.llm_hosts import allowed_hosts
from hybridner.space.models import Models, model_names
from hybridner.space.review_store import ReviewStore

#: Names the model where no option does.
MODEL_VARIABLE = "HYBRIDNER_MODEL"


def serve(
    sources: Sequence[str],
    host: str,
    port: int | None = None,
    *,
    public: bool = False,
    llm_hosts: Sequence[str] = (),
    save: str | None = None,
    device: str | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        sources: folders or Hub ids of the models that visitors choose from, the first shown on arrival; none for what
            HYBRIDNER_MODEL says (several as in PATH), or the bundled one.
        host, port: where to listen; without a port the first free one from 7860.
        public: whether others reach the page although it listens on this computer's own address, as behind a proxy.
        llm_hosts: LLM servers that visitors may use beside the well-known ones.
        save: folder in which reviews of queues are kept; without it only in visitors' browsers.
        device: where the models run.

    Raises:
        ModelError: a model that cannot be loaded, an address that is taken, or an LLM server that no public page may use.
        MissingPackageError: gradio is missing.
    """
    sources = sources or [name for name in os.environ.get(MODEL_VARIABLE, "").split(os.pathsep) if name] or [BUNDLED]
    require("gradio", "space")
    from hybridner.space.page import build, launch_settings

    hosts = allowed_hosts(host, llm_hosts, public=public)
    models = Models(
        [
            Analyzer(
                HybridNerPipeline(load_composite(source), device=device),
                llm_hosts=hosts,
                name=name,
                card=read_card(str(BUNDLED_FOLDER) if source == BUNDLED else source),
            )
            for source, name in zip(sources, model_names(sources), strict=True)
        ]
    )
    store = ReviewStore(Path(save)) if save else None
    try:
        build(models, store).launch(server_name=host, server_port=port, **launch_settings(models, store))
    except OSError as error:
        raise ModelError(f"cannot listen on {host}, port {port or '7860 and up'}: {error}") from error
