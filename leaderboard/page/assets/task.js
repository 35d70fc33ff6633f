/* The view of a task: picture, what leads with intervals, learning curves with seeds on demand, pairs. */

/** What leads on a task: its name, and the numbers of a row. */
const leadName = (view) => (view.won ? "win rate" : "return");
const leadOf = (view) => (view.won
  ? (row) => ({ value: row.win_rate, low: row.win_rate_low, high: row.win_rate_high, short: row.short_win_rate,
    best: row.absolute_win_rate, best_low: row.absolute_win_rate_low, best_high: row.absolute_win_rate_high })
  : (row) => ({ value: row.return, low: row.low, high: row.high, short: row.short_return,
    best: row.absolute_return, best_low: row.absolute_low, best_high: row.absolute_high }));
const RATES = [0, 1];
const capital = (words) => words[0].toUpperCase() + words.slice(1);

function returnsTable(view, place) {
  const lead = leadOf(view);
  const title = capital(leadName(view));
  const scale = intervalScale([...(view.won ? RATES : []), ...view.rows.map(lead).flatMap((one) => [one.value, one.low, one.high])]);
  const show = (value) => fixed(value, view.digits);
  const showReturn = (value) => fixed(value, view.returnDigits);
  const within = (value, low, high) => `${exact(value)} ${interval(low, high, exact)}`;
  const leading = (row) => within(lead(row).value, lead(row).low, lead(row).high);
  const returned = (row) => within(row.return, row.low, row.high);
  const scored = (row) => within(row.score, row.score_low, row.score_high);
  const tip = (row) => () => [row.agent, `${leadName(view)} ${leading(row)}`, view.won ? `return ${returned(row)}` : `score ${scored(row)}`, row.status];
  const beside = view.won
    ? { title: "Return", value: (row) => row.return, cell: (row) => withTip(h("span", {}, withRange(row.return, row.low, row.high, showReturn)), tip(row)) }
    : { title: "Score", value: (row) => row.score, cell: (row) => withTip(h("span", {}, withRange(row.score, row.score_low, row.score_high)), tip(row)) };
  return sortableTable({
    caption: "Mean over seeds. Bars and brackets: bootstrap intervals. ≈: the interval overlaps the best one’s.",
    name: "returns",
    rows: view.rows,
    rowClass: (row) => (row.scripted ? "fixed" : ""),
    sort: [1, -1],
    columns: [
      { title: "Agent", value: (row) => row.agent, cell: (row) => [dot(place.get(row.agent)), row.agent,
        row.mark === "tied" ? h("span", { class: "soft", title: "its interval overlaps the best one’s" }, " ≈", h("span", { class: "unseen" }, " not separated from the best")) : null,
        row.status === "complete" ? null : h("span", { class: "hole narrow" }, row.status)] },
      { title, num: true, value: (row) => lead(row).value, cell: (row) => withTip(h("span", { class: row.mark === "best" ? "best" : "" },
        isNumber(lead(row).short) && !isNumber(lead(row).value) ? `(${show(lead(row).short)} so far)` : withRange(lead(row).value, lead(row).low, lead(row).high, show)), tip(row)) },
      { title: `${title} interval`, kind: "interval", head: axisHead(scale), first: "descending", value: (row) => lead(row).value,
        cell: (row) => intervalMark(scale, place.get(row.agent), lead(row).value, lead(row).low, lead(row).high, tip(row)) },
      { num: true, wide: true, ...beside },
      { title: "First", num: true, wide: true, value: (row) => row.first, cell: (row) => percent(row.first) },
      { title: "Seeds", num: true, wide: true, value: (row) => row.seeds, cell: (row) => String(row.seeds) },
      { title: "Runs", kind: "status", wide: true, value: (row) => row.status, cell: (row) => h("span", { class: row.status === "complete" ? "soft" : "hole" }, row.status) },
    ],
    detail: (row) => [
      facts([
        [title, leading(row)],
        view.won ? ["Return", returned(row)] : ["Score", scored(row)],
        [`${title} over training (area)`, estimate(row, "area")],
        ...(isNumber(lead(row).best) ? [["Best weights, evaluated again", within(lead(row).best, lead(row).best_low, lead(row).best_high)]] : []),
        ["Steps a seed", isNumber(row.steps) ? exact(row.steps) : "–"],
        ["Gradient steps", isNumber(row.updates) ? exact(Math.round(row.updates)) : "not recorded"],
        ["Wall time", duration(row.seconds)],
        ["Runs", row.status],
        ["Settings", row.settings || "–"],
      ]),
      row.command ? [h("p", { class: "small soft" }, "This row again:"), commandLine(row.command)] : h("p", { class: "small soft" }, "There is no command for this row: it has no run of ours."),
    ],
  });
}

