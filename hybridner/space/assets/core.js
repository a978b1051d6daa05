// What the page's scripts share: words in the page's language, data that comes from the server, and small tools.
window.hybridner = (() => {
  "use strict";

  const listeners = {};
  const seen = {};
  let words = {};
  let language = null;

  /** One of the page's texts with its placeholders filled in. */
  const say = (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

  /** Call a function with what comes under a name: "language", or data of an element `.hn-data`. */
  const listen = (name, work) => {
    (listeners[name] ??= []).push(work);
    if (name in seen) work(JSON.parse(seen[name]));
  };

  const tell = (name, json) => {
    if (seen[name] === json) return;
    seen[name] = json;
    for (const work of listeners[name] ?? []) work(JSON.parse(json));
  };

  const update = () => {
    const head = document.querySelector(".hn-head");
    if (!head) return;
    // Not on every change of the page: there are hundreds of words.
    if (head.dataset.language !== language) {
      language = head.dataset.language;
      words = JSON.parse(head.dataset.words);
    }
    tell("language", JSON.stringify(head.dataset.language));
    for (const part of document.querySelectorAll(".hn-data")) {
      for (const [name, json] of Object.entries(part.dataset)) tell(name, json);
    }
  };
  new MutationObserver(update).observe(document, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-language", "data-result", "data-queue"],
  });

  /** An element with attributes and children; `onclick` and the like are listeners. */
  const make = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value === true || value === false) node.toggleAttribute(key, value);
      else if (value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  };

  const button = (text, onclick, attributes = {}) => make("button", { type: "button", class: "hn-button", onclick, ...attributes }, text);

  /** The first element that matches a selector, as soon as there is one; gradio draws the page by and by. */
  const mounted = (selector, work) => {
    const found = () => {
      const node = document.querySelector(selector);
      if (!node || node.dataset.mounted) return;
      node.dataset.mounted = "true";
      work(node);
    };
    new MutationObserver(found).observe(document, { childList: true, subtree: true });
    found();
  };

  const download = (name, content) => {
    const link = make("a", { href: URL.createObjectURL(content instanceof Blob ? content : new Blob([content])), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  /** Whether a text is in the clipboard now; browsers offer it to pages with https and on the own computer only. */
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = make("textarea", { class: "hn-offscreen" });
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };

  /** Send JSON to one of the page's own addresses. */
  const post = (path, data) => fetch(new URL(`hybridner/${path}`, document.baseURI), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...data, language: document.documentElement.lang }),
  });

  /** Its answer as a file; otherwise an error that says why not, in the page's language. */
  const postForFile = async (path, data) => {
    let answer;
    try {
      answer = await post(path, data);
    } catch {
      throw new Error(say("offline"));
    }
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? say("offline"));
    const name = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("Content-Disposition"));
    download(name ? decodeURIComponent(name[1]) : "export", await answer.blob());
  };

  return { say, listen, make, button, mounted, download, copy, post, postForFile };
})();
