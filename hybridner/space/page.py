"""The page: which event calls what, and how it is launched. Its components are in `components`, what they call in `handlers`."""

from __future__ import annotations

from importlib import resources
from typing import Any

import gradio as gr
from gradio.events import api

from hybridner.display import editor_assets
from hybridner.space.components import Components, component_texts, lay_out, model_settings
from hybridner.space.examples import MOST
from hybridner.space.handlers import Handlers
from hybridner.space.models import Models
from hybridner.space.proxy_warning import ProxyWarning
from hybridner.space.request_checks import EXCEPTION_HANDLERS, CheckedBlocks
from hybridner.space.review_store import ReviewStore
from hybridner.space.routes import page_routes
from hybridner.space.texts import preferred_language

_FONTS = ("Noto Sans SC", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "system-ui", "sans-serif")
#: In the order in which they need each other, after the spans editor's.
_SCRIPTS = ("core", "panel", "table", "exports", "result", "queue_storage", "queue", "page")
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


def build(models: Models, store: ReviewStore | None = None) -> gr.Blocks:
    """The page, ready to be launched with `launch_settings`."""
    limits = models.first.limits
    # The full width from the beginning, so that nothing moves when the style sheet has come.
    page = CheckedBlocks(title="hybridner", fill_width=True, analytics_enabled=False, delete_cache=(600, limits.session_seconds))
    with page:
        handlers = Handlers(models, store)
        # First, for its name. Documented under /?view=api and open to gradio_client; the page's own events are not.
        api(handlers.api_analyze, api_name="analyze", concurrency_id="local", concurrency_limit=limits.local_workers)
        part = lay_out(models, handlers.first_result())
        _connect_analysis(part, handlers)
        _connect_file(part, handlers)
        _connect_choices(page, part, handlers)
    page.queue(max_size=limits.queue)
    return page


def _some(part: Components, names: str) -> list[Any]:
    return [part[name] for name in names.split()]


#: What is shown of a result, and what `Handlers.show` makes it of.
_SHOWN = "result preview changes"
_SHOWN_FROM = "analyzed threshold by_label llm_model kept language"
_OPTIONS = "model strategy decoding uncertainty threshold by_label"
_SETTINGS = f"{_OPTIONS} use_llm llm_model kept language"


def _connect_analysis(part: Components, handlers: Handlers) -> None:
    """The local model has its own queue, waiting for LLMs another; the slider waits in none."""
    limits = handlers.limits
    result = _some(part, f"analyzed message {_SHOWN}")
    # The handlers check what they are given themselves, in the visitor's language.
    local = {
        "concurrency_id": "local",
        "concurrency_limit": limits.local_workers,
        "api_visibility": "private",
        "preprocess": False,
        "show_progress_on": [part["message"]],
    }
    filled = [
        part[f"example_{number}"].click(
            lambda model, number=number: handlers.example(model, number), part["model"], part["text"], **_AT_ONCE
        )
        for number in range(MOST)
    ]
    # A visitor may move a control while a model reads, and one reading may overtake another.
    caught_up = (handlers.catch_up, _some(part, f"analyzed {_SETTINGS}"), result)
    for requested in (part["analyze"].click, part["text"].submit, *(example.then for example in filled)):
        analyzed = requested(handlers.analyze, _some(part, f"text {_SETTINGS}"), result, **local)
        analyzed.then(*caught_up, preprocess=False, **_AT_ONCE)
        analyzed.then(
            handlers.run_llm,
            _some(part, "text analyzed use_llm threshold by_label endpoint llm_model key extra kept language"),
            [*result, part["kept"]],
            show_progress_on=[part["message"]],
            concurrency_id="llm",
            concurrency_limit=limits.llm_workers,
            api_visibility="private",
            preprocess=False,
        ).then(*caught_up, preprocess=False, **_AT_ONCE)
    gr.on(
        [part[name].input for name in ("strategy", "decoding", "uncertainty")],
        handlers.analyze_again,
        _some(part, f"analyzed {_SETTINGS}"),
        result,
        trigger_mode="always_last",
        **local,
    ).then(*caught_up, preprocess=False, **_AT_ONCE)
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


