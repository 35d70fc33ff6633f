/* The overall view: ranking, verdicts, scores by task, profiles, efficiency, holes, how it was made. */

const AGGREGATES = [["iqm", "IQM"], ["median", "Median"], ["mean", "Mean"], ["optimality_gap", "Optimality gap"], ["area", "Area"]];
const LEVEL = (board) => `${Math.round(1000 * board.confidence) / 10}%`;

function rankingTable(board) {
  const place = new Map(board.agents.map((row, number) => [row.agent, number]));
  const scale = intervalScale(board.agents.flatMap((row) => [row.iqm, row.iqm_low, row.iqm_high]));
  const tip = (row) => () => [row.agent, `IQM ${estimate(row, "iqm")}`, `rank ${exact(row.rank)} ${interval(row.rank_low, row.rank_high, exact)}`,
    isNumber(row.first) ? `first in ${exact(+(100 * row.first).toFixed(3))}% of resamples` : row.unranked ? `not ranked: ${row.unranked}` : "scripted, not ranked"];
  const value = (name, title, extra) => ({
    title, num: true, value: (row) => row[name],
    cell: (row) => withTip(h("span", { class: name === "iqm" && row.mark === "best" ? "best" : "" }, withRange(row[name], row[name + "_low"], row[name + "_high"])),
      () => [row.agent, `${title} ${estimate(row, name)}`]), ...extra });
  const total = (row) => Object.values(row.runs).reduce((sum, count) => sum + count, 0);
  return sortableTable({
    caption: `Scores over tasks: ${board.scale}. Bars and brackets: ${LEVEL(board)} bootstrap intervals. ≈: the interval overlaps the best one’s.`,
    name: "ranking",
    rows: board.agents,
    rowClass: (row) => (row.scripted ? "fixed" : ""),
    sort: [1, 1],
    columns: [
      { title: "Agent", value: (row) => row.agent, cell: (row) => [dot(place.get(row.agent)), row.agent,
        row.mark === "tied" ? h("span", { class: "soft", title: "its interval overlaps the best one’s" }, " ≈", h("span", { class: "unseen" }, " not separated from the best")) : null,
        row.whole ? null : h("span", { class: "hole narrow" }, `${row.runs.done} of ${total(row)} runs`)] },
      { title: "Rank", num: true, first: "ascending", value: (row) => row.rank, cell: (row) => (isNumber(row.rank)
        ? withTip(h("span", {}, withRange(row.rank, row.rank_low, row.rank_high, exact)), tip(row)) : "–") },
      value("iqm", "IQM"),
      { title: "IQM interval", kind: "interval", head: axisHead(scale), value: (row) => row.iqm, first: "descending",
        cell: (row) => intervalMark(scale, place.get(row.agent), row.iqm, row.iqm_low, row.iqm_high, tip(row)) },
      { title: "First", num: true, wide: true, value: (row) => row.first, cell: (row) => percent(row.first) },
      value("optimality_gap", "Optimality gap", { first: "ascending", wide: true }),
      value("area", "Area", { wide: true }),
      { title: "Tasks", num: true, wide: true, value: (row) => row.tasks, cell: (row) => String(row.tasks) },
      { title: "Runs", num: true, wide: true, value: (row) => row.runs.done, cell: (row) => [`${row.runs.done}`,
        row.whole ? null : h("span", { class: "hole", title: "runs are missing, short, failed or not comparable" }, ` of ${total(row)}`)] },
    ],
    detail: (row) => [
      facts([
        ...AGGREGATES.map(([name, title]) => [title, estimate(row, name)]),
        ["Rank", isNumber(row.rank) ? estimate(row, "rank") : row.unranked ? `none: ${row.unranked}` : "none: it does not learn"],
        ["First", isNumber(row.first) ? `${exact(+(100 * row.first).toFixed(3))}% of resamples` : "–"],
        ["Tasks", String(row.tasks)],
        ["Runs", Object.entries(row.runs).filter(([, count]) => count).map(([name, count]) => `${count} ${name}`).join(", ")],
        ["Gradient steps a run", isNumber(row.updates) ? exact(Math.round(row.updates)) : "not recorded"],
        ["Wall time a run", duration(row.seconds)],
      ]),
      row.command ? [h("p", { class: "small soft" }, "This row again:"), commandLine(row.command)] : h("p", { class: "small soft" }, "Trained elsewhere: there is no command for it."),
    ],
  });
}

