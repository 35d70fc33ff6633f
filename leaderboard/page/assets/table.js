/* Sortable tables, and intervals drawn in their cells. */

/**
 * A table whose columns sort on a click or Enter.
 *
 * columns: {title, key?, value?(row), cell(row), num?, head?, first? "ascending" | "descending", kind?, wide?}; with
 * a value a column sorts; rows without a value stay last; wide columns are left out on a telephone, where detail(row),
 * more about a row that is shown on demand, has them.
 */
function sortableTable({ caption, columns, rows, name, detail, rowClass, sort }) {
  const body = h("tbody");
  const heads = columns.map((column, place) => {
    const title = column.value
      ? h("button", { class: "sort", type: "button", onclick: () => sortBy(place) }, column.title)
      : column.title;
    return h("th", { scope: "col", class: [column.num ? "num" : "", column.kind || "", column.wide ? "wide" : ""].join(" ") }, title, column.head || null);
  });
  let lines = rows.map((row) => {
    const line = h("tr", { class: rowClass ? rowClass(row) : "", "data-agent": row.agent }, columns.map((column, place) =>
      h(place ? "td" : "th", { scope: place ? null : "row", class: [column.num ? "num" : "", column.kind || "", column.wide ? "wide" : "", place || row.agent.length > 26 ? "" : "short"].join(" ") },
        column.cell(row))));
    return { row, line, more: null };
  });
  if (detail) {
    for (const item of lines) {
      const button = h("button", { type: "button", class: "more", "aria-expanded": "false",
        "aria-label": `More about ${item.row.agent}`, onclick: () => toggle(item, button) });
      item.line.firstChild.prepend(button);
    }
  }
  function toggle(item, button) {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) {
      item.more.remove();
      item.more = null;
    } else {
      item.more = h("tr", { class: "detail" }, h("td", { colspan: columns.length }, detail(item.row)));
      item.line.after(item.more);
    }
  }
  let sorted = { place: -1, direction: 1 };
  function sortBy(place, direction) {
    const column = columns[place];
    const natural = (column.first || (column.num ? "descending" : "ascending")) === "ascending" ? 1 : -1;
    sorted = { place, direction: direction || (sorted.place === place ? -sorted.direction : natural) };
    const keyed = lines.map((item) => ({ item, key: column.value(item.row) }));
    const isEmpty = (key) => key === null || key === undefined;
    keyed.sort((one, two) => {
      if (isEmpty(one.key) || isEmpty(two.key)) return isEmpty(one.key) - isEmpty(two.key);
      const by = typeof one.key === "string" ? one.key.localeCompare(two.key, "en", { numeric: true }) : one.key - two.key;
      return by * sorted.direction;
    });
    lines = keyed.map(({ item }) => item);
    body.replaceChildren(...lines.flatMap((item) => (item.more ? [item.line, item.more] : [item.line])));
    heads.forEach((head, number) => {
      if (number === place) head.setAttribute("aria-sort", sorted.direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
  }
  body.append(...lines.map((item) => item.line));
  if (sort) sortBy(...sort);
  const made = h("table", { class: name, "aria-label": caption }, h("thead", {}, h("tr", {}, heads)), body);
  const scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
  scroll.filter = (keeps) => {
    let shown = 0;
    for (const item of lines) {
      const hidden = !keeps(item.row);
      item.line.hidden = hidden;
      if (item.more) item.more.hidden = hidden;
      shown += !hidden;
    }
    return shown;
  };
  return h("div", { class: "sheet" }, h("p", { class: "caption" }, caption), scroll);
}

/** A linear scale with round ticks around all the intervals: percentages of a cell's width. */
function intervalScale(values) {
  const known = values.filter(isNumber);
  let [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const raw = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (step / power === 2.5 ? 1 : 0));
  const start = Math.floor(low / step) * step;
  const end = Math.ceil(high / step) * step;
  const ticks = Array.from({ length: Math.round((end - start) / step) + 1 }, (_, place) => start + place * step);
  const at = (value) => `${(100 * (value - start)) / (end - start)}%`;
  return { ticks, at, label: (tick) => fixed(tick, digits) };
}

function axisHead(scale) {
  return h("svg", { class: "interval axis", "aria-hidden": "true" }, scale.ticks.map((tick) => h("text", {
    x: scale.at(tick), y: "1.2rem", "text-anchor": "middle",
  }, scale.label(tick))));
}

function intervalMark(scale, place, point, low, high, tip) {
  const drawn = h("svg", { class: "interval", "aria-hidden": "true" },
    scale.ticks.map((tick) => h("line", { class: "zero", x1: scale.at(tick), x2: scale.at(tick), y1: "-150%", y2: "250%" })),
    isNumber(low) && isNumber(high) ? h("line", { class: "bar", x1: scale.at(low), x2: scale.at(high), y1: "50%", y2: "50%",
      style: { stroke: colourName(place) } }) : null,
    isNumber(point) ? h("line", { class: "point", x1: scale.at(point), x2: scale.at(point), y1: "12%", y2: "88%", style: { stroke: colourName(place) } }) : null);
  return withTip(drawn, tip);
}
