"use strict";
/* Elements, numbers, colours, tooltips, packed data. Every word is set as text, never as markup. */

const data = JSON.parse(document.getElementById("data").textContent);

const byId = (name) => document.getElementById(name);

/** An element: properties by name (`class`, `on…`, `data…`, attributes), then children; nothing is parsed. */
function h(name, props, ...children) {
  const isSvg = ["svg", "line", "text"].includes(name);
  const made = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(made.style, value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const isNumber = (value) => typeof value === "number";

/** A fixed count of decimals, with a true minus; "–" for none. */
function fixed(value, digits = 2) {
  if (!isNumber(value)) return "–";
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** All the digits there are. */
function exact(value) {
  if (!isNumber(value)) return "none";
  const text = Math.abs(value) >= 1e4 ? value.toLocaleString("en") : String(value);
  return text.replace("-", "−");
}

/** A name that may be broken after its underscores. */
const breakable = (name) => name.split(/(?<=_)/).flatMap((part) => [h("span", { class: "part" }, part), h("wbr")]);

const interval = (low, high, show = fixed) => (isNumber(low) && isNumber(high) ? `[${show(low)}, ${show(high)}]` : "[n/a]");
const estimate = (row, name, show = exact) =>
  (isNumber(row[name]) ? `${show(row[name])} ${interval(row[name + "_low"], row[name + "_high"], show)}` : "none");
/** A number with its interval in a quieter tone; a dash where there is none. */
const withRange = (value, low, high, show = fixed) =>
  (isNumber(value) ? [show(value), h("span", { class: "range" }, interval(low, high, show))] : ["–"]);
const percent = (value) => (isNumber(value) ? (value > 0 && value < 0.005 ? "<1%" : `${Math.round(100 * value)}%`) : "–");

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function duration(seconds) {
  if (!isNumber(seconds)) return "not recorded";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Unpacks a block of the page: gzip in base64. */
async function unpackText(id) {
  const packed = atob(byId(id).textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const unpacked = new Map();
function unpack(id) {
  if (!unpacked.has(id)) unpacked.set(id, unpackText(id).then(JSON.parse));
  return unpacked.get(id);
}

/** The colour of an agent: the same everywhere, by its place in the ranking. */
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [14, 4]];
const colourName = (place) => `var(--c${place % 10})`;
const colourOf = (place) => getComputedStyle(document.documentElement).getPropertyValue(`--c${place % 10}`).trim();
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dot = (place) => h("span", { class: "dot", style: { background: colourName(place) }, "aria-hidden": "true" });

/* One tooltip for the page. */
function showTip(content, x, y) {
  const tip = byId("tip");
  tip.replaceChildren(...[content].flat());
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 6))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 18}px`;
}
const hideTip = () => { byId("tip").hidden = true; };

/** Shows lines of text while the pointer is over an element. */
function withTip(element, lines) {
  element.addEventListener("pointermove", (event) => {
    const [first, ...others] = lines();
    showTip([h("b", {}, first), others.join("\n")], event.clientX, event.clientY);
  });
  element.addEventListener("pointerleave", hideTip);
  return element;
}
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
addEventListener("scroll", hideTip, { passive: true });

function commandLine(text) {
  const said = h("button", { type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      said.textContent = "Selected";
    }
    setTimeout(() => { said.textContent = "Copy"; }, 1500);
  } }, "Copy");
  const code = h("code", {}, text);
  return h("div", { class: "command" }, code, said);
}

const facts = (pairs, name = "") => h("dl", { class: name }, pairs.map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text))));
