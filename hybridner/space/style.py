"""The page's style sheet and its one script. No font, style or script comes from anywhere else.

gradio puts its own class before every selector, but of several after `.dark` it spoils all but the first: one rule for each.
"""

from __future__ import annotations

from hybridner.space.colours import INK
from hybridner.space.wording import WORDINGS

FONTS = ("Noto Sans SC", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "system-ui", "sans-serif")

#: gradio's own words in the upload follow the browser's language; these follow the page's.
_DROP = "\n".join(
    f'#file:lang({language}) [data-testid="upload-text"]::after {{ content: "{words.drop}"; }}'
    for language, words in WORDINGS.items()
)

CSS = (
    f":root {{ --hn-ink: {INK['light']}; }} .dark {{ --hn-ink: {INK['dark']}; }}\n{_DROP}\n"
    + """
.gradio-container { max-width: 1240px !important; margin: 0 auto !important; }
.hn-head h1 { margin: 0; font-size: 1.7rem; letter-spacing: -.01em; }
.hn-head h1 span { font-size: .58em; font-weight: 600; letter-spacing: 0; padding: .2em .6em; margin-left: .3em;
  border-radius: 6px; vertical-align: .22em; white-space: nowrap;
  color: #17304f; background: #dbe8fb; border: 1.5px solid #7fa7d8; }
.dark .hn-head h1 span { color: #d7e6fa; background: #1b3a63; border-color: #5d8fce; }
.hn-head p { margin: .3rem 0 0; }
.hn-about { font-size: .9rem; color: var(--body-text-color-subdued); }
.hn-about summary { cursor: pointer; width: fit-content; }
.hn-types { display: flex; flex-wrap: wrap; gap: .35rem; margin: .4rem 0 !important; }
.hn-types .hn-chip { cursor: help; }
.hn-jump { display: none; padding: 0; font-size: .9rem; }
.hn-foot { margin: .4rem 0; text-align: center; font-size: .84rem; color: var(--body-text-color-subdued); }
.hn-foot button { padding: 0; border: 0; background: none; font: inherit; color: inherit; cursor: pointer;
  text-decoration: underline; text-underline-offset: 3px; }
.gradio-container .main { width: 100%; padding: 1rem clamp(.8rem, 3vw, 2rem) !important; }
.gradio-container footer { display: none; }
.hn-quiet { margin: .3rem 0; color: var(--body-text-color-subdued); font-size: .86rem; }
.html-container { padding: 0 !important; }
#top { align-items: flex-start; gap: .6rem 1rem; }
#top > * { width: auto !important; }
#head { flex: 1 1 300px; }
#language { flex: 0 0 auto; min-width: 0 !important; }
#language .wrap { flex-wrap: nowrap; }
#language label { white-space: nowrap; }
#settings fieldset .wrap { flex-direction: column; gap: .1rem; }
#settings fieldset label { width: 100%; padding: .3rem .5rem; border-color: transparent; background: transparent;
  box-shadow: none; }
#settings fieldset label:hover { background: var(--background-fill-secondary); }
#settings fieldset label:has(:checked) { background: var(--background-fill-secondary); font-weight: 600; }
.dark #settings input[type="radio"]:not(:checked) { border-color: #64748b; }
.dark #threshold { --neutral-200: #475569; }
#file [data-testid="upload-text"] { font-size: 0; }
#file [data-testid="upload-text"] .or { display: none; }
#file [data-testid="upload-text"]::after { font-size: 1rem; margin-top: .5rem; }
#llm .form { border: 0; }
#llm .form > * { padding: .3rem 0; }
#review-rows { --font-mono: var(--font); }
#review-rows th .header-icons, #review-rows th .cell-menu-button { display: none; }
#review-rows th .text { white-space: nowrap; }
.gradio-container:not(:has(#marks .hn-text)) #review { display: none; }
#message:not(:has(.hn-note)) { display: none; }
#preview:not(:has(.hn-preview)) { display: none; }
#table:not(:has(table)) { display: none; }
#examples { gap: .4rem; flex-wrap: wrap; align-items: center; }
#examples-title .hn-quiet { margin: 0; }
#examples-title { flex: 0 0 auto; min-width: 0 !important; width: auto; }
#examples button { flex: 0 1 auto; min-width: 0; font-weight: 400; padding: .25rem .6rem; }

.hn-preview { padding: .55rem .8rem; border-radius: 8px; background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); font-size: .93rem; }
.hn-preview small { color: var(--body-text-color-subdued); font-size: .84rem; }
.hn-share { display: block; height: 5px; margin: .4rem 0; border-radius: 3px; overflow: hidden;
  background: var(--border-color-primary); }
.hn-share i { display: block; height: 100%; background: #e8890c; transition: width .15s; }

.hn-text { padding: .6rem 1rem; border: 1px solid var(--border-color-primary); border-radius: 8px; line-height: 2.5;
  font-size: 1.06rem; white-space: pre-wrap; overflow-wrap: anywhere; color: var(--body-text-color);
  background: var(--block-background-fill); }
.hn-small { font-size: .95rem; line-height: 2.3; margin-bottom: .4rem; padding: .2rem .8rem; }
.hn-mark, .hn-chip { color: var(--hn-ink); background: var(--hl); border: 1.5px solid var(--hle); border-radius: 6px;
  box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.dark .hn-mark { background: var(--hd); border-color: var(--hde); }
.dark .hn-chip { background: var(--hd); border-color: var(--hde); }
.hn-mark { padding: .22em .3em; margin: 0 .12em; cursor: help; }
.hn-mark .hn-mark { padding: .04em .25em; }
.hn-mark::after { content: "\\2060" attr(data-tag); font-size: .64em; font-weight: 600; margin-left: .5em; opacity: .86;
  user-select: none; white-space: nowrap; }
.hn-chip { display: inline-block; padding: .08em .5em; font-size: .86rem; white-space: nowrap; }
.hn-short { white-space: pre; }
.hn-plain { border-width: 1.5px; border-style: solid; background: transparent !important;
  color: var(--body-text-color); border-color: var(--body-text-color-subdued); }
.hn-doubt { border-style: dashed !important; border-color: #d2620a !important; box-shadow: 0 0 0 2px rgb(232 137 12 / 28%); }
.dark .hn-doubt { border-color: #ffb057 !important; box-shadow: 0 0 0 2px rgb(255 176 87 / 30%); }
.hn-by-llm::before { content: "◆"; font-size: .7em; margin-right: .3em; user-select: none; }
.hn-hint { border-bottom: 2px dotted #e8890c; padding-bottom: .1em; cursor: help; }
.hn-mark:focus-visible, .hn-hint:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 1px; }
.hn-legend { display: flex; flex-wrap: wrap; gap: .4rem .9rem; list-style: none; margin: .7rem 0 0 !important;
  padding: 0 !important; font-size: .86rem; }
.hn-legend li { margin: 0 !important; }

.hn-table { width: 100%; border: 0 !important; border-collapse: collapse; font-size: .92rem; }
.hn-table tr { border: 0; }
.hn-table td:nth-child(n+3):nth-child(-n+5) { white-space: nowrap; }
.hn-table th { text-align: left; white-space: nowrap; font-weight: 600; color: var(--body-text-color-subdued);
  font-size: .82rem; }
.hn-table th, .hn-table td { padding: .42rem .5rem; border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important; vertical-align: top; }
.hn-bar { display: inline-block; width: 44px; height: 7px; margin-right: .45em; border-radius: 4px; overflow: hidden;
  background: var(--border-color-primary); vertical-align: middle; }
.hn-bar i { display: block; height: 100%; background: #4b9b6b; }
.hn-over i { background: #e8890c; }
.hn-review { color: #fff; background: #b4530a; border-radius: 4px; padding: .05em .45em; font-size: .78rem; white-space: nowrap; }
.hn-table td:last-child:has(.hn-review) { white-space: nowrap; }
.hn-table td:first-child { min-width: 10.5em; overflow-wrap: anywhere; }
.hn-table .hn-chip { white-space: normal; }
.hn-table summary span { font-size: .72em; letter-spacing: .05em; }
.hn-table summary { cursor: pointer; white-space: nowrap; }
.hn-table details ul { margin: .2rem 0 0 !important; padding-left: 1.1rem !important; font-size: .82rem; }

.hn-note { padding: .5rem .8rem; margin: .1rem 0 .3rem; border-radius: 8px; border: 1px solid #7fa7d8; font-size: .92rem;
  background: #eaf2fc; color: #17304f; overflow-wrap: anywhere; }
.hn-problem { border-color: #d9775c; background: #fdeee9; color: #6b1f0c; }
.dark .hn-note { background: #182a42; color: #d7e6fa; border-color: #33557f; }
.dark .hn-problem { background: #43190f; color: #fbdcd3; border-color: #8d4531; }

#hn-tip { position: absolute; z-index: 1000; max-width: min(340px, calc(100vw - 16px)); padding: .55rem .75rem;
  border-radius: 8px; background: #1c2230; color: #f3f5fa; font-size: .84rem; font-family: var(--font); line-height: 1.5;
  white-space: pre-wrap;
  overflow-wrap: anywhere; box-shadow: 0 6px 22px rgb(0 0 0 / 32%); pointer-events: none; display: none; }
.dark #hn-tip { background: #eef1f7; color: #1c2230; }

@media (max-width: 680px) {
  #top { position: relative; }
  #language { position: absolute !important; top: .1rem; right: 0; }
  #language label { padding: .2rem .5rem; font-size: .84rem; }
  .hn-head h1 span { display: none; }
  .hn-jump { display: inline-block; margin-top: .3rem; }
  .hn-text { padding: .4rem .6rem; }
  .hn-table thead { display: none; }
  .hn-table tr { display: flex; flex-wrap: wrap; border-radius: 8px;
    border: 1px solid var(--border-color-primary) !important; margin-bottom: .6rem; padding: .2rem .2rem; }
  .hn-table td { flex: 1 0 20%; border: 0 !important; min-width: 0 !important; padding: .2rem .6rem; }
  .hn-table td::before { content: attr(data-column); color: var(--body-text-color-subdued); font-size: .76rem; display: block;
    white-space: nowrap; }
  .hn-table td:nth-child(1) { flex-basis: calc(100% - 10em); }
  .hn-table td:nth-child(2) { flex: 0 0 10em; text-align: right; }
  .hn-table td:nth-child(6) { flex-basis: 30%; }
  .hn-table td:has(details[open]) { flex-basis: 100%; }
  .hn-table td:nth-child(-n+2)::before { content: none; }
  .hn-table td:last-child { flex-basis: 100%; }
  .hn-table td:last-child::before { display: inline; margin-right: .6em; }
  .hn-bar { display: none; }
  #review-rows th .cell-wrap { padding-inline: .3rem; }
}
"""
)

