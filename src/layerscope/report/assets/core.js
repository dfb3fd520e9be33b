// What every view needs: the page's data and words, arrays unpacked when they are first shown, elements, controls, charts.
// Text from runs only ever becomes a text node or an attribute of ours; nothing is parsed as HTML.

const page = JSON.parse(document.getElementById("data").textContent);
const words = JSON.parse(document.getElementById("words").textContent);
const COLOURS = ["var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)"];
const SYMBOLS = ["circle", "square", "triangle", "diamond", "cross", "star"];
const GLYPHS = ["●", "■", "▲", "◆", "✚", "★"];
const FEWEST_PIXELS = 280;

// What the reader chose; a view reads its own part, and finds it again after the language has changed.
const state = { language: openingLanguage(), theme: "auto", chosen: {} };

// That which the page was written for; else the first of the browser's that it holds.
function openingLanguage() {
  const root = document.documentElement;
  if (root.dataset.language !== "auto") return root.lang === "ja" ? "ja" : "en";
  const known = (navigator.languages ?? [navigator.language]).map((one) => one.slice(0, 2).toLowerCase());
  return known.find((one) => one === "en" || one === "ja") ?? "en";
}

function t(key, values = {}) {
  const found = words[key];
  const text = found ? found[state.language === "ja" ? 1 : 0] : key;
  // in one go: a value may hold what looks like a place
  return text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
}

// A name of ours in the reader's language, any other as it is.
function named(kind, name) {
  return words[`${kind}:${name}`] ? t(`${kind}:${name}`) : name;
}

function positionName(position) {
  const [name, number] = position.split("+");
  return number === undefined ? named("position", name) : `${named("position", name)}+${number}`;
}

function familyName(family) {
  const [name, argument] = [family.split(":")[0], family.split(":").slice(1).join(":")];
  return argument ? `${named("name", name)} ${argument}` : named("name", name);
}

// Of single heads a layer has several: no line goes through them.
function isOfHeads(family) {
  return family.split(":")[0] === "head-removal";
}

function setName(name) {
  return words[`set:${name}`] ? t(`set:${name}`) : named("group", name);
}

// Three digits, an honest minus sign, and nothing where there is no number.
function shown(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  if (isExact) return String(value);
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-4 ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
  return text.replaceAll("-", "−");
}

function signed(value) {
  return value > 0 ? `+${shown(value)}` : shown(value);
}

function interval(low, high) {
  return low === null || low === undefined || Number.isNaN(low) ? "" : ` [${signed(low)}, ${signed(high)}]`;
}

// Arrays and tables

const unpacked = new Map();

async function bytesOf(chunk) {
  const packed = Uint8Array.from(atob(document.getElementById(`chunk-${chunk}`).textContent), (one) => one.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

function once(chunk, read) {
  if (!unpacked.has(chunk)) unpacked.set(chunk, read());
  return unpacked.get(chunk);
}

// {shape, values}: the numbers in one row after the other, NaN where one is missing.
function arrayOf(held) {
  return once(held.chunk, async () => {
    const buffer = await bytesOf(held.chunk);
    if (held.type === "f4") return { shape: held.shape, values: new Float32Array(buffer) };
    if (held.type === "i4") return { shape: held.shape, values: new Int32Array(buffer) };
    const steps = new Uint16Array(buffer);
    const values = new Float32Array(steps.length);
    const ratio = Math.log(held.high / held.low) || 0;
    for (let i = 0; i < steps.length; i += 1) {
      if (steps[i] === 65535) values[i] = NaN;
      else if (held.law === "even") values[i] = held.low + ((held.high - held.low) * steps[i]) / 65534;
      else values[i] = steps[i] === 0 ? 0 : held.low * Math.exp((ratio * (steps[i] - 1)) / 65533);
    }
    return { shape: held.shape, values };
  });
}

function valueOf(held) {
  return once(held.chunk, async () => JSON.parse(new TextDecoder().decode(await bytesOf(held.chunk))));
}

// A table as a list of rows.
function rowsOf(held) {
  return once(`rows ${held.chunk}`, async () => {
    const columns = await valueOf(held);
    return Array.from({ length: held.rows }, (_, i) =>
      Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]])),
    );
  });
}

// Elements

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function note(text) {
  return el("p", { class: "note" }, text);
}

// A drop-down list. options: [value, text, disabled].
function choice(name, options, value, change) {
  const list = el("select", {
    onchange: (event) => {
      const section = list.closest("section")?.id;
      const hadFocus = document.activeElement === list;
      change(event.target.value);
      if (hadFocus) focusAgain(list, section, name);
    },
  });
  for (const [one, text, disabled] of options) {
    list.append(el("option", { value: one, selected: String(one) === String(value), disabled: Boolean(disabled) }, text));
  }
  return el("label", { class: "control" }, el("span", {}, name), list);
}

// A list whose change has drawn its section anew hands the focus on to the one in its place.
async function focusAgain(list, section, name) {
  for (let tries = 0; tries < 10 && !list.isConnected; tries += 1) {
    const labels = document.querySelectorAll(section ? `#${section} label.control` : "header label.control");
    const found = [...labels].find((label) => label.firstChild.textContent === name);
    if (found) {
      found.querySelector("select").focus({ preventScroll: true });
      return;
    }
    await new Promise(requestAnimationFrame);
  }
}

// Check boxes that serve as the legend, too.
function boxes(name, entries, chosen, change) {
  const made = entries.map(([value, text, colour, glyph]) => {
    const box = el("input", {
      type: "checkbox",
      checked: chosen.has(value),
      onchange: (event) => {
        if (event.target.checked) chosen.add(value);
        else chosen.delete(value);
        change();
      },
    });
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" }, glyph || "●");
    swatch.style.color = colour;
    return el("label", { class: "box" }, box, swatch, text);
  });
  return el("fieldset", { class: "control boxes" }, el("legend", {}, name), ...made);
}

