// What a spans editor knows: pure functions over plain objects.
//
// Places are characters (code points) of the text, [start, end), as everywhere outside JavaScript. `found` are the entities as a
// model gives them: {start, end, label, level, tip, ...}; a label of null is a span that is none but might be one. `touched` are
// those that somebody has judged: {start, end, label, review, was}, where `review` is "accepted", "corrected", "deleted", "added"
// or "dismissed" (a span that is none indeed). What is shown is worked out from the two, so `found` may be replaced at any time
// without a judgment being lost.
window.SpansState = (() => {
  "use strict";

  const sameSpan = (a, b) => a.start === b.start && a.end === b.end;
  const overlaps = (a, b) => a.start < b.end && b.start < a.end;
  const contains = (a, b) => a.start <= b.start && b.end <= a.end;
  const crosses = (a, b) => overlaps(a, b) && !contains(a, b) && !contains(b, a);
  const isLive = (entry) => entry.review !== "deleted" && entry.review !== "dismissed";
  const byPlace = (a, b) => a.start - b.start || b.end - a.end;
  const bare = ({ start, end, label }) => ({ start, end, label });
  const keyOf = ({ start, end }) => `${start}-${end}`;

  /** What is shown: all that was judged and not deleted, and of what was found the rest that fits beside it. */
  const visibleMarks = (found, touched) => {
    const marks = touched.filter(isLive);
    const judged = (mark) => touched.some((entry) => sameSpan(entry, mark) || sameSpan(entry.was ?? entry, mark));
    const ranked = [...found].sort((a, b) => (a.label === null) - (b.label === null));
    for (const mark of ranked) {
      const rivals = mark.label === null ? marks : marks.filter((other) => other.review);
      if (!judged(mark) && !rivals.some((other) => sameSpan(other, mark) || crosses(other, mark))) marks.push(mark);
    }
    return marks.sort(byPlace);
  };

  /** `touched` after a mark was deleted, or said to be none. */
  const without = (touched, mark) => {
    const rest = touched.filter((entry) => !sameSpan(entry, mark));
    if (mark.review === "added") return rest;
    const origin = mark.was ?? bare(mark);
    if (rest.some((entry) => sameSpan(entry, origin))) return rest;
    return [...rest, { ...origin, review: origin.label === null ? "dismissed" : "deleted" }];
  };

  /** `touched` after a mark was accepted, retyped or moved; what the new one crosses gives way to it. */
  const withChange = (found, touched, mark, change) => {
    const next = { ...bare(mark), ...change };
    let rest = touched.filter((entry) => !sameSpan(entry, mark));
    const deleted = touched.find((entry) => entry.review === "deleted" && sameSpan(entry, next));
    for (const other of visibleMarks(found, touched)) {
      const isRival = !sameSpan(other, mark) && (sameSpan(other, next) || crosses(other, next));
      if (isRival && (other.label !== null || other.review)) rest = without(rest, other);
    }
    rest = rest.filter((entry) => isLive(entry) || !sameSpan(entry, next));
    const origin = mark.review ? mark.was ?? (mark.review === "accepted" ? bare(mark) : deleted && bare(deleted))
      : mark.label === null || mark.isNew ? deleted && bare(deleted) : bare(mark);
    if (!origin) return [...rest, { ...next, review: "added" }];
    const isSame = sameSpan(origin, next) && origin.label === next.label;
    return [...rest, isSame ? { ...next, review: "accepted" } : { ...next, review: "corrected", was: origin }];
  };

  /** Where each character begins in JavaScript's own way of counting, and the other way round. */
  const characterPlaces = (text) => {
    const units = [0];
    for (const character of text) units.push(units.at(-1) + character.length);
    const toCharacter = (unit) => {
      let low = 0;
      let high = units.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (units[middle] <= unit) low = middle; else high = middle - 1;
      }
      return low;
    };
    return { units, count: units.length - 1, toCharacter };
  };

  const element = (name, className = "", text = "") => {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text) node.textContent = text;
    return node;
  };

  return { element, sameSpan, crosses, isLive, byPlace, bare, keyOf, visibleMarks, without, withChange, characterPlaces };
})();
