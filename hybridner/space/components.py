"""The components of the page, and what each says in a language about a model."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from hybridner.display import escape
from hybridner.ensemble import UNCERTAINTIES
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.analyzer import DEFAULT_LLM, Analyzer
from hybridner.space.examples import MOST, example_title
from hybridner.space.fragments import small_print
from hybridner.space.label_display import LabelDisplay
from hybridner.space.models import Models
from hybridner.space.texts import DEFAULT_LANGUAGE, PageTexts, page_texts
from hybridner.spans import RESOLVERS

#: Components by name; their elements on the page have the same names, with hyphens.
Components = dict[str, Any]

#: An example of further fields of a request.
_NO_THINKING = '{"thinking": {"type": "disabled"}}'
_Texts = dict[str, dict[str, Any]]


def component_texts(analyzer: Analyzer, language: object) -> _Texts:
    """What each component says in a language about a model, as arguments of its constructor."""
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
    examples = [*analyzer.examples, *[""] * (MOST - len(analyzer.examples))]
    return {
        "head": {"value": _head(texts)},
        "model": {"label": texts("models.choose")},
        "about": {"value": labels.about(analyzer.members)},
        "card": {"label": texts("models.card"), "visible": bool(analyzer.card)},
        "card_text": {"value": analyzer.card},
        "foot": {"value": _foot(texts)},
        "text_tab": {"label": texts("tabs.text")},
        "file_tab": {"label": texts("tabs.file")},
        "text": {
            "label": texts("input.text"),
            "placeholder": texts("input.text_placeholder", limit=f"{limits.characters:,}"),
        },
        "examples_title": {"value": small_print(texts("input.examples" if analyzer.examples else "input.no_examples"))},
        **{
            f"example_{number}": {"value": example_title(text) or "–", "visible": bool(text)}
            for number, text in enumerate(examples)
        },
        "analyze": {"value": texts("input.analyze")},
        "advanced": {"label": texts("settings.title")},
        "advanced_info": {"value": small_print(texts("settings.info"))},
        "threshold": {"label": texts("settings.threshold"), "info": texts("settings.threshold_info")},
        "by_label": {"label": texts("settings.threshold_by_label"), "info": texts("settings.threshold_by_label_info")},
        "strategy": {"label": texts("settings.strategy"), "info": texts("settings.strategy_info"), "choices": strategies},
        "decoding": {"label": texts("settings.decoding"), "info": texts("settings.decoding_info"), "choices": decodings},
        "uncertainty": {
            "label": texts("settings.uncertainty"),
            "info": texts("settings.uncertainty_info"),
            "choices": uncertainties,
        },
        "llm": {"label": texts("llm.title")},
        "use_llm": {"label": texts("llm.use"), "info": texts("llm.use_info")},
        "endpoint": {"label": texts("llm.endpoint")},
        "llm_model": {"label": texts("llm.model")},
        "key": {"label": texts("llm.key"), "info": texts("llm.key_info")},
        "extra": {"label": texts("llm.extra"), "info": texts("llm.extra_info")},
        "file": {"label": texts("file.upload")},
        "file_info": {"value": small_print(file_info)},
        "analyze_file": {"value": texts("file.analyze")},
    }


def model_settings(analyzer: Analyzer) -> _Texts:
    """The settings that a model has of its own, as arguments of the components that change them."""
    has_own = analyzer.has_own_by_label
    return {
        "threshold": {"value": analyzer.slider_start, "interactive": not has_own},
        "by_label": {"value": has_own, "visible": has_own},
        **{name: {"value": getattr(analyzer.config, name)} for name in ("strategy", "decoding", "uncertainty")},
    }


def _head(texts: PageTexts) -> str:
    """Title and subtitle; with them what the page's scripts need to know of the language."""
    words, gradio = (escape(json.dumps(group, ensure_ascii=False)) for group in (texts.group("script"), texts.group("gradio")))
    return (
        f'<div class="hn-head" data-language="{texts.language}" data-words="{words}" data-own-words="{gradio}">'
        f"<h1>hybridner <span>{escape(texts('head.title'))}</span></h1><p>{escape(texts('head.subtitle'))}</p></div>"
    )


def _foot(texts: PageTexts) -> str:
    api, privacy = escape(texts("foot.api")), escape(texts("foot.privacy"))
    return f'<p class="hn-foot"><button type="button">{api}</button> · {privacy}</p>'