#: Shows the tip of the innermost mark under pointer or focus; a tap shows it on phones, Escape hides it. The foot of the page
#: opens gradio's description of the interface by gradio's own button, for `?view=api` alone does not.
JS = """
() => {
  document.documentElement.lang = document.querySelector("#language input:checked")?.value ?? "zh";
  const tip = document.createElement("div");
  tip.id = "hn-tip";
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const hide = () => { tip.style.display = "none"; };
  const show = (event) => {
    const target = event.target.closest && event.target.closest("[data-tip]");
    if (!target) { hide(); return; }
    tip.textContent = target.dataset.tip;
    tip.style.display = "block";
    const box = target.getClientRects()[0] || target.getBoundingClientRect();
    const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const below = box.bottom + 8 + tip.offsetHeight < window.innerHeight || box.top < tip.offsetHeight + 8;
    tip.style.left = `${Math.max(8, left) + window.scrollX}px`;
    tip.style.top = `${(below ? box.bottom + 8 : box.top - tip.offsetHeight - 8) + window.scrollY}px`;
  };
  for (const kind of ["mouseover", "focusin", "click"]) document.addEventListener(kind, show);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.(".hn-foot button")) document.querySelector("footer .show-api").click();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}
"""

#: Before the language changes: screen readers, hyphenation and the style sheet should know of it.
TELL_LANGUAGE = "(language) => { document.documentElement.lang = language; return [language]; }"
