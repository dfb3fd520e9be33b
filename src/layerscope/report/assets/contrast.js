// What stays still: cells, rankings, agreement, correction, intervention, single pairs of a contrast run.

const DIFFERENCE_SCALES = ["percentile", "raw", "z", "relative"];
const TOP = 20;
const POINTS = 1500;
const EXTREMES = 60;
const SET_ORDER = ["all", "meaning", "grammar", "control", "error", "error-meaning"];
const SET_COLOURS = { all: "var(--c4)", meaning: "var(--c1)", grammar: "var(--c2)", error: "var(--c2)", control: "var(--c3)", "error-meaning": "var(--c5)" };
const SET_SYMBOLS = { all: "diamond", meaning: "circle", grammar: "square", error: "square", control: "triangle", "error-meaning": "cross" };

function contrastSection() {
  const chosen = chosenIn("contrast", { run: 0 });
  const run = page.contrasts[chosen.run];
  const mine = chosenIn(`contrast ${chosen.run}`, {
    site: run.main[0],
    position: run.main[1],
    scale: "percentile",
    set: run.members.grammar.length && run.members.meaning.length ? "all" : run.members.grammar.length ? "grammar" : "meaning",
    sort: "index",
    agreement: "jaccard",
    matrix: "excess",
    quantity: "contraction",
    outcome: "did_nats",
    replacement: "mean",
    group: null,
    pair: 0,
    unit: null,
  });
  const section = el("section", { id: "contrast", tabindex: "-1" }, el("h2", {}, t("contrast:heading")), note(t("contrast:note")));
  if (page.contrasts.length > 1) {
    const pick = choice(t("run"), page.contrasts.map((one, i) => [i, one.name]), chosen.run, (value) => {
      chosen.run = Number(value);
      section.replaceWith(contrastSection());
    });
    section.append(el("div", { class: "controls" }, pick));
  }
  section.append(el("p", {}, el("b", {}, run.name)), groupsTable(run));
  const drawn = [];
  const again = () => drawn.forEach((one) => one.again());
  section.append(...placeControls(run, mine, () => section.replaceWith(contrastSection()), again));
  for (const part of [mapPart, barsPart, scatterPart]) section.append(part(run, mine, drawn));
  if (run.reading) {
    for (const part of [matrixPart, profilePart, correctionPart]) section.append(part(run, mine, drawn));
  } else section.append(note(t("stability:missing", { run: run.folder })));
  section.append(interventionPart(run, mine, drawn), pairsPart(run, mine, drawn));
  if (run.reading) section.append(readingPart(run));
  return section;
}

function groupsTable(run) {
  const columns = [
    [t("group"), (row) => named("group", row.group)],
    [t("role"), (row) => (words[`role:${row.role}`] ? t(`role:${row.role}`) : setName(row.role))],
    [t("fact:pairs"), (row) => shown(row.pairs, 6), true],
  ];
  const made = numbers(columns, run.groups);
  made.querySelector("summary").textContent = t("groups");
  const refused = run.refused.length ? el("p", { class: "caveat" }, `${t("refused")}: ${run.refused.join("; ")}`) : null;
  return el("div", {}, made, refused);
}