// The part of the state that belongs to one view, with its first values.
function chosenIn(view, first) {
  state.chosen[view] = { ...first, ...state.chosen[view] };
  return state.chosen[view];
}

// Calls draw(place, width) now and whenever the place becomes wider or narrower; a newer call makes an older one void.
function drawnIn(place, draw) {
  let last = 0;
  let width = 0;
  const again = async () => {
    last += 1;
    const mine = last;
    const made = await draw(Math.max(width || place.clientWidth || 800, FEWEST_PIXELS));
    if (mine !== last) return;
    const hadFocus = place.contains(document.activeElement);
    place.replaceChildren(...[made].flat().filter((one) => one !== null));
    if (hadFocus) place.querySelector("svg[tabindex]")?.focus({ preventScroll: true });
  };
  new ResizeObserver((entries) => {
    const found = Math.round(entries[0].contentRect.width);
    if (found && Math.abs(found - width) > 1) {
      width = found;
      again();
    }
  }).observe(place);
  return again;
}

// A chart of Plot with a name that can be read aloud; with points, one that can be walked, chosen from and described.
function chart(options, name, points = null) {
  const made = Plot.plot({ marginLeft: 56, marginBottom: 46, style: { fontSize: "12px", overflow: "visible" }, ...options });
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", name);
  made.legend = points?.legend ?? [];
  made.table = points?.columns ? [points.columns, points.rows] : null;
  return points ? pointed(made, points) : made;
}

// Every figure on the page: what a new theme paints anew.
const figures = new Set();

function repaint() {
  for (const one of figures) if (one.isConnected) one.again();
}

// A figure whose chart is drawn again as its place changes. draw: width → elements.
function figure(draw, caption) {
  const place = el("div", { class: "chart" });
  const said = el("output", { class: "walking", hidden: true });
  place.addEventListener("said", (event) => {
    said.hidden = false;
    said.value = event.detail;
  }, true);
  place.addEventListener("focusout", () => {
    said.hidden = true;
  });
  const drawings = () => [...place.querySelectorAll("svg[role=img]")];
  const taken = () => {
    const map = place.querySelector(".cell-map");
    const [first] = drawings();
    const table = map?.table ?? drawings().find((one) => one.table)?.table ?? place.querySelector("table")?.numbers ?? null;
    const name = first?.getAttribute("aria-label") ?? map?.querySelector(".cells").getAttribute("aria-label") ?? nameAbove(place);
    return { svg: map ? cellMapDrawing(map) : stacked(drawings()), table, name };
  };
  const made = el("figure", {}, saveMenu(taken), place, said, caption ? el("figcaption", {}, caption) : null);
  made.again = drawnIn(place, draw);
  figures.add(made);
  return made;
}

// What stands beside the mark that the reader points at. place: its channels; say: row → lines, empty ones left out.
function tip(rows, place, say) {
  const title = (row) => say(row).filter(Boolean).join("\n");
  return Plot.tip(rows, Plot.pointer({ ...place, title, lineHeight: 1.3, lineWidth: 38, maxRadius: 60 }));
}

// Ticks of a scale that is logarithmic away from zero: powers of ten that are no closer to it than the scale can tell.
function signedTicks(values, constant) {
  const highest = Math.floor(Math.log10(d3.max(values, Math.abs)));
  const lowest = Math.max(highest - 3, Math.round(Math.log10(constant)));
  const powers = d3.range(lowest, highest + 1).map((power) => 10 ** power);
  const [low, high] = d3.extent(values);
  return [0, ...powers, ...powers.map((power) => -power)].filter((one) => one === 0 || (one >= low && one <= high));
}

// The scale of effects: linear where sizes are alike, else logarithmic, on both sides of zero if need be.
function effectScale(values) {
  const sizes = values.map(Math.abs).filter((value) => value > 0);
  if (sizes.length === 0 || d3.max(sizes) / d3.quantile(sizes, 0.1) < 30) return { type: "linear" };
  if (values.every((value) => value > 0)) return { type: "log" };
  const constant = 10 ** Math.round(Math.log10(d3.quantile(sizes, 0.1)));
  return { type: "symlog", constant, ticks: signedTicks(values, constant) };
}

// The name of an axis, which says so where it is logarithmic.
function axisName(label, scale) {
  return scale.type === "log" || scale.type === "symlog" ? t("log", { name: label }) : label;
}

// Ticks of layers and counts: whole numbers.
function whole(value) {
  return Number.isInteger(value) ? String(value) : "";
}

function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// From blue over the paper's colour to vermillion; the same two that every kind of colour vision tells apart.
function diverging(share) {
  const ends = [themeColour("--low"), themeColour("--middle"), themeColour("--high")];
  return d3.interpolateRgbBasis([
    ends[0],
    d3.interpolateRgb(ends[0], ends[1])(0.5),
    ends[1],
    d3.interpolateRgb(ends[1], ends[2])(0.5),
    ends[2],
  ])(share);
}

// Colours of a scale from left to right, with what stands at its ends and in its middle; law: how they grow and where they stop.
function colourBar(colour, ticks, name, law = null) {
  const strip = el("div", { class: "strip", "aria-hidden": "true" });
  strip.style.background = `linear-gradient(to right, ${d3
    .range(0, 33)
    .map((step) => colour(step / 32))
    .join(", ")})`;
  const marks = el("div", { class: "ticks" }, ...ticks.map((one) => el("span", {}, one)));
  return el("div", { class: "colours" }, el("span", {}, name), el("div", {}, strip, marks), law ? el("span", { class: "law" }, law) : null);
}
