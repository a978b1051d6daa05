"""The components of the page, and what each says in a language."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from hybridner.ensemble import UNCERTAINTIES
from hybridner.space.analyzer import DEFAULT_LLM, Analyzer
from hybridner.space.examples import EXAMPLES
from hybridner.space.fragments import escape, small_print
from hybridner.space.label_display import LabelDisplay
from hybridner.space.texts import DEFAULT_LANGUAGE, PageTexts, page_texts
from hybridner.spans import RESOLVERS

#: Components by name; their elements on the page have the same names, with hyphens.
Components = dict[str, Any]

#: An example of further fields of a request.
_NO_THINKING = '{"thinking": {"type": "disabled"}}'


def component_texts(analyzer: Analyzer, language: object) -> dict[str, dict[str, Any]]:
    """What each component says in a language, as arguments of its constructor."""
    texts, limits = page_texts(language), analyzer.limits
    labels = LabelDisplay(analyzer.labels, texts)
    file_info = texts(
        "file.info",
        texts=f"{limits.file_texts:,}",
        characters=f"{limits.file_characters:,}",
        megabytes=f"{limits.file_bytes / 1e6:g}",
    )
    strategies = [(texts(f"strategies.{name}"), name) for name in analyzer.strategies]
    decodings = [(texts(f"decodings.{name}"), name) for name in RESOLVERS]
    uncertainties = [(texts(f"uncertainties.{name}"), name) for name in UNCERTAINTIES]
    review_info = small_print(texts("review.info")) + small_print(texts("review.types")) + labels.all_types()
    return {
        "head": {"value": _head(texts)},
        "about": {"value": labels.about(analyzer.members)},
        "foot": {"value": _foot(texts)},
        "text_tab": {"label": texts("tabs.text")},
        "file_tab": {"label": texts("tabs.file")},
        "text": {
            "label": texts("input.text"),
            "placeholder": texts("input.text_placeholder", limit=f"{limits.characters:,}"),
        },
        "examples_title": {"value": small_print(texts("input.examples"))},
        **{f"example_{name}": {"value": texts(f"examples.{name}")} for name in EXAMPLES},
        "analyze": {"value": texts("input.analyze")},
        "threshold": {"label": texts("settings.threshold"), "info": texts("settings.threshold_info")},
        "by_label": {"label": texts("settings.threshold_by_label"), "info": texts("settings.threshold_by_label_info")},
        "strategy": {"label": texts("settings.strategy"), "info": texts("settings.strategy_info"), "choices": strategies},
        "decoding": {"label": texts("settings.decoding"), "choices": decodings},
        "uncertainty": {"label": texts("settings.uncertainty"), "choices": uncertainties},
        "llm": {"label": texts("llm.title")},
        "use_llm": {"label": texts("llm.use"), "info": texts("llm.use_info")},
        "endpoint": {"label": texts("llm.endpoint")},
        "llm_model": {"label": texts("llm.model")},
        "key": {"label": texts("llm.key"), "info": texts("llm.key_info")},
        "extra": {"label": texts("llm.extra"), "info": texts("llm.extra_info")},
        "file": {"label": texts("file.upload")},
        "file_info": {"value": small_print(file_info)},
        "analyze_file": {"value": texts("file.analyze")},
        "download": {"label": texts("file.download")},
        "review": {"label": texts("review.title")},
        "review_info": {"value": review_info},
        "review_complete": {"label": texts("review.complete")},
        "review_save": {"value": texts("review.keep")},
        "review_download": {"label": texts("review.download")},
    }


def _head(texts: PageTexts) -> str:
    """Title and subtitle; with them what the page's script needs to know of the language."""
    own_words = escape(json.dumps(texts.group("gradio"), ensure_ascii=False))
    return (
        f'<div class="hn-head" data-language="{texts.language}" data-own-words="{own_words}">'
        f"<h1>hybridner <span>{escape(texts('head.title'))}</span></h1><p>{escape(texts('head.subtitle'))}</p></div>"
    )


def _foot(texts: PageTexts) -> str:
    api, privacy = escape(texts("foot.api")), escape(texts("foot.privacy"))
    return f'<p class="hn-foot"><button type="button">{api}</button> · {privacy}</p>'


def lay_out(analyzer: Analyzer) -> Components:
    """All components of the page, in the default language; to be called inside the page's `Blocks`."""
    texts = component_texts(analyzer, DEFAULT_LANGUAGE)
    seconds = analyzer.limits.session_seconds
    part: Components = {name: gr.State(None, time_to_live=seconds) for name in ("analyzed", "reviews")}
    with gr.Row(elem_id="top"):
        part["head"] = gr.HTML(**texts["head"], elem_id="head")
        part["language"] = gr.Radio(
            [("中文", "zh"), ("English", "en")],
            value=DEFAULT_LANGUAGE,
            show_label=False,
            container=False,
            elem_id="language",
        )
    part["about"] = gr.HTML(**texts["about"], elem_id="about")
    with gr.Row():
        with gr.Column(scale=3, min_width=320), gr.Tabs():
            with gr.Tab(**texts["text_tab"], id="text") as part["text_tab"]:
                _lay_out_text(part, texts)
                _lay_out_result(part, texts, analyzer)
                _lay_out_review(part, texts)
            with gr.Tab(**texts["file_tab"], id="file") as part["file_tab"]:
                _lay_out_file(part, texts)
        with gr.Column(scale=1, min_width=280, elem_id="settings"):
            _lay_out_settings(part, texts, analyzer)
            _lay_out_llm(part, texts)
    part["foot"] = gr.HTML(**texts["foot"])
    return part