function placeControls(run, mine, rebuild, again) {
  const places = run.places;
  const sites = [...new Set(places.map((place) => place.site))];
  const positions = [...new Set(places.filter((place) => place.site === mine.site).map((place) => place.position))];
  if (!positions.includes(mine.position)) [mine.position] = positions;
  const isMain = mine.site === run.main[0] && mine.position === run.main[1];
  const place = places.find((one) => one.site === mine.site && one.position === mine.position);
  const both = place.sets.includes("meaning") && place.sets.includes("grammar");
  const subtypes = run.subtypes ? run.subtypes.names : [];
  const sets = [...(both ? ["all"] : []), ...place.sets, ...subtypes];
  if (!sets.includes(mine.set) || (!isMain && subtypes.includes(mine.set))) [mine.set] = sets;
  const set = (name, then) => (value) => {
    mine[name] = value;
    then();
  };
  const main = `${named("site", run.main[0])}, ${positionName(run.main[1])}`;
  const notes = [];
  if (!isMain && subtypes.length) notes.push(t("map:subtypes_main", { place: main }));
  if (places.length < run.places_of) notes.push(t("map:places", { shown: places.length, all: run.places_of }));
  return [
    el(
      "div",
      { class: "controls sticky" },
      choice(t("site"), sites.map((one) => [one, named("site", one)]), mine.site, set("site", rebuild)),
      choice(t("position"), positions.map((one) => [one, positionName(one)]), mine.position, set("position", rebuild)),
      choice(t("scale"), DIFFERENCE_SCALES.map((one) => [one, t(`scale:${one}`)]), mine.scale, set("scale", again)),
      choice(t("types"), sets.map((one) => [one, setName(one), !isMain && subtypes.includes(one)]), mine.set, set("set", again)),
    ),
    ...notes.map(note),
  ];
}

// Cells of one set of pairs at one place on one scale, layer by layer.
async function cellsOf(run, site, position, scale, set) {
  if (scale === "raw") {
    const [z, spread] = await Promise.all([cellsOf(run, site, position, "z", set), arrayOf(run.spread[site])]);
    return z.map((value, i) => value * spread.values[i]);
  }
  const size = run.layers * run.width;
  const place = run.places.find((one) => one.site === site && one.position === position);
  if (set === "all") {
    const [meaning, grammar] = await Promise.all(["meaning", "grammar"].map((one) => cellsOf(run, site, position, scale, one)));
    const weights = [run.members.meaning.length, run.members.grammar.length];
    return meaning.map((value, i) => (value * weights[0] + grammar[i] * weights[1]) / (weights[0] + weights[1]));
  }
  const isSet = place.sets.includes(set);
  const names = isSet ? place.sets : run.subtypes.names;
  const held = await arrayOf((isSet ? place : run.subtypes)[scale]);
  return held.values.subarray(names.indexOf(set) * size, (names.indexOf(set) + 1) * size);
}

function part(heading, text, ...children) {
  return el("div", { class: "part" }, el("h3", {}, heading), text ? note(text) : null, ...children);
}

function controlsOf(...made) {
  return el("div", { class: "controls" }, ...made);
}

function mapPart(run, mine, drawn) {
  const unit = el("div", { class: "unit", "aria-live": "polite" });
  const showUnit = async (layer, dim) => {
    mine.unit = [layer, dim];
    unit.replaceChildren(await unitTable(run, mine, layer, dim));
  };
  const map = figure(async (width) => {
    const values = await cellsOf(run, mine.site, mine.position, mine.scale, mine.set);
    const scale = scaleOf(mine.scale, values);
    const order = orderOf(values, run.layers, run.width, mine.sort);
    const say = (layer, dim) => `${t("layer")} ${layer}, ${t("dimension")} ${dim}: ${t(`scale:${mine.scale}`)} ${shown(values[layer * run.width + dim])}`;
    const name = `${t("map:heading")}, ${t(`scale:${mine.scale}`)}, ${setName(mine.set)}`;
    const isSorted = mine.sort === "index" ? null : `sort:${mine.sort}`;
    const made = cellMap({ values, layers: run.layers, order, scale, say, pick: showUnit, width, name, isSorted });
    return [colourBar(scale.colour, scale.ticks, t(`scale:${mine.scale}`)), made];
  });
  drawn.push(map);
  if (mine.unit) showUnit(...mine.unit);
  const sort = choice(t("sort"), ["index", "up", "down"].map((one) => [one, t(`sort:${one}`)]), mine.sort, (value) => {
    mine.sort = value;
    map.again();
  });
  return part(t("map:heading"), t("map:note"), controlsOf(sort), map, unit);
}

