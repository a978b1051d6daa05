"""The page: gradio components, and which event calls what. What is shown is made in `views`, what is read in `service`."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.events import api

from hybridner.ensemble import UNCERTAINTIES
from hybridner.space.examples import EXAMPLES
from hybridner.space.handlers import Handlers
from hybridner.space.markup import escape
from hybridner.space.service import DEFAULT_LLM, Service
from hybridner.space.style import CSS, FONTS, JS, TELL_LANGUAGE
from hybridner.space.views import Views, quiet
from hybridner.space.wording import preferred_language, wording
from hybridner.spans import RESOLVERS

_FIRST_LANGUAGE = "zh"
_HEAD = '<div class="hn-head"><h1>hybridner <span>{title}</span></h1><p>{subtitle}</p></div>'
_FOOT = '<p class="hn-foot"><button type="button">{api}</button> · {privacy}</p>'
#: gradio's grey for small print is too faint on a white page.
_READABLE = {"body_text_color_subdued": "*neutral_500", "block_info_text_color": "*neutral_500"}
#: An example of further fields of a question.
_NO_THINKING = '{"thinking": {"type": "disabled"}}'


def words_of_parts(service: Service, language: str) -> dict[str, dict[str, Any]]:
    """What each part of the page says in a language, as arguments of its component."""
    words, views, limits = wording(language), Views(service.labels, language), service.limits
    info = words.file_info.format(
        texts=f"{limits.file_texts:,}", characters=f"{limits.file_characters:,}", megabytes=f"{limits.file_bytes / 1e6:g}"
    )
    strategies = [(words.strategies.get(name, name), name) for name in service.strategies]
    uncertainties = [(words.uncertainties.get(name, name), name) for name in UNCERTAINTIES]
    decodings = [(words.decodings.get(name, name), name) for name in RESOLVERS]
    return {
        "head": {"value": _HEAD.format(title=escape(words.title), subtitle=escape(words.subtitle))},
        "about": {"value": views.about(service.members)},
        "foot": {"value": _FOOT.format(api=escape(words.api), privacy=escape(words.privacy))},
        "tab_text": {"label": words.tab_text},
        "tab_file": {"label": words.tab_file},
        "text": {"label": words.text, "placeholder": words.text_hint.format(limit=f"{limits.characters:,}")},
        "examples": {"value": quiet(words.examples)},
        **{f"example_{number}": {"value": example.title(language)} for number, example in enumerate(EXAMPLES)},
        "analyse": {"value": words.analyse},
        "threshold": {"label": words.threshold, "info": words.threshold_info},
        "strategy": {"label": words.strategy, "info": words.strategy_info, "choices": strategies},
        "decoding": {"label": words.decoding, "choices": decodings},
        "uncertainty": {"label": words.uncertainty, "choices": uncertainties},
        "llm": {"label": words.llm},
        "use_llm": {"label": words.use_llm, "info": words.use_llm_info},
        "endpoint": {"label": words.endpoint},
        "llm_model": {"label": words.llm_model},
        "key": {"label": words.key, "info": words.key_info},
        "extra": {"label": words.extra, "info": words.extra_info},
        "file": {"label": words.file},
        "file_info": {"value": quiet(info)},
        "read_file": {"value": words.read_file},
        "download": {"label": words.download},
        "review": {"label": words.review_title},
        "review_info": {"value": quiet(words.review_info) + quiet(words.review_types) + views.types()},
        "review_complete": {"label": words.review_complete},
        "review_keep": {"value": words.review_keep},
        "review_download": {"label": words.review_download},
    }


def build(service: Service) -> gr.Blocks:
    """The page, ready to be launched with `launch_settings`."""
    words = words_of_parts(service, _FIRST_LANGUAGE)
    limits = service.limits
    with gr.Blocks(title="hybridner", analytics_enabled=False, delete_cache=(600, limits.session_seconds)) as page:
        parts = _lay_out(service, words)
        _connect(page, service, parts, list(words))
        # Documented under /?view=api and open to gradio_client; the page's own events are not.
        api(Handlers(service).analyse, api_name="analyse", concurrency_id="readers", concurrency_limit=limits.readers)
    return page.queue(max_size=limits.queue)


def _lay_out(service: Service, words: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """All components by name: those of `words`, and those that say nothing by themselves."""
    limits, config = service.limits, service.config
    part: dict[str, Any] = {name: gr.State(None, time_to_live=limits.session_seconds) for name in ("state", "reviews")}
    with gr.Row(elem_id="top"):
        part["head"] = gr.HTML(**words["head"], elem_id="head")
        part["language"] = gr.Radio(
            [("中文", "zh"), ("English", "en")], value=_FIRST_LANGUAGE, show_label=False, container=False, elem_id="language"
        )
    part["about"] = gr.HTML(**words["about"], elem_id="about")
    with gr.Row():
        with gr.Column(scale=3, min_width=320), gr.Tabs():
            with gr.Tab(**words["tab_text"], id="text") as part["tab_text"]:
                # No `max_length`: it would cut what is pasted without a word. Too long a text is told instead.
                part["text"] = gr.Textbox("", **words["text"], lines=4, max_lines=14, elem_id="text")
                with gr.Row(elem_id="examples"):
                    part["examples"] = gr.HTML(**words["examples"], elem_id="examples-title")
                    for number in range(len(EXAMPLES)):
                        name = f"example_{number}"
                        part[name] = gr.Button(**words[name], size="sm", min_width=0, elem_id=name)
                part["analyse"] = gr.Button(**words["analyse"], variant="primary", elem_id="analyse")
                part["message"] = gr.HTML(elem_id="message")
                part["threshold"] = gr.Slider(
                    0, 1, service.slider_start, step=0.01, **words["threshold"], elem_id="threshold", buttons=[]
                )
                part["preview"] = gr.HTML(elem_id="preview")
                part["marks"] = gr.HTML(quiet(wording(_FIRST_LANGUAGE).before), elem_id="marks")
                part["table"] = gr.HTML(elem_id="table")
                _lay_out_review(part, words)
            with gr.Tab(**words["tab_file"], id="file") as part["tab_file"]:
                part["file"] = gr.File(**words["file"], file_types=[".txt", ".jsonl"], elem_id="file", height=150)
                part["file_info"] = gr.HTML(**words["file_info"])
                part["read_file"] = gr.Button(**words["read_file"], variant="primary", elem_id="read-file")
                part["file_result"] = gr.HTML(elem_id="file-result", min_height=90)
                part["download"] = gr.DownloadButton(**words["download"], visible=False, elem_id="download")
        with gr.Column(scale=1, min_width=280, elem_id="settings"):
            part["strategy"] = gr.Radio(value=config.strategy, **words["strategy"], elem_id="strategy")
            part["decoding"] = gr.Radio(value=config.decoding, **words["decoding"], elem_id="decoding")
            part["uncertainty"] = gr.Radio(value=config.uncertainty, **words["uncertainty"], elem_id="uncertainty")
            with gr.Accordion(**words["llm"], open=False, elem_id="llm") as part["llm"]:
                part["use_llm"] = gr.Checkbox(**words["use_llm"], elem_id="use-llm")
                part["endpoint"] = gr.Textbox(
                    "", **words["endpoint"], placeholder="https://api.deepseek.com/v1", elem_id="endpoint"
                )
                part["llm_model"] = gr.Textbox("", **words["llm_model"], placeholder=DEFAULT_LLM, elem_id="llm-model")
                part["key"] = gr.Textbox(
                    "",
                    **words["key"],
                    type="password",
                    elem_id="key",
                    html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False),
                )
                part["extra"] = gr.Textbox("", **words["extra"], placeholder=_NO_THINKING, elem_id="extra")
    part["foot"] = gr.HTML(**words["foot"])
    return part


def _lay_out_review(part: dict[str, Any], words: dict[str, dict[str, Any]]) -> None:
    """What is under the result: the table in which a visitor says what is right."""
    with gr.Accordion(**words["review"], open=False, elem_id="review") as part["review"]:
        part["review_info"] = gr.HTML(**words["review_info"])
        part["review_rows"] = gr.Dataframe(
            headers=list(wording(_FIRST_LANGUAGE).review_columns),
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
        part["review_complete"] = gr.Checkbox(**words["review_complete"], elem_id="review-complete")
        with gr.Row():
            part["review_keep"] = gr.Button(**words["review_keep"], variant="primary", elem_id="review-keep")
            part["review_download"] = gr.DownloadButton(**words["review_download"], interactive=False, elem_id="review-download")
        part["review_message"] = gr.HTML(elem_id="review-message")


def _connect(page: gr.Blocks, service: Service, part: dict[str, Any], spoken: list[str]) -> None:
    """Which event calls what. Reading has its own queue, waiting for LLMs another; the slider waits in none."""
    handlers, limits = Handlers(service), service.limits

    def these(names: str) -> list[Any]:
        return [part[name] for name in names.split()]

    result = these("state message marks table preview")
    settings = these("strategy decoding uncertainty threshold")
    reviewing = {"fn": handlers.rows, "inputs": these("state language"), "outputs": part["review_rows"]}
    readers = {"concurrency_id": "readers", "concurrency_limit": limits.readers, "api_visibility": "private"}
    at_once: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

    filled = [
        part[f"example_{number}"].click(lambda text=example.text: text, None, part["text"], **at_once)
        for number, example in enumerate(EXAMPLES)
    ]
    for asked_for in (part["analyse"].click, part["text"].submit, *(example.then for example in filled)):
        asked_for(
            handlers.read,
            [part["text"], *settings, *these("use_llm llm_model language")],
            result,
            show_progress_on=[part["marks"]],
            **readers,
        ).then(
            handlers.ask,
            these("state use_llm threshold endpoint llm_model key extra language"),
            result,
            show_progress_on=[part["message"]],
            concurrency_id="askers",
            concurrency_limit=limits.askers,
            api_visibility="private",
        ).then(**reviewing, **at_once)
    for name in ("strategy", "decoding", "uncertainty"):
        part[name].input(
            handlers.read_again,
            [part["state"], *settings, *these("llm_model language")],
            result,
            show_progress_on=[part["marks"]],
            **readers,
        ).then(**reviewing, **at_once)
    part["review_keep"].click(
        handlers.review,
        these("state review_rows review_complete reviews language"),
        these("reviews review_message review_download"),
        **at_once,
    )
    shown = {"inputs": these("state threshold llm_model language"), "outputs": these("marks table preview")}
    part["threshold"].change(handlers.show, **shown, trigger_mode="always_last", **at_once)
    part["llm_model"].change(handlers.show, **shown, trigger_mode="always_last", **at_once)
    part["read_file"].click(
        lambda: ("", gr.update(value=None, visible=False)), None, these("file_result download"), **at_once
    ).then(
        handlers.read_file,
        [part["file"], *settings, part["language"]],
        these("file_result download"),
        show_progress_on=[part["file_result"]],
        concurrency_id="files",
        concurrency_limit=1,
        api_visibility="private",
    )

    def speak(language: str) -> list[Any]:
        now = words_of_parts(service, language)
        return [*(gr.update(**now[name]) for name in spoken), "", ""]

    def greet(request: gr.Request) -> str:
        return preferred_language(request.headers.get("accept-language"))

    # Notes tell what has just happened; they are not told again in the other language.
    said = [*(part[name] for name in spoken), *these("message review_message")]
    part["language"].change(speak, part["language"], said, js=TELL_LANGUAGE, **at_once).then(
        handlers.show, **shown, **at_once
    ).then(handlers.reworded, these("review_rows language"), part["review_rows"], **at_once)
    page.load(greet, None, part["language"], **at_once)


def launch_settings(service: Service) -> dict[str, Any]:
    """Arguments of `launch` that belong to the page."""
    theme = gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=FONTS, font_mono=("ui-monospace", "monospace"))
    return {
        "theme": theme.set(**_READABLE),
        "css": CSS,
        "js": JS,
        "footer_links": ["api"],  # Hidden: the page has a foot of its own, in its own language, that opens the same.
        # A history of runs would keep the LLM's key in the browser's storage.
        "run_history": False,
        "max_file_size": service.limits.file_bytes,
        "state_session_capacity": service.limits.sessions,
        "show_error": True,
    }