function scoresTable(board, rest) {
  const tasks = board.tasks;
  return sortableTable({
    caption: `${board.lead === "Win rate" ? board.lead : "Score"} on every task; darker is higher. A task’s name sorts.`,
    name: "scores",
    rows: board.agents.map((row) => ({ agent: row.agent, scores: rest.scores[row.agent], scripted: row.scripted })),
    rowClass: (row) => (row.scripted ? "fixed" : ""),
    columns: [
      { title: "Agent", value: (row) => row.agent, cell: (row) => row.agent },
      ...tasks.map((task, number) => ({
        title: breakable(task), num: true, value: (row) => row.scores[number][0],
        cell: (row) => {
          const [score, low, high] = row.scores[number];
          const weight = isNumber(score) ? Math.max(0, Math.min(1, score)) * 0.5 : 0;
          const made = h("span", {}, fixed(score));
          queueMicrotask(() => { if (made.parentNode) made.parentNode.style.background = `rgba(var(--score-wash), ${weight.toFixed(2)})`; });
          return withTip(made, () => [`${row.agent} on ${task}`, `score ${exact(score)} ${interval(low, high, exact)}`]);
        },
      })),
    ],
  });
}

function curveOf(board, agent, columns) {
  const [x, mean, low, high] = columns;
  return { agent, place: board.agents.findIndex((row) => row.agent === agent), x, mean, low, high, seeds: [] };
}

const AXES = { steps: "share of the budget", updates: "gradient steps", seconds: "wall seconds" };

/** Profiles and efficiency, with one row of chips for both. */
function trends(board, rest) {
  const names = board.agents.filter((row) => !row.scripted && rest.profiles[row.agent]).map((row) => row.agent);
  const chosen = new Set(names.slice(0, 6));
  const pick = (from) => names.filter((name) => chosen.has(name) && from && from[name]).map((name) => curveOf(board, name, from[name]));
  const profile = { label: "Performance profiles", xLabel: "score τ", digits: 2, height: 280, xShow: (x) => `share of runs that score more than ${fixed(x)}` };
  const axes = Object.keys(AXES).filter((name) => rest.efficiency[name]);
  const choice = h("select", { onchange: () => swap() }, axes.map((name) => h("option", { value: name }, AXES[name])));
  const efficiencyOptions = () => ({ label: "Interquartile mean of scores during training", xLabel: AXES[choice.value], digits: 2, height: 280, log: choice.value !== "steps" });
  const one = lineChart(pick(rest.profiles), profile);
  const place = h("div");
  let two = null;
  let twoTable = null;
  const swap = () => {
    two = lineChart(pick(rest.efficiency[choice.value]), efficiencyOptions());
    twoTable = pointsTable("These curves as a table", () => pick(rest.efficiency[choice.value]), efficiencyOptions());
    place.replaceChildren(two, twoTable);
  };
  const oneTable = pointsTable("These profiles as a table", () => pick(rest.profiles), profile);
  if (axes.length) swap();
  const changed = () => {
    one.redraw(pick(rest.profiles));
    oneTable.refill();
    if (axes.length) { two.redraw(pick(rest.efficiency[choice.value])); twoTable.refill(); }
  };
  return [
    h("h2", {}, "Profiles and efficiency"),
    agentChips(names.map((name) => [name, board.agents.findIndex((row) => row.agent === name)]), chosen, changed),
    h("div", { class: "charts" },
      h("section", {}, h("div", { class: "bar title" }, h("h3", {}, "Share of runs that score more than τ")), one, oneTable),
      axes.length ? h("section", {}, h("div", { class: "bar title" }, h("h3", {}, "IQM score during training"), h("label", {}, "Against ", choice)), place) : null),
  ];
}