// One unit on every scale, for every set and subtype that is kept here.
async function unitTable(run, mine, layer, dim) {
  const place = run.places.find((one) => one.site === mine.site && one.position === mine.position);
  const isMain = mine.site === run.main[0] && mine.position === run.main[1];
  const sets = [...place.sets, ...(isMain && run.subtypes ? run.subtypes.names : [])];
  const rows = [];
  for (const set of sets) {
    const row = { set };
    for (const scale of DIFFERENCE_SCALES) row[scale] = (await cellsOf(run, mine.site, mine.position, scale, set))[layer * run.width + dim];
    rows.push(row);
  }
  const head = el("tr", {}, el("th", { scope: "col" }, `${t("layer")} ${layer} · ${t("dimension")} ${dim}`), ...DIFFERENCE_SCALES.map((one) => el("th", { scope: "col" }, t(`scale:${one}`))));
  const body = rows.map((row) => el("tr", {}, el("th", { scope: "row" }, setName(row.set)), ...DIFFERENCE_SCALES.map((one) => el("td", { class: "number" }, shown(row[one])))));
  return el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
}

async function topUnits(run, mine) {
  if (run.tables.ranking) {
    const rows = (await rowsOf(run.tables.ranking)).filter(
      (row) => row.set === mine.set && row.site === mine.site && row.position === mine.position && row.scale === mine.scale,
    );
    if (rows.length) return rows.sort((a, b) => a.rank - b.rank).slice(0, TOP);
  }
  const values = await cellsOf(run, mine.site, mine.position, mine.scale, mine.set);
  const order = Array.from(values.keys()).sort((a, b) => values[a] - values[b] || a - b);
  return order.slice(0, TOP).map((unit, i) => ({ rank: i + 1, layer: Math.floor(unit / run.width), dim: unit % run.width, score: values[unit], low: null, high: null }));
}

function barsPart(run, mine, drawn) {
  const table = el("div");
  const bars = figure(async (width) => {
    const rows = (await topUnits(run, mine)).map((row) => ({ ...row, unit: `L${row.layer} · d${row.dim}` }));
    const isPrimary = mine.scale === "percentile";
    table.replaceChildren(
      numbers(
        [
          ["", (row) => shown(row.rank), true],
          [t("layer"), (row) => String(row.layer), true],
          [t("dimension"), (row) => String(row.dim), true],
          ...DIFFERENCE_SCALES.map((name) => [t(`scale:${name}`), (row) => shown(row[name] ?? (name === mine.scale ? row.score : null)), true]),
          [t("interval"), (row) => (row.low === null ? "" : `[${shown(row.low)}, ${shown(row.high)}]`), true],
          [t("spread"), (row) => shown(row.spread), true],
        ],
        rows,
      ),
    );
    return chart(
      {
        width: Math.min(width, 720),
        height: 40 + rows.length * 18 + 40,
        marginLeft: 84,
        x: { label: t(`scale:${mine.scale}`), grid: true, ...(isPrimary ? { domain: [0, Math.max(0.55, d3.max(rows, (row) => row.high ?? row.score))] } : {}) },
        y: { domain: rows.map((row) => row.unit), label: null },
        marks: [
          Plot.barX(rows, { x: "score", y: "unit", fill: "var(--c1)", fillOpacity: 0.75, inset: 2 }),
          Plot.ruleY(rows.filter((row) => row.low !== null), { x1: "low", x2: "high", y: "unit", strokeWidth: 1.5 }),
          isPrimary ? Plot.ruleX([0.5], { strokeDasharray: "5 4" }) : null,
          Plot.tip(rows, Plot.pointerY({ x: "score", y: "unit", title: (row) => `${row.unit}\n${t(`scale:${mine.scale}`)} ${shown(row.score)}${row.low === null ? "" : ` [${shown(row.low)}, ${shown(row.high)}]`}\nσ ${shown(row.spread)}` })),
        ],
      },
      t("bars:heading"),
    );
  });
  drawn.push(bars);
  return part(t("bars:heading"), t("bars:note"), bars, table);
}