def _lay_out_text(part: Components, texts: dict[str, dict[str, Any]]) -> None:
    # No `max_length`: it would cut what is pasted without a word. Too long a text is told instead.
    part["text"] = gr.Textbox("", **texts["text"], lines=4, max_lines=14, elem_id="text")
    with gr.Row(elem_id="examples"):
        part["examples_title"] = gr.HTML(**texts["examples_title"], elem_id="examples-title")
        for name in EXAMPLES:
            key = f"example_{name}"
            part[key] = gr.Button(**texts[key], size="sm", min_width=0, elem_id=key.replace("_", "-"))
    part["analyze"] = gr.Button(**texts["analyze"], variant="primary", elem_id="analyze")
    part["message"] = gr.HTML(elem_id="message")


def _lay_out_result(part: Components, texts: dict[str, dict[str, Any]], analyzer: Analyzer) -> None:
    has_own = bool(analyzer.config.review_threshold.by_label)
    part["threshold"] = gr.Slider(
        0,
        1,
        analyzer.slider_start,
        step=0.01,
        **texts["threshold"],
        elem_id="threshold",
        buttons=[],
        interactive=not has_own,
    )
    part["by_label"] = gr.Checkbox(has_own, **texts["by_label"], visible=has_own, elem_id="by-label")
    part["preview"] = gr.HTML(elem_id="preview")
    nothing_yet = small_print(page_texts(DEFAULT_LANGUAGE)("input.nothing_yet"))
    part["marks"] = gr.HTML(nothing_yet, elem_id="marks")
    part["table"] = gr.HTML(elem_id="table")


def _lay_out_review(part: Components, texts: dict[str, dict[str, Any]]) -> None:
    with gr.Accordion(**texts["review"], open=False, elem_id="review") as part["review"]:
        part["review_info"] = gr.HTML(**texts["review_info"])
        part["review_rows"] = gr.Dataframe(
            headers=list(page_texts(DEFAULT_LANGUAGE).group("review_columns").values()),
            datatype=["number", "str", "str", "bool"],
            type="array",
            interactive=True,
            static_columns=[0],
            column_widths=["15%", "35%", "30%", "20%"],
            wrap=True,
            show_label=False,
            buttons=[],
            elem_id="review-rows",
        )
        part["review_complete"] = gr.Checkbox(**texts["review_complete"], elem_id="review-complete")
        with gr.Row():
            part["review_save"] = gr.Button(**texts["review_save"], variant="primary", elem_id="review-save")
            part["review_download"] = gr.DownloadButton(**texts["review_download"], interactive=False, elem_id="review-download")
        part["review_message"] = gr.HTML(elem_id="review-message")


def _lay_out_file(part: Components, texts: dict[str, dict[str, Any]]) -> None:
    # No `file_types`: gradio would refuse others in its own words; the page does it in the visitor's language.
    part["file"] = gr.File(**texts["file"], elem_id="file", height=150)
    part["file_info"] = gr.HTML(**texts["file_info"])
    part["analyze_file"] = gr.Button(**texts["analyze_file"], variant="primary", elem_id="analyze-file")
    part["file_result"] = gr.HTML(elem_id="file-result", min_height=90)
    part["download"] = gr.DownloadButton(**texts["download"], visible=False, elem_id="download")


def _lay_out_settings(part: Components, texts: dict[str, dict[str, Any]], analyzer: Analyzer) -> None:
    for name in ("strategy", "decoding", "uncertainty"):
        part[name] = gr.Radio(value=getattr(analyzer.config, name), **texts[name], elem_id=name)


def _lay_out_llm(part: Components, texts: dict[str, dict[str, Any]]) -> None:
    hidden = gr.InputHTMLAttributes(autocomplete="off", spellcheck=False)
    with gr.Accordion(**texts["llm"], open=False, elem_id="llm") as part["llm"]:
        part["use_llm"] = gr.Checkbox(**texts["use_llm"], elem_id="use-llm")
        part["endpoint"] = gr.Textbox("", **texts["endpoint"], placeholder="https://api.deepseek.com/v1", elem_id="endpoint")
        part["llm_model"] = gr.Textbox("", **texts["llm_model"], placeholder=DEFAULT_LLM, elem_id="llm-model")
        part["key"] = gr.Textbox("", **texts["key"], type="password", elem_id="key", html_attributes=hidden)
        part["extra"] = gr.Textbox("", **texts["extra"], placeholder=_NO_THINKING, elem_id="extra")
