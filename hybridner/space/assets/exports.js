// What can be taken away from a result: JSON, CSV and HTML as files and for the clipboard, and a link that restores it.
hybridner.exports = (() => {
  "use strict";

  const { copy, download, postForFile } = hybridner;

  /** The entities as they stand now: the model's as the pipeline gives them, and what a person decided. */
  const entitiesOf = (editor) => editor.entities.map((mark) => (mark.review
    ? { entity_group: mark.label, word: editor.slice(mark.start, mark.end), start: mark.start, end: mark.end, source: "human",
      review: mark.review }
    : mark.entity));

  const asJson = (editor) => JSON.stringify({ text: editor.text, entities: entitiesOf(editor) }, null, 1);

  const asCsv = (editor) => {
    const columns = ["word", "entity_group", "start", "end", "score", "uncertainty", "source", "needs_review"];
    // A cell that begins like a formula would be run as one by a spreadsheet.
    const cell = (value) => `"${String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
    const lines = [columns, ...entitiesOf(editor).map((entity) => columns.map((column) => entity[column]))];
    // With the mark by which spreadsheets know UTF-8.
    return `\ufeff${lines.map((line) => line.map((value) => (typeof value === "number" ? value : cell(value))).join(",")).join("\r\n")}\r\n`;
  };

  /** Text and settings, never a key, behind the # of the address, which browsers do not send to servers. */
  const asLink = (state) => {
    const bytes = new TextEncoder().encode(JSON.stringify(state));
    const packed = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    return `${location.origin}${location.pathname}#hn=${packed.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
  };

  /** The state that the page's own address holds, as JSON; empty where it holds none. */
  const readLink = () => {
    const packed = /^#hn=([\w-]+)$/.exec(location.hash)?.[1];
    if (!packed) return "";
    try {
      const bytes = Uint8Array.from(atob(packed.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
      return JSON.stringify(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
    } catch {
      return "";
    }
  };

  const link = (editor, { model, settings }) => asLink({ text: editor.text, model, ...settings });

  const html = (editor, { model }) => postForFile("export", {
    model, format: "html",
    items: [{ text: editor.text, complete: true,
      entities: editor.entities.map(({ start, end, label }) => ({ start, end, label, review: "added" })) }],
  });

  return {
    readLink,
    actions: {
      copy_json: (editor) => copy(asJson(editor)),
      json: (editor) => download("entities.json", asJson(editor)),
      csv: (editor) => download("entities.csv", asCsv(editor)),
      html,
      copy_link: (editor, item) => copy(link(editor, item)),
    },
  };
})();