// Units spread evenly over a ranking, and all at its ends.
function sampledUnits(values) {
  const order = Array.from(values.keys()).filter((i) => values[i] > 0).sort((a, b) => values[a] - values[b]);
  if (order.length <= POINTS) return order;
  const step = order.length / POINTS;
  return order.filter((_, i) => i < EXTREMES || i >= order.length - EXTREMES || Math.floor(i / step) !== Math.floor((i - 1) / step));
}

function scatterPart(run, mine, drawn) {
  const place = run.places.find((one) => one.site === mine.site && one.position === mine.position);
  const text = t("scatter:note", { shown: Math.min(POINTS, run.layers * run.width).toLocaleString("en"), all: (run.layers * run.width).toLocaleString("en") });
  const scatter = figure(async (width) => {
    const spread = (await arrayOf(run.spread[mine.site])).values;
    const points = [];
    for (const set of place.sets) {
      const values = await cellsOf(run, mine.site, mine.position, "raw", set);
      for (const unit of sampledUnits(values)) {
        if (spread[unit] > 0) points.push({ set, x: spread[unit], y: values[unit], layer: Math.floor(unit / run.width), dim: unit % run.width });
      }
    }
    d3.shuffler(d3.randomLcg(1))(points); // no set lies over the others
    return [
      setLegend(place.sets),
      chart(
        {
          width: Math.min(width, 720),
          height: 420,
          x: { type: "log", label: t("spread"), tickFormat: (one) => shown(one) },
          y: { type: "log", label: t("scale:raw"), grid: true, tickFormat: (one) => shown(one) },
          color: { domain: place.sets, range: place.sets.map((set) => SET_COLOURS[set]) },
          symbol: { domain: place.sets, range: place.sets.map((set) => SET_SYMBOLS[set]) },
          marks: [
            Plot.dot(points, { x: "x", y: "y", stroke: "set", symbol: "set", r: 2, strokeOpacity: 0.55 }),
            Plot.tip(points, Plot.pointer({ x: "x", y: "y", title: (one) => `${setName(one.set)}\n${t("layer")} ${one.layer} · ${t("dimension")} ${one.dim}\n|a1 − a2| ${shown(one.y)} · σ ${shown(one.x)}` })),
          ],
        },
        t("scatter:heading"),
      ),
    ];
  });
  drawn.push(scatter);
  return part(t("scatter:heading"), text, scatter);
}

function setLegend(sets) {
  const glyphs = { circle: "●", square: "■", triangle: "▲", diamond: "◆", cross: "✚" };
  const made = sets.map((set) => {
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" }, glyphs[SET_SYMBOLS[set]] || "●");
    swatch.style.color = SET_COLOURS[set] || "currentColor";
    return el("span", { class: "box" }, swatch, setName(set));
  });
  return el("div", { class: "legend" }, ...made);
}

function here(mine, rows) {
  return rows.filter((row) => (row.site === undefined || row.site === mine.site) && (row.position === undefined || row.position === mine.position));
}

