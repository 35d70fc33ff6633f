/* Choosing tables and views, the filter, the theme, news while a sweep runs. */

const state = { board: 0, task: "" };
const board = () => data.boards[state.board];

function readHash() {
  const words = new URLSearchParams(location.hash.slice(1));
  const number = Number(words.get("table") || 0);
  state.board = Number.isInteger(number) && data.boards[number] ? number : 0;
  state.task = board().tasks.includes(words.get("task")) ? words.get("task") : "";
}

function writeHash() {
  const words = new URLSearchParams();
  if (state.board) words.set("table", state.board);
  if (state.task) words.set("task", state.task);
  const text = words.toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

function keep(name, value) { try { sessionStorage.setItem(name, value); } catch { /* storage is switched off */ } }
function kept(name) { try { return sessionStorage.getItem(name); } catch { return null; } }

function heading() {
  const one = board();
  const about = one.about;
  byId("heading").replaceChildren(
    h("h1", {}, `${one.suite}, budget ${one.budget}`),
    h("p", { class: "soft small" }, `${one.agents.filter((row) => !row.scripted).length} agents on ${one.nTasks} tasks; seeds ${about.Seeds}; ${about.Budget.replace(/^[^,]*, /, "")}; suite version ${one.version}`));
}

function tabs() {
  const names = ["", ...board().tasks];
  const list = h("div", { role: "tablist", "aria-orientation": "vertical", "aria-label": "Overall, and each task" });
  const made = names.map((task) => h("button", { role: "tab", type: "button", id: `tab-${names.indexOf(task)}`, "aria-controls": "panel", "data-task": task,
    onclick: () => choose(task) }, task ? breakable(task) : "Overall"));
  list.addEventListener("keydown", (event) => {
    const shown = made.filter((tab) => !tab.hidden);
    const at = shown.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (next === undefined || at < 0) return;
    event.preventDefault();
    const tab = shown[(next + shown.length) % shown.length];
    choose(tab.dataset.task);
    tab.focus();
  });
  list.append(made[0], h("p", { class: "group", role: "presentation" }, "Tasks"), ...made.slice(1));
  const find = names.length > 12 ? h("input", { type: "search", placeholder: "Find a task", "aria-label": "Find a task", oninput: (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const tab of made.slice(1)) tab.hidden = !tab.dataset.task.toLowerCase().includes(wanted);
  } }) : null;
  byId("side").replaceChildren(h("div", {}, find, list));
}

function markTab() {
  for (const tab of byId("side").querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.task === state.task;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) {
      byId("panel").setAttribute("aria-labelledby", tab.id);
      tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
}

function choose(task) {
  state.task = task;
  writeHash();
  show();
}

let turn = 0;
async function show() {
  const mine = ++turn;
  markTab();
  hideTip();
  let content;
  try {
    content = state.task ? await taskView(board(), state.board, state.task) : await overallView(board(), state.board);
  } catch (error) {
    if (typeof DecompressionStream !== "undefined") throw error;
    content = [h("p", {}, "This browser is too old to unpack the numbers of this page; they are in the CSV files beside it.")];
  }
  if (mine !== turn) return;
  byId("panel").replaceChildren(...content.flat().filter(Boolean));
  applyFilter();
  document.body.dataset.shown = state.task || "(all)";
}

/** Hides the rows and chips of agents whose name holds none of the filter's words, parted by commas. */
function applyFilter() {
  const words = byId("filter").value.toLowerCase().split(",").map((word) => word.trim()).filter(Boolean);
  const keeps = (row) => !words.length || words.some((word) => row.agent.toLowerCase().includes(word));
  for (const table of byId("panel").querySelectorAll(".scroll")) if (table.filter) table.filter(keeps);
  for (const item of byId("panel").querySelectorAll(".chips label, .matrix tbody tr")) item.hidden = !keeps({ agent: item.dataset.agent });
  const all = board().agents;
  byId("news").textContent = words.length ? `${all.filter(keeps).length} of ${all.length} agents shown` : "";
  keep("filter", byId("filter").value);
}

const THEMES = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };
const system = matchMedia("(prefers-color-scheme: dark)");
let theme = "auto";
function setTheme(name) {
  theme = THEMES[name] ? name : "auto";
  document.documentElement.dataset.theme = theme === "auto" ? (system.matches ? "dark" : "light") : theme;
  byId("theme").textContent = THEMES[theme];
  keep("theme", theme);
  redrawCharts();
}

function chooseBoard() {
  heading();
  tabs();
  return show();
}

/** While the page is served, asks every few seconds whether its records have changed, and loads it again. */
function listen() {
  let last = null;
  const ask = async () => {
    try {
      const answer = await (await fetch("version", { cache: "no-store" })).json();
      if (last !== null && answer.version !== last) {
        keep("scroll", String(scrollY));
        location.reload();
      }
      last = answer.version;
      if (answer.trouble) byId("news").textContent = answer.trouble;
      byId("news").classList.toggle("unseen", !answer.trouble);
    } catch { /* the server has stopped: the page stays as it is */ }
  };
  ask();
  setInterval(ask, 3000);
}

function begin() {
  setTheme(kept("theme") || "auto");
  system.addEventListener("change", () => setTheme(theme));
  byId("theme").addEventListener("click", () => setTheme({ auto: "dark", dark: "light", light: "auto" }[theme]));
  readHash();
  const boards = byId("board");
  boards.append(...data.boards.map((one, place) => h("option", { value: place }, `${one.suite} ${one.version}, ${one.budget}`)));
  byId("board-choice").hidden = data.boards.length < 2;
  boards.value = String(state.board);
  boards.addEventListener("change", () => { state.board = Number(boards.value); state.task = ""; writeHash(); chooseBoard(); });
  addEventListener("hashchange", () => { readHash(); boards.value = String(state.board); chooseBoard(); });
  byId("filter").value = kept("filter") || "";
  byId("filter").addEventListener("input", applyFilter);
  chooseBoard().then(() => {
    const at = Number(kept("scroll") || 0);
    keep("scroll", "0");
    if (at) scrollTo(0, at);
  });
  if (document.body.dataset.live === "yes") listen();
}

begin();
