/* Who beats whom: in words, and as a matrix. */

const MOST_IN_MATRIX = 14;
const FEW = 10;

/** Sentences about every pair of an agent, or about neighbours in the ranking. */
function verdicts(pairs, names) {
  const list = h("ul", { class: "said" });
  const said = h("p", { class: "small soft", role: "status" });
  const all = h("button", { type: "button", onclick: () => fill(true) }, "Show all of them");
  const choice = h("select", { onchange: () => fill() },
    h("option", { value: "neighbours" }, "neighbours in the ranking"),
    h("option", { value: "found" }, "pairs with a difference"),
    names.map((name, place) => h("option", { value: `agent ${place}` }, `all pairs of ${name}`)));
  function fill(isWhole = false) {
    const number = new Map(names.map((name, place) => [name, place]));
    const keeps = choice.value === "neighbours" ? (pair) => number.get(pair.b) === number.get(pair.a) + 1
      : choice.value === "found" ? (pair) => pair.verdict !== 0
        : (pair) => [pair.a, pair.b].includes(names[Number(choice.value.slice(6))]);
    const chosen = pairs.filter(keeps);
    list.replaceChildren(...chosen.slice(0, isWhole ? chosen.length : FEW).map((pair) => h("li", { class: pair.verdict > 0 ? "up" : pair.verdict < 0 ? "down" : "" }, pair.said)));
    said.textContent = `${chosen.length} of ${pairs.length} pairs`;
    all.hidden = isWhole || chosen.length <= FEW;
  }
  fill();
  return h("div", {}, h("div", { class: "bar" }, h("label", {}, "Show ", choice), said), list, all);
}

/** P(row does better than column); tells = (a, b) => {p, low, high, verdict, words} or null. */
function matrix(names, tells, caption) {
  const shown = names.slice(0, MOST_IN_MATRIX);
  const cell = (a, b) => {
    const found = a === b ? null : tells(a, b);
    if (!found || !isNumber(found.chance)) return h("td", { class: "soft" }, a === b ? "" : "–");
    const weight = Math.abs(found.chance - 0.5) * 1.1;
    const made = h("td", { class: found.verdict ? "best" : "",
      style: { background: `rgba(var(${found.chance >= 0.5 ? "--good-wash" : "--bad-wash"}), ${weight.toFixed(2)})` } }, fixed(found.chance), found.verdict ? h("span", { class: "unseen" }, found.verdict > 0 ? " better" : " worse") : null);
    return withTip(made, () => [`${a} against ${b}`, ...found.words]);
  };
  return h("div", {},
    h("p", { class: "caption" }, caption),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", { class: "matrix", "aria-label": caption },
      h("thead", {}, h("tr", {}, h("td", {}), shown.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, shown.map((a) => h("tr", { "data-agent": a }, h("th", { scope: "row" }, a), shown.map((b) => cell(a, b))))))),
    names.length > shown.length ? h("p", { class: "small soft" }, `The ${shown.length} highest of ${names.length} agents; all pairs are in pairs.csv.`) : null);
}

const VERDICTS = { "1": "better", "-1": "worse", "0": "undecided" };

function pairWords(chance, low, high, p, verdict) {
  return [`P(better) ${fixed(chance)} ${interval(low, high)}`, `corrected p ${p}`, VERDICTS[verdict]];
}