function matrixPart(run, mine, drawn) {
  if (!run.tables.consistency) return part(t("matrix:heading"), null, note(t("refused")));
  const table = el("div");
  const matrix = figure(async (width) => {
    const scale = mine.scale === "raw" ? "raw" : "percentile";
    const found = here(mine, await rowsOf(run.tables.consistency)).filter((row) => row.measure === mine.agreement && row.scale === scale);
    const names = [...new Set(found.flatMap((row) => [row.first, row.second]))];
    const cells = found.flatMap((row) => (row.first === row.second ? [row] : [row, { ...row, first: row.second, second: row.first }]));
    const sizes = cells.filter((row) => row.first !== row.second).map((row) => Math.abs(row[mine.matrix]));
    const most = d3.max(sizes) || 1;
    const isExcess = mine.matrix === "excess";
    const colour = isExcess ? (value) => diverging(0.5 + 0.5 * Math.max(-1, Math.min(1, value / most))) : (value) => d3.interpolateCividis(Math.min(value / most, 1));
    const side = Math.min(width, 700);
    table.replaceChildren(agreementNumbers(found, ["first", "second"]));
    const bar = isExcess ? colourBar((share) => diverging(share), [-most, 0, most].map(signed), t("matrix:excess")) : colourBar(d3.interpolateCividis, [0, most / 2, most].map((one) => shown(one, 2)), t("matrix:value"));
    return [
      bar,
      chart(
        {
          width: side,
          height: side * 0.78 + 60,
          marginLeft: state.language === "ja" ? 130 : 112,
          marginBottom: 100,
          padding: 0,
          x: { domain: names, label: null, tickRotate: -40, tickFormat: (one) => named("group", one) },
          y: { domain: names, label: null, tickFormat: (one) => named("group", one) },
          marks: [
            Plot.cell(cells, { x: "first", y: "second", fill: (row) => (row[mine.matrix] === null ? "none" : colour(row[mine.matrix])), inset: 0.5 }),
            Plot.cell(cells.filter((row) => row.first === row.second), { x: "first", y: "second", stroke: "currentColor", strokeOpacity: 0.6, inset: 1.5, fill: "none" }),
            Plot.dot(cells.filter((row) => row.q_value !== null && row.q_value < 0.05), { x: "first", y: "second", r: 1.8, fill: "currentColor" }),
            Plot.tip(cells, Plot.pointer({ x: "first", y: "second", maxRadius: 40, title: (row) => `${named("group", row.first)} × ${named("group", row.second)}\n${named("measure", mine.agreement)} ${shown(row.value)}\n${t("matrix:excess")} ${signed(row.excess)}${interval(row.low, row.high)}\np ${shown(row.p_value)}, q ${shown(row.q_value)}` })),
          ],
        },
        t("matrix:heading"),
      ),
    ];
  });
  drawn.push(matrix);
  const set = (name) => (value) => {
    mine[name] = value;
    drawn.forEach((one) => one.again());
  };
  const controls = controlsOf(
    choice(t("agreement_measure"), ["jaccard", "spearman", "rbo"].map((one) => [one, named("measure", one)]), mine.agreement, set("agreement")),
    choice(t("value"), ["excess", "value"].map((one) => [one, t(`matrix:${one}`)]), mine.matrix, set("matrix")),
  );
  return part(t("matrix:heading"), t("matrix:note"), controls, matrix, table);
}

function agreementNumbers(rows, names) {
  return numbers(
    [
      ...names.map((name, i) => [i === 0 ? t("types") : "", (row) => (typeof row[name] === "string" ? setName(row[name]) : String(row[name] ?? ""))]),
      [t("matrix:value"), (row) => shown(row.value), true],
      [t("matrix:excess"), (row) => signed(row.excess) + interval(row.low, row.high), true],
      ["p", (row) => shown(row.p_value), true],
      ["q", (row) => shown(row.q_value), true],
    ],
    rows,
  );
}

