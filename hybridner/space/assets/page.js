// The page's script: the tip over marks, the language of what gradio itself says, and keyboard behavior of radio buttons.
(() => {
  "use strict";

  // Tips. The innermost element with a tip under pointer or focus shows it; a tap shows it on phones, Escape hides it.
  const tip = document.createElement("div");
  tip.id = "hn-tip";
  tip.setAttribute("aria-hidden", "true");
  const hideTip = () => { tip.style.display = "none"; };
  const showTip = (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (!target) { hideTip(); return; }
    if (!tip.isConnected) document.body.append(tip);
    tip.textContent = target.dataset.tip;
    tip.style.display = "block";
    const box = target.getClientRects()[0] || target.getBoundingClientRect();
    const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const fitsBelow = box.bottom + 8 + tip.offsetHeight < window.innerHeight || box.top < tip.offsetHeight + 8;
    tip.style.left = `${Math.max(8, left) + window.scrollX}px`;
    tip.style.top = `${(fitsBelow ? box.bottom + 8 : box.top - tip.offsetHeight - 8) + window.scrollY}px`;
  };
  for (const kind of ["mouseover", "focusin", "click"]) document.addEventListener(kind, showTip);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });

  // The foot of the page opens gradio's description of the interface by gradio's own button: `?view=api` alone does not.
  document.addEventListener("click", (event) => {
    if (event.target.closest?.(".hn-foot button")) document.querySelector("footer .show-api")?.click();
  });

  // What gradio says by itself, mostly English whatever the page's language, by the key of what is said instead.
  const gradioWords = {
    "processing |": "processing",
    "queue: ": "queue",
    "This application is currently busy. Please try again.": "busy",
    "Connection errored out.": "disconnected",
    "File(s) exceed the maximum allowed size of": "big_file",
  };
  const gradioTitles = { Error: "error", Warning: "warning" };
  const gradioLabels = { "range slider for": "slider", "number input for": "number" };
  const statuses = ".progress-text, .progress-level, [data-testid=toast-body], .error";

  const translate = (words) => {
    for (const status of document.querySelectorAll(statuses)) {
      const walker = document.createTreeWalker(status, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        let text = node.data;
        const title = gradioTitles[text.trim()];
        if (title) text = words[title];
        for (const [english, key] of Object.entries(gradioWords)) text = text.replaceAll(english, words[key]);
        if (text !== node.data) node.data = text;
      }
    }
    for (const [english, key] of Object.entries(gradioLabels)) {
      for (const part of document.querySelectorAll(`[aria-label^="${english}"]`)) {
        part.setAttribute("aria-label", part.getAttribute("aria-label").replace(english, words[key]));
      }
    }
  };

  // The radio buttons of one question are one stop of the Tab key, and the arrow keys move between them; gradio names each alone.
  const nameRadios = () => {
    for (const radio of document.querySelectorAll("input[type=radio]")) {
      const name = radio.closest("fieldset, .block")?.id || radio.parentElement.closest("[id]")?.id;
      if (name && radio.name !== name) radio.name = name;
    }
  };

  // Screen readers, hyphenation and the style sheet should know of the page's language.
  const update = () => {
    const head = document.querySelector(".hn-head");
    if (!head) return;
    const words = JSON.parse(head.dataset.ownWords);
    const root = document.documentElement;
    if (root.lang !== head.dataset.language) root.lang = head.dataset.language;
    const drop = JSON.stringify(words.drop);
    if (root.style.getPropertyValue("--hn-drop") !== drop) root.style.setProperty("--hn-drop", drop);
    translate(words);
    nameRadios();
  };
  new MutationObserver(update).observe(document, {
    childList: true, characterData: true, subtree: true, attributes: true, attributeFilter: ["name", "aria-label"],
  });
})();
