// The table of entities under a result: repeated ones in one row; a click on a row scrolls to its mark, and to the next of its kind.
hybridner.EntityTable = (() => {
  "use strict";

  const { say, make } = hybridner;
  const RANK = { check: 0, fair: 1, sure: 2 };

  /** Marks of the same word and type together, in the order of their first places. */
  const grouped = (editor) => {
    const groups = new Map();
    for (const mark of editor.entities) {
      const word = editor.slice(mark.start, mark.end);
      const key = `${mark.label}\n${word}`;
      if (!groups.has(key)) groups.set(key, { word, label: mark.label, marks: [] });
      groups.get(key).marks.push(mark);
    }
    return [...groups.values()];
  };

  const bar = (mark) => make("span", { class: "hn-bar", "aria-hidden": "true" },
    make("i", { style: `width:${Math.round(100 * Number(mark.uncertainty))}%` }));

  /** How sure: by whom it was judged, or in words with the number beside them. */
  const sureness = (mark) => (mark.review ? [make("span", { class: "hn-level hn-judged" }, say(mark.review))]
    : [make("span", { class: `hn-level hn-is-${mark.level}`, "data-tip": say(`${mark.level}_tip`) }, say(mark.level)), " ",
      make("span", { class: "hn-number", "data-tip": say("u_tip") }, bar(mark), `u ${mark.uncertainty}`)]);

  const votes = (mark) => (mark.agree ? make("details", { onclick: (event) => event.stopPropagation() },
    make("summary", {}, mark.agree), make("ul", {}, ...mark.votes.map((line) => make("li", {}, line)))) : "–");

  return class EntityTable {
    constructor(host, panel) {
      this.panel = panel;
      this.body = make("tbody");
      this.head = make("tr");
      host.append(make("table", { class: "hn-table" }, make("thead", {}, this.head), this.body));
    }

    draw() {
      const { editor } = this.panel;
      const columns = ["word", "type", "sureness", "votes", "decided_by"].map((name) => say(`column_${name}`));
      this.head.replaceChildren(...columns.map((column) => make("th", { scope: "col" }, column)));
      const rows = grouped(editor).filter((group) => group.marks.some((mark) => this.panel.matches(mark)));
      this.body.replaceChildren(...rows.map((group) => this._row(editor, group, columns)));
      if (!rows.length) this.body.append(make("tr", {}, make("td", { colspan: columns.length, class: "hn-empty" }, say("no_entities"))));
    }

    _row(editor, { word, label, marks }, columns) {
      const worst = [...marks].sort((a, b) => Boolean(a.review) - Boolean(b.review) || RANK[a.level] - RANK[b.level])[0];
      const type = editor.typeOf(label);
      let turn = 0;
      const go = () => { editor.select(marks[turn % marks.length]); turn += 1; };
      const times = marks.length > 1 && make("span", { class: "hn-times", title: say("times_tip") }, `×${marks.length}`);
      const cells = [
        [make("button", { type: "button", class: "hn-word", title: say("go_to") }, word), times],
        [make("span", { class: "hn-chip", style: type.style }, type.title)],
        sureness(worst),
        [votes(worst)],
        [worst.review ? say("by_you") : worst.decidedBy ?? "–"],
      ];
      return make("tr", { onclick: go }, ...cells.map((cell, number) =>
        make("td", { "data-column": columns[number] }, ...cell.filter(Boolean))));
    }
  };
})();