// Lines over layers with their intervals, a colour and a symbol a set.
function lines(rows, { x, y, low, high, label, name, width, zero }) {
  const there = SET_ORDER.filter((set) => rows.some((row) => row.set === set));
  // all types together are worth a line of their own where there are two
  const sets = there.filter((set) => set !== "all" || (there.includes("meaning") && there.includes("grammar")));
  rows = rows.filter((row) => sets.includes(row.set));
  const made = chart(
    {
      width,
      height: 300,
      x: { label: x === "distance" ? t("distance") : t("layer"), tickFormat: (one) => (Number.isInteger(one) ? String(one) : "") },
      y: { label, grid: true, tickFormat: (one) => shown(one) },
      color: { domain: sets, range: sets.map((set) => SET_COLOURS[set]) },
      symbol: { domain: sets, range: sets.map((set) => SET_SYMBOLS[set]) },
      marks: [
        zero === null ? null : Plot.ruleY([zero], { stroke: "currentColor", strokeOpacity: 0.5, strokeDasharray: zero === 0 ? null : "5 4" }),
        Plot.areaY(rows, { x, y1: (row) => row[low] ?? NaN, y2: (row) => row[high] ?? NaN, fill: "set", fillOpacity: 0.16 }),
        Plot.lineY(rows, { x, y, stroke: "set", strokeWidth: 1.8 }),
        Plot.dot(rows, { x, y, stroke: "set", fill: "set", symbol: "set", r: 2.5 }),
        Plot.tip(rows, Plot.pointer({ x, y, title: (row) => `${setName(row.set)}\n${x === "distance" ? t("distance") : t("layer")} ${row[x]}\n${shown(row[y])}${interval(row[low], row[high])}${row.pairs ? `\n${t("fact:pairs")} ${row.pairs}` : ""}${row.q_value === null || row.q_value === undefined ? "" : `\nq ${shown(row.q_value)}`}` })),
      ],
    },
    name,
  );
  return [setLegend(sets), made];
}

function profilePart(run, mine, drawn) {
  const agreement = figure(async (width) => {
    if (!run.tables.layer_agreement) return [];
    const rows = here(mine, await rowsOf(run.tables.layer_agreement)).filter((row) => row.measure === mine.agreement && row.scale === "percentile" && row.layer !== null);
    return lines(rows, { x: "layer", y: "excess", low: "low", high: "high", label: t("matrix:excess"), name: t("profile:agreement"), width, zero: 0 });
  }, t("profile:agreement"));
  const share = figure(async (width) => {
    if (!run.tables.layer_specificity) return [];
    const rows = here(mine, await rowsOf(run.tables.layer_specificity)).filter((row) => row.scale === "percentile");
    return lines(rows, { x: "layer", y: "excess", low: "low", high: "high", label: t("matrix:excess"), name: t("profile:share"), width, zero: 0 });
  }, t("profile:share"));
  drawn.push(agreement, share);
  return part(t("profile:heading"), null, agreement, share);
}

function correctionPart(run, mine, drawn) {
  const movement = figure(async (width) => {
    const rows = here(mine, await rowsOf(run.tables.contraction)).filter((row) => row.quantity === mine.quantity);
    return lines(rows, { x: "layer", y: "value", low: "low", high: "high", label: t(`quantity:${mine.quantity}`), name: t("correction:heading"), width, zero: mine.quantity === "size" ? null : 0 });
  });
  const divergence = figure(async (width) => {
    const rows = (await rowsOf(run.tables.divergence)).filter((row) => SET_ORDER.includes(row.set));
    return lines(rows, { x: "distance", y: "kl_nats", low: "low", high: "high", label: t("divergence"), name: t("divergence"), width: Math.min(width, 720), zero: 0 });
  }, t("divergence"));
  drawn.push(movement);
  const quantity = choice(t("quantity"), ["size", "contraction", "toward_right", "asymmetry"].map((one) => [one, t(`quantity:${one}`)]), mine.quantity, (value) => {
    mine.quantity = value;
    movement.again();
  });
  return part(t("correction:heading"), t("correction:note"), controlsOf(quantity), movement, divergence);
}