def _connect_file(part: Components, handlers: Handlers) -> None:
    part["analyze_file"].click(
        handlers.analyze_file,
        _some(part, f"file {_OPTIONS} language"),
        _some(part, "file_result queue"),
        show_progress_on=[part["file_result"]],
        concurrency_id="files",
        concurrency_limit=1,
        api_visibility="private",
        preprocess=False,
    )


def _connect_choices(page: gr.Blocks, part: Components, handlers: Handlers) -> None:
    """Another language, another model, and what a link restores."""
    models = handlers.models
    translated = list(component_texts(models.first, None))
    result = _some(part, f"analyzed message {_SHOWN}")

    def texts_of(model: object, language: object) -> list[Any]:
        now = component_texts(models.get(model), language)
        return [gr.update(**now[name]) for name in translated]

    def set_model(model: object, language: object) -> list[Any]:
        own = model_settings(models.get(model))
        now = component_texts(models.get(model), language)
        return [gr.update(**now[name], **own.get(name, {})) for name in translated]

    def arrive(link: object, request: gr.Request) -> list[Any]:
        """Text and settings of a link that a visitor comes by, the link itself, and the language of the browser."""
        language = preferred_language(request.headers.get("accept-language"))
        restored = handlers.restore(link)
        if not restored:
            return [*[gr.skip()] * len(translated), None, language]
        analyzer = models.get(restored["model"])
        now, own = component_texts(analyzer, language), model_settings(analyzer)
        given = {name: {"value": value} for name, value in restored.items()}
        updates = [gr.update(**{**now[name], **own.get(name, {}), **given.get(name, {})}) for name in translated]
        return [*updates, link, language]

    # Notes tell what has just happened; they are not told again in the other language.
    outputs = [*(part[name] for name in translated), part["message"]]
    part["language"].change(
        lambda model, language: [*texts_of(model, language), ""], _some(part, "model language"), outputs, **_AT_ONCE
    ).then(handlers.show, _some(part, _SHOWN_FROM), _some(part, _SHOWN), preprocess=False, **_AT_ONCE)
    part["model"].input(set_model, _some(part, "model language"), [part[name] for name in translated], **_AT_ONCE).then(
        handlers.analyze, _some(part, f"text {_SETTINGS}"), result, preprocess=False, **_AT_ONCE
    )
    page.load(
        arrive,
        part["link"],
        [*(part[name] for name in translated), part["link"], part["language"]],
        js="() => hybridner.exports.readLink()",
        **_AT_ONCE,
    ).then(handlers.analyze_link, _some(part, f"link text {_SETTINGS}"), result, preprocess=False, **_AT_ONCE)


def launch_settings(models: Models, store: ReviewStore | None = None) -> dict[str, Any]:
    """Arguments of `launch` that belong to the page."""
    assets = resources.files("hybridner.space") / "assets"
    editor_script, editor_style = editor_assets()
    scripts = "\n".join([editor_script, *(assets.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)])
    analyzer = models.first
    theme = gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=_FONTS, font_mono=("ui-monospace", "monospace"))
    return {
        "theme": theme.set(**_READABLE),
        "css": assets.joinpath("page.css").read_text(encoding="utf-8"),
        "head": f"<style>{editor_style}</style><script>{scripts}</script>",
        "footer_links": ["api"],  # Hidden: the page has a foot of its own, in its own language, that opens the same.
        # A history of runs would keep the LLM's key in the browser's storage.
        "run_history": False,
        "max_file_size": analyzer.limits.file_bytes,
        "state_session_capacity": analyzer.limits.sessions,
        "show_error": True,
        # gradio would look whether it reaches itself, and give up where the computer is too busy to answer within three seconds.
        "_frontend": False,
        "app_kwargs": {
            "routes": page_routes(models, store),
            "middleware": [ProxyWarning.as_middleware(is_public=analyzer.llm_hosts is not None)],
            "exception_handlers": EXCEPTION_HANDLERS,
        },
    }
