// A spans editor: a text whose entities are added, retyped, moved and deleted by mouse, touch and keyboard.
//
// It needs spans_state.js, which says what `found` and `touched` are, spans_menu.js and spans_editor.css; no framework.
window.SpansEditor = (() => {
  "use strict";

  const { element, sameSpan, crosses, isLive, byPlace, bare, keyOf, visibleMarks, without, withChange, characterPlaces } = window.SpansState;

  // Marks of no more characters, with half those of their type's name, are kept on one line; a phone has room for them.
  const SHORT = 13;

  class SpansEditor {
    /**
     * @param {HTMLElement} host an element whose content becomes the editor
     * @param {object} options `words` in the reader's language (see WORDS), `onChange(editor)` after each change of what was
     *   judged, `onSelect(mark)`, `onKey(event)` for keys that it does not use (true where it was used), `isReadOnly`
     */
    constructor(host, options = {}) {
      this.words = { ...SpansEditor.WORDS, ...options.words };
      this.options = options;
      this.root = element("div", "se-text");
      this.root.tabIndex = 0;
      this.root.lang = "zh";
      this.root.setAttribute("role", "group");
      this.menu = new window.SpansMenu(host, this.words, (action, label) => this._choose(action, label));
      this.live = element("div", "se-live");
      this.live.setAttribute("aria-live", "polite");
      this.frame = element("div", "se-frame");
      this.frame.append(this.root);
      host.classList.add("se-root");
      host.replaceChildren(this.frame, this.menu.node, this.live);
      this.host = host;
      this.isFaded = () => false;
      this.load({ text: "", found: [], types: [] });
      this.root.addEventListener("pointerdown", (event) => this._press(event));
      this.root.addEventListener("pointermove", (event) => this._drag(event));
      this.root.addEventListener("pointerup", (event) => this._release(event));
      this.root.addEventListener("pointercancel", () => { this.draft = this.dragged = null; this.render(); });
      // A finger that rests for long taps too, and does not start the browser's own selection.
      this.root.addEventListener("contextmenu", (event) => {
        if (event.pointerType !== "touch") return;
        event.preventDefault();
        if (!this.dragged) this._tap(event);
      });
      this.root.addEventListener("keydown", (event) => this._key(event));
      this.root.addEventListener("focus", () => {
        if (!this.selected && this.root.matches(":focus-visible") && !this._pressed) this.next(1, true);
      });
      this.root.addEventListener("copy", (event) => this._copy(event));
      // Not by `contains`: what was pressed may have been drawn anew by now.
      document.addEventListener("pointerdown", (event) => { if (!event.composedPath().includes(host)) this.closeMenu(); });
    }

    /** Show a text; `types` are {name, title, style, tip}, in the order of their keys. */
    load({ text, found, touched = [], types }) {
      Object.assign(this, { text, found, touched, types, past: [], future: [], selected: null, last: null, pending: null, draft: null });
      this.places = characterPlaces(text);
      this.root.setAttribute("aria-label", this.words.text);
      this.closeMenu();
      this.frame.scrollTop = 0;
    }

    /** The same text with other findings; what was judged stays. */
    refresh(found, types = this.types) {
      Object.assign(this, { found, types });
      this.render();
    }

    get marks() { return visibleMarks(this.found, this.touched); }
    get entities() { return this.marks.filter((mark) => mark.label !== null); }
    get open() { return this.entities.filter((mark) => !mark.review); }
    get current() { return this.marks.find((mark) => keyOf(mark) === this.selected) ?? null; }
    slice(start, end) { return this.text.slice(this.places.units[start], this.places.units[end]); }
    typeOf(name) { return this.types.find((type) => type.name === name) ?? { name, title: name, style: "" }; }

    select(mark, withMenu = false) {
      this.pending = null;
      this.selected = mark && keyOf(mark);
      this.render();
      if (!mark) { this.closeMenu(); return; }
      this._scrollTo(this.selected);
      const level = mark.review ? this.words[mark.review] : this.words[mark.level] ?? "";
      const name = mark.label === null ? this.words.none : this.typeOf(mark.label).title;
      this.live.textContent = `${this.slice(mark.start, mark.end)}, ${name}, ${level}`;
      if (withMenu) this.openMenu(); else this.closeMenu();
      this.options.onSelect?.(mark);
    }

    /** Select the next mark (step 1) or the one before (-1), on request only among the doubtful that nobody has judged. */
    next(step, onlyDoubtful, isRound = false) {
      const marks = this.marks.filter((mark) => !onlyDoubtful || (!mark.review && mark.level === "check"));
      const at = this.current ?? this.last ?? { start: -1, end: -1 };
      const ahead = marks.filter((mark) => step * byPlace(mark, at) > 0);
      const mark = (step > 0 ? ahead[0] : ahead.at(-1)) ?? (isRound ? marks.at(step > 0 ? 0 : -1) : undefined);
      this.select(mark ?? null);
      return Boolean(mark);
    }

    accept() { if (this.current) this._change(this.current, { }, this.current.label === null); }
    acceptAll() {
      const rest = this.open.map((mark) => ({ ...bare(mark), review: "accepted" }));
      if (rest.length) this._commit([...this.touched, ...rest]);
    }
    retype(label) {
      if (this.pending) this._change({ ...this.pending, label, isNew: true }, {});
      else if (this.current) this._change(this.current, { label });
    }
    remove() { if (this.current) this._change(this.current, {}, true); }
    move(edge, by) {
      const span = this.pending ?? this.current;
      if (!span || (span.label === null && !this.pending)) return;
      const next = { start: span.start, end: span.end, [edge]: span[edge] + by };
      if (next.start < 0 || next.end > this.places.count || next.start >= next.end) return;
      if (this.pending) this._setPending(next); else this._change(span, next);
    }

    undo() { this._travel(this.past, this.future); }
    redo() { this._travel(this.future, this.past); }
    _travel(from, to) {
      if (!from.length) return;
      to.push(this.touched);
      this.touched = from.pop();
      this.pending = null;
      this.closeMenu();
      this.render();
      this.options.onChange?.(this);
    }

    _commit(touched) {
      this.past.push(this.touched);
      this.future = [];
      this.touched = touched;
      this.pending = null;
      this.closeMenu();
      this.render();
      this.options.onChange?.(this);
    }

    _change(mark, change, isRemoved = false) {
      if (this.options.isReadOnly) return;
      const touched = isRemoved ? without(this.touched, mark) : withChange(this.found, this.touched, mark, change);
      this.last = bare(mark);
      this.selected = isRemoved ? null : keyOf({ ...mark, ...change });
      this._commit(touched);
    }

    /** `touched` as it would be if what is being dragged or selected stayed where it is. */
    _previewed() {
      const shadow = this.draft ?? this.pending;
      if (!shadow) return this.touched;
      const moved = this.pending ? null : this.current;
      const kept = this.touched.filter((entry) => !isLive(entry) || !(crosses(entry, shadow) || sameSpan(entry, shadow)
        || (moved && sameSpan(entry, moved))));
      const origin = moved && moved.review !== "added" ? [{ ...(moved.was ?? bare(moved)), review: "deleted" }] : [];
      // Without the name of its type, which would push the text about under the pointer.
      return [...kept, ...origin, { ...shadow, label: null, review: "pending" }];
    }

    // Drawing.
    render() {
      const fragment = document.createDocumentFragment();
      const touched = this._previewed();
      const open = [];
      let parent = fragment;
      let at = 0;
      const write = (until) => { if (until > at) parent.append(this.slice(at, until)); at = Math.max(at, until); };
      const close = (limit) => {
        while (open.length && open.at(-1).end <= limit) {
          const { end, node, above } = open.pop();
          write(end);
          if (node.dataset.key === this.selected || node.dataset.pending) node.append(this._edge("end"));
          parent = above;
        }
      };
      for (const mark of visibleMarks(this.found, touched)) {
        close(mark.start);
        write(mark.start);
        const node = this._mark(mark);
        parent.append(node);
        open.push({ end: mark.end, node, above: parent });
        parent = node;
        if (node.dataset.key === this.selected || node.dataset.pending) node.append(this._edge("start"));
      }
      close(this.places.count);
      write(this.places.count);
      this.root.replaceChildren(fragment);
    }

    _mark(mark) {
      const node = element("mark", "se-mark");
      const state = mark.review ?? mark.level ?? "sure";
      node.classList.add(`se-${state}`);
      if (mark.byLlm && !mark.review) node.classList.add("se-by-llm");
      if (mark.label === null) node.classList.add("se-none");
      else if (this.isFaded(mark)) node.classList.add("se-faded");
      const type = mark.label === null ? null : this.typeOf(mark.label);
      if (type) { node.style.cssText = type.style; node.dataset.tag = type.title; }
      if (type && mark.end - mark.start + type.title.length / 2 <= SHORT) node.classList.add("se-short");
      node.dataset.key = keyOf(mark);
      if (mark.review === "pending") node.dataset.pending = "true";
      else if (node.dataset.key === this.selected) node.classList.add("se-selected");
      if (mark.tip) node.dataset.tip = mark.tip;
      return node;
    }

    _edge(edge) {
      const node = element("i", "se-edge");
      node.dataset.edge = edge;
      node.setAttribute("aria-hidden", "true");
      return node;
    }

    _node(key) { return this.root.querySelector(`[data-key="${key}"]`); }
    _scrollTo(key) {
      const node = this._node(key);
      if (!node) return;
      const box = node.getClientRects()[0];
      const frame = this.frame.getBoundingClientRect();
      if (box.top < frame.top + 8 || box.bottom > frame.bottom - 8) {
        this.frame.scrollTop += box.top - frame.top - frame.height / 3;
      }
    }

    openMenu() {
      if (this.options.isReadOnly) return;
      const key = this.pending ? keyOf(this.pending) : this.selected;
      this.menu.open(this._node(key), this.types, this.pending ? null : this.current);
    }

    closeMenu() {
      this.menu.close();
      this.pending = null;
      this.render();
    }

    _choose(action, label) {
      if (action === "type") this.retype(label);
      else if (action === "cancel") this.closeMenu();
      else this[action]();
      this.root.focus({ preventScroll: true });
    }

    // Pointers.
    _offset(node, offset) {
      const range = document.createRange();
      range.setStart(this.root, 0);
      range.setEnd(node, offset);
      return this.places.toCharacter(range.toString().length);
    }

    _offsetAt(x, y) {
      const caret = document.caretPositionFromPoint?.(x, y);
      const range = caret ? null : document.caretRangeFromPoint?.(x, y);
      const [node, offset] = caret ? [caret.offsetNode, caret.offset] : [range?.startContainer, range?.startOffset];
      return node && this.root.contains(node) ? this._offset(node, offset) : null;
    }

    _copy(event) {
      const span = this.pending ?? this.current;
      if (!span || !document.getSelection().isCollapsed) return;
      event.clipboardData.setData("text/plain", this.slice(span.start, span.end));
      event.preventDefault();
    }

    _press(event) {
      this._pressed = true;
      const edge = event.target.closest?.(".se-edge");
      if (!edge) return;
      event.preventDefault();
      this.root.setPointerCapture(event.pointerId);
      this.menu.close();
      this.dragged = edge.dataset.edge;
      const { start, end } = this.pending ?? this.current;
      this.draft = { start, end };
      this.render();
    }

    _drag(event) {
      if (!this.dragged) return;
      const at = this._offsetAt(event.clientX, event.clientY);
      if (at === null) return;
      const next = { ...this.draft, [this.dragged]: at };
      if (next.start < next.end && !sameSpan(next, this.draft)) {
        this.draft = next;
        if (this.pending) this.pending = next;
        this.render();
      }
    }

    _release(event) {
      this._pressed = false;
      if (event.button > 0) return;
      if (this.dragged) {
        const next = this.draft;
        this.dragged = this.draft = null;
        if (this.pending) this._setPending(next);
        else if (!sameSpan(next, this.current)) this._change(this.current, next);
        else this.render();
        return;
      }
      const selection = document.getSelection();
      const range = selection.rangeCount && !selection.isCollapsed ? selection.getRangeAt(0) : null;
      if (range && !this.options.isReadOnly && this.root.contains(range.startContainer) && this.root.contains(range.endContainer)) {
        const span = { start: this._offset(range.startContainer, range.startOffset),
          end: this._offset(range.endContainer, range.endOffset) };
        selection.removeAllRanges();
        this._setPending(span);
        return;
      }
      this._tap(event);
    }

    _tap(event) {
      const key = event.target.closest?.("mark[data-key]")?.dataset.key;
      const mark = this.marks.find((one) => keyOf(one) === key);
      if (mark) this.select(mark, true);
      else if (event.pointerType === "touch" && !this.pending) this._setPending(this._wordAt(event.clientX, event.clientY));
      else this.select(null);
    }

    /** The word under a finger, whose edges can then be dragged. */
    _wordAt(x, y) {
      const at = this._offsetAt(x, y);
      if (at === null) return null;
      const unit = this.places.units[Math.min(at, this.places.count - 1)];
      const words = new Intl.Segmenter("zh", { granularity: "word" }).segment(this.text);
      const { index, segment } = words.containing(unit);
      return { start: this.places.toCharacter(index), end: this.places.toCharacter(index + segment.length) };
    }

    _setPending(span) {
      if (!span || this.options.isReadOnly) return;
      let { start, end } = span;
      while (start < end && !this.slice(start, start + 1).trim()) start += 1;
      while (start < end && !this.slice(end - 1, end).trim()) end -= 1;
      if (start >= end) return;
      const known = this.marks.find((mark) => sameSpan(mark, { start, end }));
      if (known) { this.select(known, true); return; }
      this.selected = null;
      this.pending = { start, end };
      this.render();
      this.openMenu();
    }

    // Keys.
    _key(event) {
      const { key } = event;
      const command = event.ctrlKey || event.metaKey;
      let isUsed = true;
      if (command && key.toLowerCase() === "z") { if (event.shiftKey) this.redo(); else this.undo(); }
      else if (command && key.toLowerCase() === "y") this.redo();
      else if (command || event.altKey || this.options.onKey?.(event)) isUsed = event.defaultPrevented;
      else if (key === "n" || (key === "Tab" && this.selected && !event.shiftKey)) isUsed = this.next(1, true, key === "n") || key === "n";
      else if (key === "p" || (key === "Tab" && this.selected)) isUsed = this.next(-1, true, key === "p") || key === "p";
      else if (key === "Enter") { if (this.current) { this.accept(); this.next(1, true, true); } }
      else if (key === "Delete" || key === "Backspace") { if (this.current) { this.remove(); this.next(1, true, true); } }
      else if (key === "Escape") { if (this.pending || this.menu.isOpen) this.closeMenu(); else this.select(null); }
      else if (key === "ArrowDown" || key === "ArrowUp") this.next(key === "ArrowDown" ? 1 : -1, false);
      else if (key === "ArrowLeft" || key === "ArrowRight") this.move(event.shiftKey ? "start" : "end", key === "ArrowLeft" ? -1 : 1);
      else if (key === "m" || key === "0") { this.openMenu(); this.menu.focus(); }
      else if (key === "a") this._setPending(this._afterCurrent());
      else if (/^[1-9]$/.test(key) && this.types[key - 1]) this.retype(this.types[key - 1].name);
      else isUsed = false;
      if (isUsed) event.preventDefault();
    }

    /** The first character behind the selected mark, for those who add without a mouse. */
    _afterCurrent() {
      const start = Math.min((this.current ?? this.last ?? { end: 0 }).end, this.places.count - 1);
      return { start, end: start + 1 };
    }
  }

  /** What the editor says; the keys `sure`, `fair` and `check` are levels, the others reviews and commands. */
  SpansEditor.WORDS = {
    text: "Text with entities", menu: "Type", accept: "Accept", remove: "Not an entity", cancel: "Cancel", none: "Not an entity",
    sure: "certain", fair: "fairly certain", check: "please check", accepted: "accepted", corrected: "corrected",
    added: "added", deleted: "deleted", dismissed: "no entity",
  };
  return SpansEditor;
})();