function interventionPart(run, mine) {
  if (run.intervention === null) return part(t("intervention:heading"), null, note(t("intervention:missing", { run: run.folder })));
  const found = run.intervention;
  const null_ = figure(async (width) => {
    const rows = (await rowsOf(found.sets)).filter((row) => row.replacement === mine.replacement && row.outcome === mine.outcome);
    const random = rows.filter((row) => row.set > 0 && row.value !== null);
    const stable = rows.filter((row) => row.set === 0);
    const effect = found.effects[mine.replacement][mine.outcome];
    return [
      el("p", {}, `${t("stable_set")}: ${signed(effect.effect)}${interval(effect.low, effect.high)} · ${t("random_sets")}: ${signed(effect.random_mean)} · p = ${shown(effect.p_greater)}`),
      chart(
        {
          width: Math.min(width, 720),
          height: 260,
          x: { label: `${t("change")}: ${t(`outcome:${mine.outcome}`)}`, tickFormat: (one) => shown(one) },
          y: { label: t("n_sets"), grid: true },
          marks: [
            Plot.rectY(random, Plot.binX({ y: "count" }, { x: "value", thresholds: 24, fill: "var(--c6)", fillOpacity: 0.7 })),
            Plot.ruleY([0]),
            Plot.ruleX([0], { strokeDasharray: "2 3", strokeOpacity: 0.6 }),
            Plot.ruleX(stable, { x: "value", stroke: "var(--c2)", strokeWidth: 3 }),
            Plot.text(stable, { x: "value", frameAnchor: "top", dy: -6, text: () => t("stable_set"), fill: "var(--c2)", fontWeight: "bold" }),
          ],
        },
        t("intervention:heading"),
      ),
    ];
  });
  const verdict = el("p", { class: "verdict" }, found.verdict[mine.replacement][state.language]);
  const set = (name) => (value) => {
    mine[name] = value;
    verdict.textContent = found.verdict[mine.replacement][state.language];
    null_.again();
  };
  const outcomes = Object.keys(found.effects[mine.replacement]).filter((name) => words[`outcome:${name}`]);
  const controls = controlsOf(
    choice(t("replacement"), Object.keys(found.effects).map((one) => [one, t(`replacement:${one}`)]), mine.replacement, set("replacement")),
    choice(t("outcome"), outcomes.map((one) => [one, t(`outcome:${one}`)]), mine.outcome, set("outcome")),
  );
  return part(t("intervention:heading"), t("intervention:note"), controls, verdict, null_);
}

function pairsPart(run, mine) {
  const held = run.pairs;
  const body = el("div");
  const made = part(t("pairs:heading"), null, body);
  Promise.all([rowsOf(held.table), arrayOf(held.size), arrayOf(held.predicted)]).then(([pairs, size, predicted]) => {
    const groups = [...new Set(pairs.map((pair) => pair.group))];
    if (!groups.includes(mine.group)) mine.group = groups.find((one) => run.members.grammar.includes(one)) ?? run.members.meaning[0] ?? groups[0];
    const draw = () => {
      const of = pairs.map((pair, i) => ({ ...pair, i })).filter((pair) => pair.group === mine.group);
      mine.pair = Math.min(Math.max(mine.pair, 0), of.length - 1);
      const pair = of[mine.pair];
      const step = (by) => () => {
        mine.pair = (mine.pair + by + of.length) % of.length;
        draw();
      };
      const label = (one, i) => [i, one.sentence1.length > 60 ? `${one.sentence1.slice(0, 59)}…` : one.sentence1];
      const set = (name) => (value) => {
        mine[name] = name === "pair" ? Number(value) : value;
        if (name === "group") mine.pair = 0;
        draw();
      };
      const controls = controlsOf(
        choice(t("subtype"), groups.map((one) => [one, named("group", one)]), mine.group, set("group")),
        choice(t("pair"), of.map(label), mine.pair, set("pair")),
        el("button", { type: "button", onclick: step(-1) }, t("previous")),
        el("button", { type: "button", onclick: step(1) }, t("next")),
      );
      const graph = figure((width) => pairChart(held, size, pair, width));
      body.replaceChildren(note(t("pairs:note", { shown: pairs.length, all: held.of })), controls, sentencesOf(pair), graph, predictionsOf(predicted, pair));
    };
    draw();
  });
  return made;
}