def lay_out(models: Models, first: tuple[AnalyzedText | None, Any, Any]) -> Components:
    """All components of the page, in the default language; to be called inside the page's `Blocks`.

    Args:
        models: the first one is shown.
        first: state, data and preview of its first example.
    """
    analyzer = models.first
    texts = component_texts(analyzer, DEFAULT_LANGUAGE)
    settings = {name: {**texts[name], **own} for name, own in model_settings(analyzer).items()}
    seconds = analyzer.limits.session_seconds
    analyzed, result, preview = first
    part: Components = {
        "analyzed": gr.State(analyzed, time_to_live=seconds),
        "kept": gr.State(None, time_to_live=seconds),
    }
    with gr.Row(elem_id="top"):
        part["head"] = gr.HTML(**texts["head"], elem_id="head")
        part["language"] = gr.Radio(
            [("中文", "zh"), ("English", "en")],
            value=DEFAULT_LANGUAGE,
            show_label=False,
            container=False,
            elem_id="language",
        )
    names = [one.name for one in models]
    with gr.Row(elem_id="models"):
        part["model"] = gr.Dropdown(
            names, value=names[0], **texts["model"], visible="hidden" if len(names) == 1 else True, elem_id="model"
        )
        with gr.Column(elem_id="about-column"):
            part["about"] = gr.HTML(**texts["about"], elem_id="about")
            with gr.Accordion(**texts["card"], open=False, elem_id="card") as part["card"]:
                part["card_text"] = gr.Markdown(**texts["card_text"], elem_id="card-text")
    with gr.Row(elem_id="main"):
        with gr.Column(elem_id="content"), gr.Tabs():
            with gr.Tab(**texts["text_tab"], id="text") as part["text_tab"]:
                _lay_out_text(part, texts, analyzer)
                part["result"] = gr.HTML(result, elem_id="result", visible="hidden")
                gr.HTML('<div id="result-here"></div>', elem_id="result-box")
                part["changes"] = gr.HTML(elem_id="changes")
            with gr.Tab(**texts["file_tab"], id="file") as part["file_tab"]:
                _lay_out_file(part, texts)
        with gr.Column(elem_id="side"), gr.Accordion(**texts["advanced"], open=False, elem_id="advanced") as part["advanced"]:
            part["advanced_info"] = gr.HTML(**texts["advanced_info"])
            _lay_out_settings(part, settings, preview)
            _lay_out_llm(part, texts)
    part["link"] = gr.JSON(visible="hidden", elem_id="link")
    part["foot"] = gr.HTML(**texts["foot"])
    return part


def _lay_out_text(part: Components, texts: _Texts, analyzer: Analyzer) -> None:
    # No `max_length`: it would cut what is pasted without a word. Too long a text is told instead.
    first = analyzer.examples[0] if analyzer.examples else ""
    part["text"] = gr.Textbox(first, **texts["text"], lines=3, max_lines=8, elem_id="text")
    with gr.Row(elem_id="examples"):
        part["examples_title"] = gr.HTML(**texts["examples_title"], elem_id="examples-title")
        for number in range(MOST):
            key = f"example_{number}"
            part[key] = gr.Button(**texts[key], size="sm", min_width=0, elem_id=key.replace("_", "-"))
    with gr.Row(elem_id="act"):
        part["analyze"] = gr.Button(**texts["analyze"], variant="primary", elem_id="analyze")
        part["message"] = gr.HTML(elem_id="message")


def _lay_out_file(part: Components, texts: _Texts) -> None:
    # No `file_types`: gradio would refuse others in its own words; the page does it in the visitor's language.
    part["file"] = gr.File(**texts["file"], elem_id="file", height=130)
    part["file_info"] = gr.HTML(**texts["file_info"], elem_id="file-info")
    part["analyze_file"] = gr.Button(**texts["analyze_file"], variant="primary", elem_id="analyze-file")
    part["file_result"] = gr.HTML(elem_id="file-result", min_height=60)
    part["queue"] = gr.HTML(elem_id="queue", visible="hidden")
    gr.HTML('<div id="queue-here"></div>', elem_id="queue-box")


def _lay_out_settings(part: Components, settings: _Texts, preview: Any) -> None:
    part["threshold"] = gr.Slider(0, 1, **settings["threshold"], step=0.01, elem_id="threshold", buttons=[])
    part["by_label"] = gr.Checkbox(**settings["by_label"], elem_id="by-label")
    part["preview"] = gr.HTML(preview, elem_id="preview")
    for name in ("strategy", "decoding", "uncertainty"):
        part[name] = gr.Radio(**settings[name], elem_id=name)


def _lay_out_llm(part: Components, texts: _Texts) -> None:
    hidden = gr.InputHTMLAttributes(autocomplete="off", spellcheck=False)
    with gr.Accordion(**texts["llm"], open=False, elem_id="llm") as part["llm"]:
        part["use_llm"] = gr.Checkbox(**texts["use_llm"], elem_id="use-llm")
        part["endpoint"] = gr.Textbox("", **texts["endpoint"], placeholder="https://api.deepseek.com/v1", elem_id="endpoint")
        part["llm_model"] = gr.Textbox("", **texts["llm_model"], placeholder=DEFAULT_LLM, elem_id="llm-model")
        part["key"] = gr.Textbox("", **texts["key"], type="password", elem_id="key", html_attributes=hidden)
        part["extra"] = gr.Textbox("", **texts["extra"], placeholder=_NO_THINKING, elem_id="extra")
