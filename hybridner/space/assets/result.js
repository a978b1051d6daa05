// The result of one text: marked text to be read and corrected, its table, and what can be taken away.
(() => {
  "use strict";

  const { say, listen, make, button, mounted, download, Panel, EntityTable, exports } = hybridner;

  mounted("#result-here", (host) => {
    let item = null;
    //: What was judged of each text of this visit, by model and text; nothing of it leaves the page by itself.
    const kept = new Map();
    const keyOf = (given) => JSON.stringify([given.model, given.text]);

    const banner = make("p", { class: "hn-banner", role: "status", hidden: true });
    const progress = make("span", { class: "hn-progress", "aria-live": "polite" });
    const restIsRight = button("", () => { panel.editor.acceptAll(); setComplete(true); }, { class: "hn-button hn-strong" });
    const save = button("", () => {
      const reviews = [...kept.values()].filter((one) => one.complete || one.touched.length).map(Panel.reviewOf);
      download("feedback.jsonl", reviews.map((review) => `${JSON.stringify(review)}\n`).join(""));
    });
    const learns = make("span", { class: "hn-small-print" });
    const told = make("span", { class: "hn-told", role: "status" });
    const frame = make("div", { class: "hn-frame", tabindex: "0", role: "region" });
    const takeAway = make("div", { class: "hn-take-away" });
    const panel = new Panel(host, { onChange: () => { keep(false); draw(); }, onFilter: () => table.draw() });
    const table = new EntityTable(frame, panel);
    host.prepend(banner);
    host.append(make("div", { class: "hn-review-bar" }, progress, restIsRight, save, learns), frame, takeAway);

    const keep = (complete) => {
      const { text, found, touched } = panel.editor;
      kept.set(keyOf(item), { text, found, touched, complete });
    };
    const setComplete = (complete) => { keep(complete); draw(); };

    const draw = () => {
      if (!item) return;
      const { entities } = panel.editor;
      const state = kept.get(keyOf(item));
      const judged = entities.filter((mark) => mark.review).length;
      progress.textContent = say(state?.complete ? "text_done" : "judged", { judged, all: entities.length });
      const reviewed = [...kept.values()].filter((one) => one.complete || one.touched.length).length;
      save.textContent = say("save_reviews", { count: reviewed });
      save.disabled = !reviewed;
      restIsRight.disabled = Boolean(state?.complete);
      table.draw();
    };

    const speak = () => {
      panel.speak();
      restIsRight.textContent = say("rest_is_right");
      learns.textContent = say("learn_needs");
      frame.setAttribute("aria-label", say("table"));
      takeAway.replaceChildren(...Object.entries(exports.actions).map(([name, work]) => button(say(name), async () => {
        try {
          told.textContent = (await work(panel.editor, item)) === false ? say("not_copied") : say(`${name}_done`);
        } catch (error) {
          told.textContent = error.message;
        }
      }, { "data-action": name })), told);
      draw();
    };

    listen("language", speak);
    listen("result", (given) => {
      const isSame = item && keyOf(item) === keyOf(given);
      item = given;
      if (isSame) panel.refresh(given.found, given.types);
      else panel.load({ ...given, touched: kept.get(keyOf(given))?.touched ?? [] });
      if (isSame && kept.has(keyOf(given))) keep(kept.get(keyOf(given)).complete);
      banner.hidden = !given.banner;
      banner.textContent = given.banner ?? "";
      told.textContent = "";
      draw();
    });
  });
})();
