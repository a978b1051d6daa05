// The menu of a spans editor: the types, and what else can be done with a mark.
window.SpansMenu = (() => {
  "use strict";

  const { element } = window.SpansState;
  const MARGIN = 6;

  return class SpansMenu {
    /** `onChoice(action, label)` is called with "accept", "remove", "cancel", or "type" and the name of one. */
    constructor(host, words, onChoice) {
      this.host = host;
      this.words = words;
      this.node = element("div", "se-menu");
      this.node.setAttribute("role", "menu");
      this.node.hidden = true;
      const choose = (event) => {
        const button = event.target.closest("button");
        if (button) onChoice(button.dataset.action, button.dataset.label);
      };
      // A finger chooses as it leaves, however long it rested; a click that comes after that finds the menu closed.
      this.node.addEventListener("pointerup", (event) => { if (event.pointerType === "touch") choose(event); });
      this.node.addEventListener("click", (event) => { if (event.pointerType !== "touch") choose(event); });
      this.node.addEventListener("keydown", (event) => this._key(event, onChoice));
    }

    get isOpen() { return !this.node.hidden; }
    close() { this.node.hidden = true; }
    focus() { this.node.firstChild?.focus(); }

    /** Beside an element; `mark` is what it stands for, null for a new one. */
    open(anchor, types, mark) {
      const items = types.map((type, number) => this._type(type, number, mark));
      if (mark) {
        const isNone = mark.label === null;
        items.unshift(this._item("accept", isNone ? this.words.none : this.words.accept, "Enter"));
        if (!isNone) items.push(this._item("remove", this.words.remove, "Del"));
      } else items.push(this._item("cancel", this.words.cancel, "Esc"));
      this.node.replaceChildren(...items);
      this.node.setAttribute("aria-label", this.words.menu);
      this.node.hidden = false;
      this._place([...anchor.getClientRects()]);
    }

    _place(boxes) {
      const host = this.host.getBoundingClientRect();
      const { offsetWidth, offsetHeight } = this.node;
      const top = boxes[0].top - offsetHeight - MARGIN;
      const below = boxes.at(-1).bottom + MARGIN;
      const fitsBelow = below + offsetHeight < window.innerHeight || top < 0;
      this.node.style.left = `${Math.max(0, Math.min(boxes[0].left - host.left, host.width - offsetWidth))}px`;
      this.node.style.top = `${(fitsBelow ? below : top) - host.top}px`;
    }

    _type(type, number, mark) {
      const button = this._item("type", type.title, number < 9 ? `${number + 1}` : "");
      const dot = element("span", "se-dot");
      dot.style.cssText = type.style;
      button.prepend(dot);
      button.dataset.label = type.name;
      if (mark?.label === type.name) button.setAttribute("aria-current", "true");
      if (type.tip) button.title = type.tip;
      return button;
    }

    _item(action, title, key) {
      const button = element("button", `se-item se-${action}`);
      button.type = "button";
      button.tabIndex = -1;
      button.setAttribute("role", "menuitem");
      button.dataset.action = action;
      button.append(element("span", "", title));
      if (key) button.append(element("kbd", "", key));
      return button;
    }

    _key(event, onChoice) {
      const items = [...this.node.children];
      const at = items.indexOf(document.activeElement);
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (step) items[(at + step + items.length) % items.length].focus();
      else if (event.key === "Escape") onChoice("cancel");
      else return;
      event.preventDefault();
    }
  };
})();
