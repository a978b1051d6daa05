// Marked text that can be reviewed: the spans editor under a legend that is also a filter, with undo and the way to what is doubtful.
hybridner.Panel = (() => {
  "use strict";

  const { say, make, button } = hybridner;
  const LEVELS = ["sure", "fair", "check"];
  const EDITOR_WORDS = ["text", "menu", "accept", "remove", "cancel", "none", "sure", "fair", "check", "accepted", "corrected", "added",
    "deleted", "dismissed"];

  /** A review as `hybridner learn` reads it: what was judged, with what an LLM had said about it. */
  const reviewOf = ({ id, text, found, touched, complete }) => {
    const entities = touched.filter((entry) => entry.review !== "dismissed").map((entry) => {
      const origin = entry.was ?? entry;
      const llm = found.find((mark) => mark.start === origin.start && mark.end === origin.end)?.llmLabel;
      return llm === null || llm === undefined || entry.review === "added" ? entry : { ...entry, llm_label: llm };
    });
    return { ...(id ? { id } : {}), text, complete, entities };
  };

  class Panel {
    /** `onChange()` follows each judgment, `onFilter()` each change of the filter, `onKey` see `SpansEditor`. */
    constructor(host, { onChange, onFilter, onKey } = {}) {
      this.onFilter = onFilter;
      this.filter = { label: null, level: null };
      this.legend = make("div", { class: "hn-legend", role: "group" });
      this.back = button("↶", () => this.editor.undo(), { class: "hn-button hn-icon" });
      this.forth = button("↷", () => this.editor.redo(), { class: "hn-button hn-icon" });
      this.onward = button("", () => { this.editor.next(1, true, true); this.editor.root.focus(); });
      this.help = make("details", { class: "hn-keys" });
      const box = make("div", { class: "hn-editor" });
      host.append(make("div", { class: "hn-tools" }, this.legend, make("div", { class: "hn-steps" }, this.onward, this.back, this.forth)),
        box, this.help);
      const changed = () => { this.draw(); onChange?.(); };
      this.editor = new window.SpansEditor(box, { onChange: changed, onKey });
      this.editor.isFaded = (mark) => !this.matches(mark);
      this.speak();
    }

    /** Say everything in the language of the page. */
    speak() {
      Object.assign(this.editor.words, Object.fromEntries(EDITOR_WORDS.map((key) => [key, say(key)])));
      this.onward.textContent = say("next_doubtful");
      this.back.title = this.back.ariaLabel = say("undo");
      this.forth.title = this.forth.ariaLabel = say("redo");
      this.legend.setAttribute("aria-label", say("filter"));
      this.help.replaceChildren(make("summary", {}, say("keys")), make("p", {}, say("keys_list")));
      this.editor.root.setAttribute("aria-label", say("text"));
      if (this.editor.menu.isOpen) this.editor.openMenu();
      this.draw();
    }

    load(item) {
      this.filter = { label: null, level: null };
      this.editor.load(item);
      this.draw();
    }

    refresh(found, types) {
      this.editor.refresh(found, types);
      this.draw();
    }

    matches(mark) {
      const { label, level } = this.filter;
      return (label === null || mark.label === label) && (level === null || (mark.review ? "sure" : mark.level) === level);
    }

    draw() {
      const { editor } = this;
      const { entities } = editor;
      const count = (test) => entities.filter(test).length;
      const chip = (kind, value, title, number, style) => make("button", {
        type: "button", class: `hn-filter hn-is-${kind} hn-is-${value}`, "aria-pressed": String(this.filter[kind] === value), style,
        title: kind === "level" ? say(`${value}_tip`) : null,
        onclick: () => {
          this.filter = { label: null, level: null, [kind]: this.filter[kind] === value ? null : value };
          editor.render();
          this.draw();
          this.onFilter?.();
        },
      }, kind === "label" ? make("span", { class: "se-dot" }) : null, title, make("b", {}, String(number)));
      const levels = LEVELS.map((level) => chip("level", level, say(level), count((mark) => (mark.review ? "sure" : mark.level) === level)));
      const types = editor.types.map((type) => [type, count((mark) => mark.label === type.name)]).filter(([, number]) => number)
        .map(([type, number]) => chip("label", type.name, type.title, number, type.style));
      this.legend.replaceChildren(...levels, ...types);
      this.back.disabled = !editor.past.length;
      this.forth.disabled = !editor.future.length;
      this.onward.disabled = !editor.marks.some((mark) => !mark.review && mark.level === "check");
    }
  }

  return Object.assign(Panel, { reviewOf });
})();
