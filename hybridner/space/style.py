"""The page's style sheet and its one script. No font, style or script comes from anywhere else.

gradio puts its own class before every selector, but of several after `.dark` it spoils all but the first: one rule for each.
"""

from __future__ import annotations

from hybridner.space.colours import INK

FONTS = ("Noto Sans SC", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "system-ui", "sans-serif")

CSS = (
    f":root {{ --hn-ink: {INK['light']}; }} .dark {{ --hn-ink: {INK['dark']}; }}\n"
    + """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
.hn-head h1 { margin: 0; font-size: 1.7rem; letter-spacing: -.01em; }
.hn-head p { margin: .15rem 0 0; }
.hn-quiet { margin: .3rem 0; color: var(--body-text-color-subdued); font-size: .86rem; }
.html-container { padding: 0 !important; }
#top { align-items: flex-start; gap: .6rem 1rem; }
#top > * { width: auto !important; }
#head { flex: 1 1 300px; }
#language { flex: 0 0 auto; min-width: 0 !important; }
#language .wrap { flex-wrap: nowrap; }
#language label { white-space: nowrap; }
#message:not(:has(.hn-note)) { display: none; }
#preview:not(:has(.hn-preview)) { display: none; }
#table:not(:has(table)) { display: none; }
#examples { gap: .4rem; flex-wrap: wrap; align-items: center; }
#examples-title { flex: 0 0 auto; min-width: 0 !important; width: auto; }
#examples button { flex: 0 1 auto; min-width: 0; font-weight: 400; padding: .25rem .6rem; }

.hn-preview { padding: .55rem .8rem; border-radius: 8px; background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); font-size: .93rem; }
.hn-share { display: block; height: 5px; margin-top: .45rem; border-radius: 3px; overflow: hidden;
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
.hn-chip { padding: .08em .5em; font-size: .86rem; white-space: nowrap; }
.hn-short { white-space: pre; }
.hn-plain { border-width: 1.5px; border-style: solid; background: transparent !important;
  color: var(--body-text-color); border-color: var(--body-text-color-subdued); }
.hn-doubt { border-style: dashed !important; border-color: #d2620a !important; box-shadow: 0 0 0 2px rgb(232 137 12 / 28%); }
.hn-by-llm::before { content: "◆"; font-size: .7em; margin-right: .3em; user-select: none; }
.hn-hint { border-bottom: 2px dotted #e8890c; padding-bottom: .1em; cursor: help; }
.hn-mark:focus-visible, .hn-hint:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 1px; }
.hn-legend { display: flex; flex-wrap: wrap; gap: .4rem .9rem; list-style: none; margin: .7rem 0 0 !important;
  padding: 0 !important; font-size: .86rem; }
.hn-legend li { margin: 0 !important; }

.hn-table { width: 100%; border: 0 !important; border-collapse: collapse; font-size: .92rem; }
.hn-table tr { border: 0; }
.hn-table td:nth-child(n+3):nth-child(-n+5) { white-space: nowrap; }
.hn-table th { text-align: left; font-weight: 600; color: var(--body-text-color-subdued); font-size: .82rem; }
.hn-table th, .hn-table td { padding: .42rem .6rem; border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important; vertical-align: top; }
.hn-bar { display: inline-block; width: 54px; height: 7px; margin-right: .45em; border-radius: 4px; overflow: hidden;
  background: var(--border-color-primary); vertical-align: middle; }
.hn-bar i { display: block; height: 100%; background: #4b9b6b; }
.hn-over i { background: #e8890c; }
.hn-review { color: #fff; background: #b4530a; border-radius: 4px; padding: .05em .45em; font-size: .78rem; white-space: nowrap; }
.hn-table td:first-child { min-width: 7.5em; overflow-wrap: anywhere; }
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
  .gradio-container { padding: .6rem !important; }
  .hn-text { padding: .4rem .6rem; }
  .hn-table thead { display: none; }
  .hn-table tr { display: grid; grid-template-columns: 1fr 1fr; border-radius: 8px;
    border: 1px solid var(--border-color-primary) !important; margin-bottom: .6rem; padding: .2rem .2rem; }
  .hn-table td { display: flex; justify-content: space-between; gap: .5rem; border: 0 !important;
    min-width: 0 !important; padding: .22rem .6rem; }
  .hn-table td::before { content: attr(data-column); color: var(--body-text-color-subdued); font-size: .82rem; flex: none; }
  .hn-table td:nth-child(2) { justify-content: flex-end; }
  .hn-table td:nth-child(-n+2)::before { content: none; }
  .hn-table td:last-child { grid-column: 1 / -1; justify-content: flex-start; }
  .hn-bar { display: none; margin-left: auto; align-self: center; }
}
"""
)

#: Shows the tip of the innermost mark under pointer or focus; a tap shows it on phones, Escape hides it.
JS = """
() => {
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
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}
"""