// Both sentences with what differs marked, which is right, and which the model finds likelier.
function sentencesOf(pair) {
  const both = [pair.sentence1, pair.sentence2];
  let start = 0;
  while (start < Math.min(both[0].length, both[1].length) && both[0][start] === both[1][start]) start += 1;
  let end = 0;
  while (end < Math.min(both[0].length, both[1].length) - start && both[0].at(-1 - end) === both[1].at(-1 - end)) end += 1;
  const rows = both.map((sentence, i) => {
    const marks = [];
    if (pair.right !== null) marks.push(pair.right === i + 1 ? `✓ ${t("right_side")}` : `✗ ${t("wrong_side")}`);
    if (pair.prefers === i + 1) marks.push(t("prefers"));
    const nll = pair[`edit_nll${i + 1}_nats`];
    if (nll !== null) marks.push(`${t("edit_nll")} ${shown(nll)}`);
    const stop = sentence.length - end;
    const text = [sentence.slice(0, start), el("mark", {}, sentence.slice(start, stop) || "∅"), sentence.slice(stop)];
    return el("li", {}, el("span", { class: "sentence" }, ...text), el("span", { class: "note" }, marks.join(" · ")));
  });
  return el("ol", { class: "sentences" }, ...rows);
}

function pairChart(held, size, pair, width) {
  const [, positions, states] = size.shape;
  const rows = [];
  for (let position = 0; position < positions; position += 1) {
    for (let layer = 0; layer < states; layer += 1) {
      const value = size.values[(pair.i * positions + position) * states + layer];
      if (!Number.isNaN(value)) rows.push({ position: held.positions[position], layer: layer - 1, value });
    }
  }
  const names = held.positions;
  const legend = names.map((name, i) => {
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" }, GLYPHS[i % GLYPHS.length]);
    swatch.style.color = colourOf(i);
    return el("span", { class: "box" }, swatch, positionName(name));
  });
  return [
    el("div", { class: "legend" }, ...legend),
    chart(
      {
        width: Math.min(width, 820),
        height: 300,
        x: { label: t("state") },
        y: { label: t("quantity:size"), grid: true, zero: true, tickFormat: (one) => shown(one) },
        color: { domain: names, range: names.map((_, i) => colourOf(i)) },
        symbol: { domain: names, range: names.map((_, i) => SYMBOLS[i % SYMBOLS.length]) },
        marks: [
          Plot.lineY(rows, { x: "layer", y: "value", stroke: "position", strokeWidth: 1.8 }),
          Plot.dot(rows, { x: "layer", y: "value", stroke: "position", symbol: "position", r: 2.5 }),
          Plot.tip(rows, Plot.pointer({ x: "layer", y: "value", title: (row) => `${positionName(row.position)}\n${t("layer")} ${row.layer}\nR ${shown(row.value)}` })),
        ],
      },
      t("pairs:heading"),
    ),
  ];
}

function predictionsOf(predicted, pair) {
  const [, pairs, distances] = predicted.shape;
  const at = (number, distance) => predicted.values[(number * pairs + pair.i) * distances + distance];
  const there = d3.range(distances).filter((distance) => !Number.isNaN(at(2, distance)));
  const rows = [
    [t("distance"), (distance) => String(distance)],
    ["NLL 1 (nats)", (distance) => shown(at(0, distance))],
    ["NLL 2 (nats)", (distance) => shown(at(1, distance))],
    ["KL (nats)", (distance) => shown(at(2, distance))],
  ].map(([name, text]) => el("tr", {}, el("th", { scope: "row" }, name), ...there.map((distance) => el("td", { class: "number" }, text(distance)))));
  return el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("tbody", {}, ...rows)));
}

// The written reading: headings and lists, as text.
function readingPart(run) {
  const made = el("div", { class: "reading" });
  let list = null;
  for (const line of run.reading[state.language].split("\n")) {
    if (line.startsWith("- ")) {
      if (list === null) made.append((list = el("ul")));
      list.append(el("li", {}, line.slice(2)));
      continue;
    }
    list = null;
    if (line.startsWith("# ")) made.append(el("p", {}, el("b", {}, line.slice(2))));
    else if (line.startsWith("## ")) made.append(el("h4", {}, line.slice(3)));
    else if (line.trim()) made.append(el("p", {}, line));
  }
  return part(t("reading:heading"), null, made);
}
