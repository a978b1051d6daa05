// A queue of texts to be reviewed: in order of doubt, with progress, saved as it goes, and exported in the formats of other tools.
(() => {
  "use strict";

  const { say, listen, make, button, mounted, download, postForFile, queueStorage: storage, Panel } = hybridner;
  const FORMATS = ["feedback", "conll", "jsonl", "doccano", "label-studio", "prodigy", "argilla", "brat", "cluener", "html"];

  mounted("#queue-here", (host) => {
    let queue = null;
    let order = [];
    let at = 0;

    const resume = make("div", { class: "hn-resume" });
    const title = make("h2", { class: "hn-queue-name" });
    const bar = make("progress", { max: 1, value: 0 });
    const progress = make("span", { class: "hn-progress", "aria-live": "polite" });
    const sorting = make("select", { onchange: () => { sort(); go(0); } });
    const other = button("", () => { queue = null; box.hidden = true; offerResume(); });
    const list = make("ol", { class: "hn-list", onkeydown: (event) => listKey(event) });
    const work = make("div", { class: "hn-work" });
    const place = make("p", { class: "hn-place" });
    const panel = new Panel(work, { onChange: () => judged(), onKey: (event) => key(event) });
    const previous = button("", () => go(at - 1));
    const next = button("", () => go(at + 1));
    const done = button("", () => finish(), { class: "hn-button hn-strong" });
    const format = make("select");
    const take = button("", () => exportAll());
    const told = make("span", { class: "hn-told", role: "status" });
    const saved = make("span", { class: "hn-small-print", role: "status" });
    const learns = make("p", { class: "hn-small-print" });
    work.prepend(place);
    work.append(make("div", { class: "hn-review-bar" }, previous, done, next, saved));
    const box = make("section", { class: "hn-queue", hidden: true },
      make("div", { class: "hn-queue-head" }, title, bar, progress, sorting, other),
      make("div", { class: "hn-queue-body" }, list, work),
      make("div", { class: "hn-take-away" }, format, take, told), learns);
    host.append(resume, box);

    const current = () => queue.items[order[at]];
    const stateOf = (item) => (item.complete ? "done" : item.touched.length ? "begun" : "new");

    const sort = () => {
      order = queue.items.map((_, number) => number);
      if (sorting.value === "doubt") order.sort((a, b) => queue.items[b].doubt - queue.items[a].doubt);
      list.replaceChildren(...order.map((number, position) => {
        const item = queue.items[number];
        const label = item.id ? `${item.id} · ${item.text}` : item.text;
        return make("li", {}, make("button", {
          type: "button", tabindex: "-1", class: `hn-entry hn-${stateOf(item)}`, onclick: () => go(position),
        }, make("span", { class: "hn-doubt-bar", "aria-hidden": "true", style: `--share:${Math.min(1, item.doubt / 4)}` }),
        label.slice(0, 40)));
      }));
    };

    const entry = (position) => list.children[position]?.firstChild;

    const go = (position) => {
      if (position < 0 || position >= order.length) return;
      const before = entry(at);
      before?.removeAttribute("aria-current");
      before?.setAttribute("tabindex", "-1");
      at = position;
      const item = current();
      panel.load({ ...item, types: queue.types });
      const button = entry(at);
      button.setAttribute("aria-current", "true");
      button.setAttribute("tabindex", "0");
      list.scrollTop = button.parentElement.offsetTop - list.clientHeight / 3;
      const mark = panel.editor.marks.find((one) => !one.review && one.level === "check");
      if (mark) panel.editor.select(mark);
      draw();
    };

    const draw = () => {
      const finished = queue.items.filter((item) => item.complete).length;
      bar.max = queue.items.length;
      bar.value = finished;
      progress.textContent = say("queue_progress", { done: finished, all: queue.items.length });
      place.textContent = say("queue_place", { at: at + 1, all: order.length, id: current().id || "–" });
      entry(at).className = `hn-entry hn-${stateOf(current())}`;
      previous.disabled = at === 0;
      next.disabled = at === order.length - 1;
    };

    const judged = () => {
      const item = current();
      item.touched = panel.editor.touched;
      item.complete &&= !panel.editor.open.length;
      const isSaved = storage.saveReview(queue.id, order[at], item);
      saved.textContent = isSaved ? say("saved_here") : say("storage_full");
      if (queue.saves) {
        storage.saveOnServer(queue, Panel.reviewOf(item), (isWell) => { saved.textContent = say(isWell ? "saved_there" : "not_saved"); });
      }
      draw();
    };

    /** The rest is right, the text is done; on to the next one that is not. */
    const finish = () => {
      const item = current();
      item.complete = true;
      if (panel.editor.open.length) panel.editor.acceptAll(); else judged();
      const ahead = [...order.keys()].map((step) => (at + step) % order.length).find((one) => !queue.items[order[one]].complete);
      if (ahead === undefined) told.textContent = say("queue_done"); else go(ahead);
      panel.editor.root.focus({ preventScroll: true });
    };

    const key = (event) => {
      const work = event.key === "Enter" && event.shiftKey ? finish
        : { PageDown: () => go(at + 1), "]": () => go(at + 1), PageUp: () => go(at - 1), "[": () => go(at - 1) }[event.key];
      if (!work) return false;
      event.preventDefault();
      work();
      return true;
    };

    const listKey = (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      go(at + step);
      entry(at).focus({ preventScroll: true });
    };

    const exportAll = async () => {
      const name = format.value;
      const isOwn = name === "feedback";
      const reviews = queue.items.filter((item) => item.complete || (isOwn && item.touched.length)).map(Panel.reviewOf);
      if (!reviews.length) { told.textContent = say("nothing_to_export"); return; }
      try {
        if (isOwn) download("feedback.jsonl", reviews.map((review) => `${JSON.stringify(review)}\n`).join(""));
        else await postForFile("export", { model: queue.model, format: name, items: reviews });
        told.textContent = say("exported", { count: reviews.length });
      } catch (error) {
        told.textContent = error.message;
      }
    };

    const open = (given) => {
      queue = given;
      queue.items.forEach((item, number) => {
        const local = storage.review(queue.id, number);
        item.touched = local?.touched ?? item.touched ?? [];
        item.complete = local?.complete ?? item.complete ?? false;
      });
      box.hidden = false;
      resume.hidden = true;
      title.textContent = queue.name;
      saved.textContent = storage.save(queue) ? "" : say("storage_full");
      sorting.value = queue.order;
      sort();
      const first = order.findIndex((number) => !queue.items[number].complete);
      at = 0;
      go(Math.max(first, 0));
    };

    const speak = () => {
      panel.speak();
      const options = (select, keys, name) => {
        const { value } = select;
        select.replaceChildren(...keys.map((one) => make("option", { value: one }, say(name(one)))));
        if (value) select.value = value;
      };
      options(sorting, ["doubt", "file"], (one) => `order_${one}`);
      options(format, FORMATS, (one) => `format_${one.replace("-", "_")}`);
      sorting.setAttribute("aria-label", say("order"));
      format.setAttribute("aria-label", say("format"));
      list.setAttribute("aria-label", say("queue_list"));
      bar.setAttribute("aria-label", say("queue_bar"));
      for (const [part, word] of [[previous, "previous"], [next, "next"], [done, "done_and_next"], [take, "export"],
        [other, "other_file"]]) {
        part.textContent = say(word);
      }
      learns.textContent = say("learn_needs");
      offerResume();
      if (queue) draw();
    };

    const offerResume = () => {
      const known = Object.entries(storage.known());
      resume.hidden = !known.length || Boolean(queue);
      resume.replaceChildren(make("h2", {}, say("resume")), ...known.map(([id, { name, count }]) => make("p", {},
        make("span", {}, say("resume_entry", { name, count })),
        button(say("resume_button"), () => { const stored = storage.load(id); if (stored) open(stored); }),
        button(say("forget"), () => { storage.forget(id); offerResume(); }))));
    };

    listen("language", speak);
    listen("queue", open);
  });
})();