const CURVE_AXES = { steps: "environment steps", updates: "gradient steps", seconds: "wall seconds" };

function learningCurves(view, place) {
  const names = view.curves.map((curve) => curve.agent);
  const scripted = new Set(view.rows.filter((row) => row.scripted).map((row) => row.agent));
  const chosen = new Set(names.filter((name) => !scripted.has(name)).slice(0, 6));
  const axis = h("select", { onchange: () => changed() }, Object.entries(CURVE_AXES).map(([name, title]) => h("option", { value: name }, title)));
  const of = h("select", { onchange: () => changed() }, ["win rate", "return"].map((name) => h("option", { value: name }, name)));
  const isLead = () => !view.won || of.value === "win rate";
  const shown = (curve) => (isLead() ? curve : { ...curve, ...curve.returns });
  const withSeeds = h("input", { type: "checkbox", id: "with-seeds", onchange: () => changed() });
  const seedX = (curve, steps) => (axis.value === "steps" ? steps : steps.map((step) => along(curve, step)));
  const along = (curve, step) => {
    const at = curve.x.steps.findIndex((one) => one >= step);
    if (at < 0) return null;
    if (at === 0 || curve.x.steps[at] === step) return curve.x[axis.value][at];
    const share = (step - curve.x.steps[at - 1]) / (curve.x.steps[at] - curve.x.steps[at - 1]);
    return curve.x[axis.value][at - 1] + share * (curve.x[axis.value][at] - curve.x[axis.value][at - 1]);
  };
  const pick = () => view.curves.filter((curve) => chosen.has(curve.agent)).map(shown).map((curve) => ({ ...curve, place: place.get(curve.agent), x: curve.x[axis.value],
    seeds: curve.seeds.map(([seed, steps, returns]) => [seed, seedX(curve, steps), returns]) }));
  const said = () => (isLead() ? leadName(view) : "return");
  const options = () => ({ label: `${capital(said())} during training`, yLabel: said(), ...(view.won && isLead() ? { yRange: RATES } : {}), xLabel: CURVE_AXES[axis.value], digits: isLead() ? view.digits : view.returnDigits, height: 360, withSeeds: withSeeds.checked,
    lines: !isLead() ? [] : [{ value: view.random, label: "random policy", dash: [2, 3] }, { value: view.reference, label: "scripted reference", dash: [7, 4] }] });
  const holder = h("div");
  let table = null;
  const changed = () => {
    const wasOpen = table && table.open;
    table = pointsTable("These curves as a table", pick, options());
    holder.replaceChildren(lineChart(pick(), options()), table);
    table.open = Boolean(wasOpen);
  };
  changed();
  const drawn = Math.max(...view.curves.map((curve) => curve.x.steps.length));
  const most = Math.max(...view.curves.map((curve) => curve.of));
  const seedsDrawn = Math.max(0, ...view.curves.flatMap((curve) => curve.seeds.map(([, steps]) => steps.length)));
  const seedsOf = Math.max(...view.curves.map((curve) => curve.seedsOf));
  const thin = [drawn < most ? `${drawn} of ${most} evaluations are drawn` : "", seedsDrawn < seedsOf ? `${seedsDrawn} of ${seedsOf} of single seeds` : ""].filter(Boolean).join(", ");
  return [
    h("h2", {}, "During training"),
    agentChips(names.map((name) => [name, place.get(name)]), chosen, changed),
    h("div", { class: "bar" }, view.won ? h("label", {}, "Show ", of) : null, h("label", {}, "Against ", axis), h("label", {}, withSeeds, "Every seed")),
    holder,
    h("p", { class: "small soft" }, "Mean over seeds with its interval; also of runs that are not complete, as far as they came. ",
      thin ? `To keep this page small, ${thin}; all are in curves.csv. ` : "", "Drag across the chart to zoom, click twice to go back."),
  ];
}

