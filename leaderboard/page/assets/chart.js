/* Line charts with intervals, drawn by uPlot; each comes with a table of its points. */

const charts = new Set();

/**
 * curves: [{agent, place, x: [], mean: [], low: [], high: [], n?: [], seeds?: [[seed, xs, ys], ...]}].
 * options: {label, xLabel, yLabel, yRange, log, withSeeds, lines: [{value, label, dash}], digits, xShow}
 */
function lineChart(curves, options) {
  const box = h("div", { class: "chart", role: "img", "aria-label": `${options.label}; the table below has its values` });
  const item = { box, plot: null, draw: () => draw(item, curves, options) };
  charts.add(item);
  new ResizeObserver(() => {
    if (!box.isConnected || !box.clientWidth) return;
    if (!item.plot) item.draw();
    else if (item.plot.width !== box.clientWidth) item.plot.setSize({ width: box.clientWidth, height: item.plot.height });
  }).observe(box);
  box.redraw = (others) => { curves = others; item.draw(); };
  return box;
}

function redrawCharts() {
  for (const item of charts) {
    if (item.box.isConnected) item.draw();
    else charts.delete(item);
  }
}

/** Puts curves with their own points on one axis: [x, series…], null where a series has no point. */
function aligned(columns) {
  const all = [...new Set(columns.flatMap(([x]) => x))].filter(isNumber).sort((one, two) => one - two);
  const place = new Map(all.map((value, number) => [value, number]));
  const made = columns.map(([x, y]) => {
    const column = new Array(all.length).fill(undefined);
    x.forEach((value, number) => { if (place.has(value)) column[place.get(value)] = y[number]; });
    return column;
  });
  return [all, ...made];
}

function draw(item, curves, options) {
  if (item.plot) item.plot.destroy();
  const columns = [];
  const series = [{}];
  const bands = [];
  const heads = [];
  const add = (x, y, style) => {
    columns.push([x, y]);
    series.push({ spanGaps: true, points: { show: x.length === 1 }, ...style });
    return series.length - 1;
  };
  for (const curve of curves) {
    const colour = colourOf(curve.place);
    const dash = DASHES[Math.floor(curve.place / 10) % DASHES.length];
    if (options.withSeeds) for (const [, x, y] of curve.seeds) add(x, y, { stroke: `${colour}66`, width: 1, dash });
    const quiet = { stroke: "transparent", width: 0, points: { show: false } };
    const low = add(curve.x, curve.low, quiet);
    const high = add(curve.x, curve.high, quiet);
    bands.push({ series: [high, low], fill: `${colour}26` });
    heads.push([add(curve.x, curve.mean, { stroke: colour, width: 2, dash }), low, high, curve]);
  }
  const grid = { stroke: ink("--line"), width: 1 };
  const axis = { stroke: ink("--soft"), grid, ticks: { show: false }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
  item.plot = new uPlot({
    width: item.box.clientWidth || 600,
    height: options.height || 320,
    legend: { show: false },
    cursor: { points: { show: false }, y: false },
    scales: { x: { time: false, distr: options.log ? 3 : 1 }, ...(options.yRange ? { y: { range: options.yRange } } : {}) },
    series,
    bands,
    axes: [
      { ...axis, label: options.xLabel, labelSize: 22, size: 30, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) },
      { ...axis, size: 52, ...(options.yLabel ? { label: options.yLabel, labelSize: 20 } : {}) },
    ],
    hooks: { drawAxes: [(plot) => fixedLines(plot, options.lines || [])], setCursor: [(plot) => cursorTip(plot, heads, options)] },
  }, columns.length ? aligned(columns) : [[]], item.box);
  item.plot.over.addEventListener("pointerleave", hideTip);
}

function short(value) {
  if (Math.abs(value) >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
  if (Math.abs(value) >= 1e3) return `${+(value / 1e3).toFixed(2)}k`;
  return `${+value.toFixed(3)}`;
}

/** Dashed lines at fixed values, where the vertical axis reaches them. */
function fixedLines(plot, lines) {
  const { ctx, bbox } = plot;
  for (const { value, label, dash } of lines) {
    if (!isNumber(value) || value < plot.scales.y.min || value > plot.scales.y.max) continue;
    const y = Math.round(plot.valToPos(value, "y", true));
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = ink("--soft");
    ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    const above = y - bbox.top > 20 * devicePixelRatio;
    ctx.fillText(label, bbox.left + bbox.width - 4, above ? y - 5 * devicePixelRatio : y + 13 * devicePixelRatio);
    ctx.restore();
  }
}

const MOST_IN_TIP = 12;
function cursorTip(plot, heads, options) {
  const { left, top, idx } = plot.cursor;
  if (idx === null || idx === undefined || left < 0) return hideTip();
  const x = plot.data[0][idx];
  const found = heads.map(([mean, low, high, curve]) => ({ curve, value: plot.data[mean][idx], low: plot.data[low][idx], high: plot.data[high][idx] }))
    .filter((one) => isNumber(one.value)).sort((one, two) => two.value - one.value);
  if (!found.length) return hideTip();
  const box = plot.over.getBoundingClientRect();
  const show = (value) => fixed(value, options.digits);
  return showTip([
    h("b", {}, (options.xShow || ((value) => `${exact(value)} ${options.xLabel}`))(x)),
    ...found.slice(0, MOST_IN_TIP).map((one) => h("div", {}, dot(one.curve.place), `${one.curve.agent} ${show(one.value)}`,
      h("span", { class: "range" }, interval(one.low, one.high, show)))),
    found.length > MOST_IN_TIP ? h("div", {}, `and ${found.length - MOST_IN_TIP} more`) : null,
  ].filter(Boolean), box.left + left, box.top + top);
}

/** The points of a chart as a table, made when it is opened. */
function pointsTable(title, curves, options) {
  const details = h("details", {}, h("summary", {}, title));
  const fill = () => {
    const [xs, ...columns] = aligned(curves().flatMap((curve) => [[curve.x, curve.mean], [curve.x, curve.low], [curve.x, curve.high]]));
    const show = (value) => fixed(value, options.digits);
    const rows = xs.map((x, number) => h("tr", {}, h("th", { scope: "row", class: "num" }, exact(x)), curves().map((_, place) => {
      const [mean, low, high] = [0, 1, 2].map((part) => columns[3 * place + part][number]);
      return h("td", { class: "num" }, isNumber(mean) ? [show(mean), h("span", { class: "range" }, interval(low, high, show))] : "");
    })));
    details.replaceChildren(details.firstChild, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "num" }, options.xLabel), curves().map((curve) => h("th", { scope: "col", class: "num" }, curve.agent)))),
      h("tbody", {}, rows))));
  };
  details.addEventListener("toggle", () => { if (details.open) fill(); });
  details.refill = () => { if (details.open) fill(); };
  return details;
}

/** Check boxes for agents, as chips in their colours; `chosen` is a set that is changed in place. */
function agentChips(agents, chosen, changed) {
  const made = h("div", { class: "chips", role: "group", "aria-label": "Agents drawn" }, agents.map(([agent, place]) => h("label", { "data-agent": agent },
    h("input", { type: "checkbox", checked: chosen.has(agent), onchange: (event) => {
      if (event.target.checked) chosen.add(agent);
      else chosen.delete(agent);
      changed();
    } }), dot(place), agent)));
  return made;
}
