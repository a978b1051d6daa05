// Queues in the browser's storage: each under its id, what was judged of each of its texts under a key of its own, so that a click
// writes little. On the server's disk too, where the operator allows it.
hybridner.queueStorage = (() => {
  "use strict";

  const { post } = hybridner;
  const PREFIX = "hybridner.queue.";
  const LIST = "hybridner.queues";

  const read = (key) => {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch {
      return null;
    }
  };

  /** False where the browser has no room, or keeps nothing for this page. */
  const write = (key, value) => {
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  };

  const known = () => read(LIST) ?? {};
  const load = (id) => read(PREFIX + id);
  const review = (id, number) => read(`${PREFIX}${id}.${number}`);
  const saveReview = (id, number, item) => write(`${PREFIX}${id}.${number}`, { touched: item.touched, complete: item.complete });

  const forget = (id) => {
    for (const key of Object.keys(localStorage)) {
      if (key === PREFIX + id || key.startsWith(`${PREFIX}${id}.`)) localStorage.removeItem(key);
    }
    const rest = known();
    delete rest[id];
    write(LIST, rest);
  };

  const save = (queue) => {
    const items = queue.items.map(({ touched, complete, ...item }) => item);
    const isSaved = write(PREFIX + queue.id, { ...queue, items });
    return isSaved && write(LIST, { ...known(), [queue.id]: { name: queue.name, count: queue.items.length } });
  };

  // On the server: one request at a time, always with the latest state of a text.
  const waiting = new Map();
  let isBusy = false;
  const saveOnServer = async (queue, review, onOutcome) => {
    waiting.set(review.text, review);
    if (isBusy) return;
    isBusy = true;
    let isWell = true;
    for (const [text, latest] of waiting) {
      waiting.delete(text);
      isWell = await post("save", { queue: queue.id, model: queue.model, item: latest }).then((answer) => answer.ok, () => false);
    }
    isBusy = false;
    onOutcome(isWell);
  };

  return { known, load, save, forget, review, saveReview, saveOnServer };
})();