/** What the pairs on this task say about an agent, in one sentence. */
function taskSentence(view, board, number) {
  const found = { better: [], worse: [], undecided: [] };
  for (const [a, b, verdict] of view.pairs) {
    if (a !== number && b !== number) continue;
    const other = board.agents[a === number ? b : a];
    if (!other.scripted) found[!verdict ? "undecided" : (verdict > 0) === (a === number) ? "better" : "worse"].push(other.agent);
  }
  const list = (names) => (names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : names.join(", "));
  return [["better", "better than"], ["worse", "worse than"], ["undecided", "undecided against"]]
    .filter(([name]) => found[name].length).map(([name, words]) => `${words} ${list(found[name])}`).join("; ");
}

function pictureOf(picture, words) {
  const made = picture.type.startsWith("video/")
    ? h("video", { src: picture.src, controls: true, loop: true, muted: true, playsinline: true, "aria-label": words })
    : h("img", { src: picture.src, alt: words, loading: "lazy" });
  return h("figure", {}, made, h("figcaption", {}, words));
}

async function taskView(board, number, task) {
  const view = await unpack(`task-${number}-${board.tasks.indexOf(task)}`);
  const place = new Map(board.agents.map((row, at) => [row.agent, at]));
  const lead = leadOf(view);
  const learners = view.rows.filter((row) => !row.scripted && isNumber(lead(row).value));
  const best = learners.reduce((top, row) => (!top || lead(row).value > lead(top).value ? row : top), null);
  const pictures = data.pictures[task] || [];
  const scene = pictures.find((picture) => !picture.agent);
  const clip = best && pictures.find((picture) => picture.agent === best.agent);
  const show = (value) => fixed(value, view.digits);
  const ends = [...view.pairs.map(([a, b, ...others]) => [`${a} ${b}`, others])];
  const told = new Map(ends);
  const index = (name) => place.get(name);
  const tells = (a, b) => {
    const found = told.get(`${index(a)} ${index(b)}`);
    if (found) { const [verdict, chance, low, high, p] = found; return { chance, verdict, words: pairWords(chance, low, high, p, verdict) }; }
    const other = told.get(`${index(b)} ${index(a)}`);
    if (!other) return null;
    const [verdict, chance, low, high, p] = other;
    const turn = (value) => (isNumber(value) ? 1 - value : null);
    return { chance: turn(chance), verdict: -verdict || 0, words: pairWords(turn(chance), turn(high), turn(low), p, -verdict || 0) };
  };
  const names = [...learners].sort((one, two) => lead(two).value - lead(one).value).map((row) => row.agent);
  return [
    h("div", { class: "task-head" },
      h("div", {},
        h("h2", {}, breakable(task)),
        h("p", { class: "soft" }, `${view.won ? "Win rate: share of episodes won. " : ""}Return of an episode: ${view.unit}.`),
        facts([
          ["Random policy", isNumber(view.random) ? show(view.random) : "not measured"],
          ["Scripted reference", isNumber(view.reference) ? show(view.reference) : "not measured"],
          ...(best ? [["Best agent", `${best.agent}, ${show(lead(best).value)} ${interval(lead(best).low, lead(best).high, show)}`]] : []),
        ], "facts"),
        best && view.pairs.length ? h("p", {}, `${best.agent}: ${taskSentence(view, board, index(best.agent))}.`) : null),
      scene ? pictureOf(scene, `Moments of an episode of ${task}`) : null,
      clip ? pictureOf(clip, `${clip.agent}, the best agent here, on ${task}`) : null),
    h("h2", {}, view.won ? "Win rates and returns" : "Returns"),
    returnsTable(view, place),
    ...(view.curves.length ? learningCurves(view, place) : []),
    ...(names.length > 1 ? [h("h2", {}, "Who beats whom here"), h("div", { class: "beside" }, h("div", {}, h("ul", { class: "said" }, names.slice(0, 12).map((name) => h("li", {}, `${name}: ${taskSentence(view, board, index(name))}.`))),
      names.length > 12 ? h("p", { class: "small soft" }, `The 12 highest of ${names.length} agents.`) : null),
      matrix(names, tells, "How often a run of the agent on the left does better than one of the agent above, on this task. Bold: a difference by the corrected test."))] : []),
    best && !clip && view.watch ? [h("p", { class: "small soft" }, `A clip of ${best.agent} is shown here once it lies beside the tables; this makes one from the folder of the tables:`), commandLine(view.watch)] : null,
  ];
}