function holesTable(rest, lead) {
  if (!rest.holes.length) return h("p", {}, "None: every run of the table is complete.");
  const rows = rest.holes.map(([task, agent, seed, outcome, step, value, reason]) => ({ task, agent, seed, outcome, step, value, reason }));
  const counts = {};
  for (const row of rows) counts[row.outcome] = (counts[row.outcome] || 0) + 1;
  const details = h("details", {}, h("summary", {}, `${rows.length} runs: ${Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(", ")}`));
  details.addEventListener("toggle", () => {
    if (details.open && !details.table) {
      details.table = sortableTable({ caption: "These runs are in no number of this page.", name: "holes", rows, columns: [
        { title: "Agent", value: (row) => row.agent, cell: (row) => row.agent },
        { title: "Task", value: (row) => row.task, cell: (row) => row.task },
        { title: "Seed", num: true, first: "ascending", value: (row) => row.seed, cell: (row) => String(row.seed) },
        { title: "Outcome", value: (row) => row.outcome, cell: (row) => row.outcome },
        { title: "Evaluated to step", num: true, value: (row) => row.step, cell: (row) => exact(row.step) },
        { title: `${lead} there`, num: true, value: (row) => row.value, cell: (row) => fixed(row.value) },
        { title: "Reason", cell: (row) => row.reason },
      ] });
      details.append(details.table);
    }
  });
  return details;
}

function about(board) {
  const { Command: command, ...others } = board.about;
  const save = (link) => async (event) => {
    if (!link.id) return;
    event.preventDefault();
    const url = URL.createObjectURL(new Blob([await unpackText(link.id)], { type: "text/csv" }));
    h("a", { href: url, download: link.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };
  return [
    h("h2", {}, "Data, and how this was made"),
    h("ul", { class: "files" }, board.csv.map((link) => h("li", {}, h("a", { href: link.href, download: link.name, onclick: save(link) }, link.name),
      h("span", { class: "soft" }, ` ${size(link.bytes)}${link.id ? "" : ", beside this page"}`)))),
    h("p", { class: "small soft" }, "The command that makes these tables from the records:"),
    commandLine(command),
    h("dl", { class: "about" }, Object.entries(others).flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    h("p", { class: "small soft" }, "Charts: uPlot, MIT licence."),
  ];
}

async function overallView(board, number) {
  const rest = await unpack(`all-${number}`);
  const names = board.agents.filter((row) => !row.scripted).map((row) => row.agent);
  const told = new Map(rest.pairs.map((pair) => [JSON.stringify([pair.a, pair.b]), pair]));
  const tells = (a, b) => {
    const found = told.get(JSON.stringify([a, b]));
    if (found) return { chance: found.probability, verdict: found.verdict, words: pairWords(found.probability, found.probability_low, found.probability_high, found.p, found.verdict) };
    const other = told.get(JSON.stringify([b, a]));
    if (!other) return null;
    const turn = (value) => (isNumber(value) ? 1 - value : null);
    return { chance: turn(other.probability), verdict: -other.verdict, words: pairWords(turn(other.probability), turn(other.probability_high), turn(other.probability_low), other.p, -other.verdict) };
  };
  return [
    h("h2", {}, "Ranking"),
    rankingTable(board),
    h("p", { class: "small soft" }, board.notes.join(" ")),
    ...(rest.pairs.length ? [h("h2", {}, "Who beats whom"), h("div", { class: "beside" }, verdicts(rest.pairs, names),
      matrix(names, tells, "How often a run of the agent on the left does better than one of the agent above. Bold: a difference by the corrected test."))] : []),
    h("h2", {}, "Tasks"),
    scoresTable(board, rest),
    ...(Object.keys(rest.profiles).length ? trends(board, rest) : []),
    h("h2", {}, "Runs that do not count"),
    holesTable(rest, board.lead),
    ...about(board),
  ];
}
