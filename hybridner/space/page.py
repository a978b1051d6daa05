"""The page: which event calls what, and how it is launched. Its components are in `components`, what they call in `handlers`."""

from __future__ import annotations

from importlib import resources
from typing import Any

import gradio as gr
from gradio.events import api

from hybridner.space.analyzer import Analyzer
from hybridner.space.components import Components, component_texts, lay_out
from hybridner.space.examples import EXAMPLES
from hybridner.space.handlers import Handlers
from hybridner.space.proxy_warning import ProxyWarning
from hybridner.space.request_checks import EXCEPTION_HANDLERS, CheckedBlocks
from hybridner.space.texts import preferred_language

_FONTS = ("Noto Sans SC", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "system-ui", "sans-serif")
#: Where gradio's own colors are too faint to read (WCAG asks for a contrast of 4.5).
_READABLE = {
    "body_text_color_subdued": "*neutral_500",
    "block_info_text_color": "*neutral_500",
    "input_placeholder_color": "*neutral_600",
    "input_placeholder_color_dark": "*neutral_300",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_dark": "*primary_600",
    "button_primary_background_fill_hover_dark": "*primary_700",
}
#: Events that change what is shown and need no turn in a queue.
_AT_ONCE: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build(analyzer: Analyzer) -> gr.Blocks:
    """The page, ready to be launched with `launch_settings`."""
    limits = analyzer.limits
    page = CheckedBlocks(title="hybridner", analytics_enabled=False, delete_cache=(600, limits.session_seconds))
    with page:
        handlers = Handlers(analyzer)
        # First, for its name. Documented under /?view=api and open to gradio_client; the page's own events are not.
        api(handlers.api_analyze, api_name="analyze", concurrency_id="local", concurrency_limit=limits.local_workers)
        part = lay_out(analyzer)
        _connect_analysis(part, handlers)
        _connect_file(part, handlers)
        _connect_review(part, handlers)
        _connect_language(page, part, handlers)
    page.queue(max_size=limits.queue)
    return page


def _some(part: Components, names: str) -> list[Any]:
    return [part[name] for name in names.split()]


#: What is shown of a result, and what `Handlers.show` makes it of.
_SHOWN = "marks table preview"
_SHOWN_FROM = "analyzed threshold by_label llm_model language"
_OPTIONS = "strategy decoding uncertainty threshold by_label"


def _connect_analysis(part: Components, handlers: Handlers) -> None:
    """The local model has its own queue, waiting for LLMs another; the slider waits in none."""
    limits = handlers.analyzer.limits
    result = _some(part, f"analyzed message {_SHOWN}")
    # The handlers check what they are given themselves, in the visitor's language.
    local = {
        "concurrency_id": "local",
        "concurrency_limit": limits.local_workers,
        "api_visibility": "private",
        "preprocess": False,
        "show_progress_on": [part["marks"]],
    }
    review = {"fn": handlers.review_table, "inputs": _some(part, "analyzed language"), "outputs": part["review_rows"]}
    filled = [part[f"example_{name}"].click(_constant(text), None, part["text"], **_AT_ONCE) for name, text in EXAMPLES.items()]
    for requested in (part["analyze"].click, part["text"].submit, *(example.then for example in filled)):
        requested(handlers.analyze, _some(part, f"text {_OPTIONS} use_llm llm_model language"), result, **local).then(
            handlers.run_llm,
            _some(part, "analyzed use_llm threshold by_label endpoint llm_model key extra language"),
            result,
            show_progress_on=[part["message"]],
            concurrency_id="llm",
            concurrency_limit=limits.llm_workers,
            api_visibility="private",
            preprocess=False,
        ).then(**review, **_AT_ONCE)
    for name in ("strategy", "decoding", "uncertainty"):
        inputs = _some(part, f"analyzed {_OPTIONS} llm_model language")
        part[name].input(handlers.analyze_again, inputs, result, **local).then(**review, **_AT_ONCE)
    for name in ("threshold", "by_label", "llm_model"):
        part[name].change(
            handlers.show,
            _some(part, _SHOWN_FROM),
            _some(part, _SHOWN),
            trigger_mode="always_last",
            preprocess=False,
            **_AT_ONCE,
        )
    part["by_label"].change(lambda own: gr.update(interactive=not own), part["by_label"], part["threshold"], **_AT_ONCE)


def _constant(text: str) -> Any:
    return lambda: text


def _connect_file(part: Components, handlers: Handlers) -> None:
    result = _some(part, "file_result download")
    part["analyze_file"].click(lambda: ("", gr.update(value=None, visible=False)), None, result, **_AT_ONCE).then(
        handlers.analyze_file,
        _some(part, f"file {_OPTIONS} language"),
        result,
        show_progress_on=[part["file_result"]],
        concurrency_id="files",
        concurrency_limit=1,
        api_visibility="private",
        preprocess=False,
    )


def _connect_review(part: Components, handlers: Handlers) -> None:
    part["review_save"].click(
        handlers.save_review,
        _some(part, "analyzed review_rows review_complete reviews language"),
        _some(part, "reviews review_message review_download"),
        **_AT_ONCE,
    )


def _connect_language(page: gr.Blocks, part: Components, handlers: Handlers) -> None:
    translated = list(component_texts(handlers.analyzer, None))

    def set_language(language: object) -> list[Any]:
        now = component_texts(handlers.analyzer, language)
        return [*(gr.update(**now[name]) for name in translated), "", ""]

    def detect_language(request: gr.Request) -> str:
        return preferred_language(request.headers.get("accept-language"))

    # Notes tell what has just happened; they are not told again in the other language.
    outputs = [*(part[name] for name in translated), *_some(part, "message review_message")]
    part["language"].change(set_language, part["language"], outputs, **_AT_ONCE).then(
        handlers.show, _some(part, _SHOWN_FROM), _some(part, _SHOWN), preprocess=False, **_AT_ONCE
    ).then(handlers.translate_review, _some(part, "review_rows language"), part["review_rows"], **_AT_ONCE)
    page.load(detect_language, None, part["language"], **_AT_ONCE)


def launch_settings(analyzer: Analyzer) -> dict[str, Any]:
    """Arguments of `launch` that belong to the page."""
    assets = resources.files("hybridner.space") / "assets"
    theme = gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=_FONTS, font_mono=("ui-monospace", "monospace"))
    return {
        "theme": theme.set(**_READABLE),
        "css": assets.joinpath("page.css").read_text(encoding="utf-8"),
        "head": f"<script>{assets.joinpath('page.js').read_text(encoding='utf-8')}</script>",
        "footer_links": ["api"],  # Hidden: the page has a foot of its own, in its own language, that opens the same.
        # A history of runs would keep the LLM's key in the browser's storage.
        "run_history": False,
        "max_file_size": analyzer.limits.file_bytes,
        "state_session_capacity": analyzer.limits.sessions,
        "show_error": True,
        "app_kwargs": {
            "middleware": [ProxyWarning.as_middleware(is_public=analyzer.llm_hosts is not None)],
            "exception_handlers": EXCEPTION_HANDLERS,
        },
    }
