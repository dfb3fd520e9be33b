// What stays still: cells, rankings, agreement, correction, intervention, single pairs of a contrast run.

const DIFFERENCE_SCALES = ["percentile", "raw", "z", "relative"];
const TOP = 20;
const POINTS = 1500;
const EXTREMES = 60;
const SET_ORDER = ["all", "meaning", "grammar", "placebo", "control", "error", "error-meaning"];
const SET_COLOURS = {
  all: "var(--c4)",
  meaning: "var(--c1)",
  grammar: "var(--c2)",
  error: "var(--c2)",
  placebo: "var(--soft)",
  control: "var(--c3)",
  "error-meaning": "var(--c5)",
};
const SET_SYMBOLS = {
  all: "diamond",
  meaning: "circle",
  grammar: "square",
  error: "square",
  placebo: "wye",
  control: "triangle",
  "error-meaning": "cross",
};

function contrastSection() {
  const run = linkedContrast();
  const mine = chosenIn(`contrast ${page.contrasts.indexOf(run)}`, {
    sort: "index",
    agreement: "jaccard",
    matrix: "excess",
    quantity: "contraction",
    outcome: "did_nats",
    replacement: "mean",
    unit: null,
  });
  const look = () => Object.assign(mine, contrastPlace(run));
  look();
  const section = el(
    "section",
    { id: "contrast", tabindex: "-1" },
    el("h2", {}, t("contrast:heading")),
    note(t("contrast:note")),
  );
  if (page.contrasts.length > 1) {
    const pick = choice(
      t("run"),
      page.contrasts.map((one, i) => [i, one.name]),
      page.contrasts.indexOf(run),
      (value) => choose({ contrast: page.contrasts[Number(value)].name }),
    );
    section.append(el("div", { class: "controls" }, pick));
  }
  section.append(el("p", {}, el("b", {}, run.name)), contrastFindings(run), groupsTable(run));
  const drawn = [];
  const [byPlace, byScale] = placeControls(run, mine);
  // each bar stands above what follows it, and ends with it
  const followsScale = el("div", {}, ...byScale);
  for (const make of [mapPart, barsPart]) followsScale.append(make(run, mine, drawn));
  const followsPlace = el("div", {}, ...byPlace, followsScale, scatterPart(run, mine, drawn));
  if (run.reading) {
    for (const make of [matrixPart, profilePart, correctionPart]) followsPlace.append(make(run, mine, drawn));
  }
  section.append(followsPlace);
  if (run.reading) section.append(divergencePart(run));
  else section.append(note(t("stability:missing", { run: run.folder })));
  section.append(interventionPart(run, mine, drawn), pairsPart(run, mine, drawn));
  if (run.reading) section.append(readingPart(run));
  follow(section, ["contrast", "site", "position"], () => section.replaceWith(contrastSection()));
  follow(section, ["scale", "types"], (changed) => {
    if (["contrast", "site", "position"].some((name) => changed.includes(name))) return;
    look();
    for (const [name, value] of [["scale", mine.scale], ["types", mine.set]]) followsScale.querySelector(`[data-name=${name}] select`).value = value;
    drawn.forEach((one) => one.again());
  });
  return section;
}

// Site, position, scale and set of pairs that are looked at, as far as this run has them.
function contrastPlace(run) {
  const place = placeOf(run);
  const isMain = place.site === run.main[0] && place.position === run.main[1];
  const sets = setsAt(run, place).filter((one) => place.sets.includes(one) || one === "all" || isMain);
  const usual = run.members.grammar.length && run.members.meaning.length ? "all" : run.members.grammar.length ? "grammar" : "meaning";
  const set = [linked.types, usual].find((one) => sets.includes(one)) ?? sets[0];
  return { site: place.site, position: place.position, scale: linkedScale(), set };
}

function setsAt(run, place) {
  const both = place.sets.includes("meaning") && place.sets.includes("grammar");
  return [...(both ? ["all"] : []), ...place.sets, ...(run.subtypes ? run.subtypes.names : [])];
}

// Whether the layers of a contrast are those of the model that is looked at.
function isLinkedLayer(run, layer) {
  const sweep = linkedSweep();
  if (!sweep || sweep.model !== run.model) return linked.layer === String(layer);
  return linkedKey(sweep, linkedFamily(sweep)) === String(layer);
}

function chooseLayer(run, layer) {
  const sweep = page.sweeps.find((one) => one.model === run.model && (one.keys[linkedFamily(one)] ?? []).includes(String(layer)));
  if (sweep) choose({ model: sweep.name, layer: String(layer) });
  else if (!page.sweeps.length) choose({ layer: String(layer) });
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
  const zeros =
    run.zeros > run.zeros_told
      ? el("p", { class: "caveat" }, t("zeros", { dtype: run.provenance.facts.dtype, share: shown(100 * run.zeros, 2) }))
      : null;
  return el("div", {}, made, refused, zeros);
}

// The bar of what everything below follows, and the bar of what the map and the ranking follow besides.
function placeControls(run, mine) {
  const places = run.places;
  const sites = [...new Set(places.map((place) => place.site))];
  const positions = [...new Set(places.filter((place) => place.site === mine.site).map((place) => place.position))];
  const isMain = mine.site === run.main[0] && mine.position === run.main[1];
  const place = places.find((one) => one.site === mine.site && one.position === mine.position);
  const subtypes = run.subtypes ? run.subtypes.names : [];
  const sets = setsAt(run, place);
  const set = (name) => (value) => choose({ [name]: value });
  const main = `${named("site", run.main[0])}, ${positionName(run.main[1])}`;
  const notes = [];
  if (!isMain && subtypes.length) notes.push(t("map:subtypes_main", { place: main }));
  if (places.length < run.places_of) notes.push(t("map:places", { shown: places.length, all: run.places_of }));
  const named_ = (name, made) => {
    made.dataset.name = name;
    return made;
  };
  const byPlace = el(
    "div",
    { class: "controls sticky" },
    choice(
      t("site"),
      sites.map((one) => [one, named("site", one)]),
      mine.site,
      set("site"),
    ),
    choice(
      t("position"),
      positions.map((one) => [one, positionName(one)]),
      mine.position,
      set("position"),
    ),
  );
  const byScale = el(
    "div",
    { class: "controls sticky second" },
    named_(
      "scale",
      choice(
        t("scale"),
        DIFFERENCE_SCALES.map((one) => [one, t(`scale:${one}`)]),
        mine.scale,
        set("scale"),
      ),
    ),
    named_(
      "types",
      choice(
        t("types"),
        sets.map((one) => [one, setName(one), !isMain && subtypes.includes(one)]),
        mine.set,
        set("types"),
      ),
    ),
  );
  return [[byPlace, ...notes.map(note)], [byScale]];
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
    chooseLayer(run, layer);
    unit.replaceChildren(await unitTable(run, mine, layer, dim));
  };
  const map = figure(async (width) => {
    const values = await cellsOf(run, mine.site, mine.position, mine.scale, mine.set);
    const scale = scaleOf(mine.scale, values);
    const order = orderOf(values, run.layers, run.width, mine.sort);
    const say = (layer, dim) =>
      `${t("layer")} ${layer}, ${t("dimension")} ${dim}: ${t(`scale:${mine.scale}`)} ${shown(values[layer * run.width + dim])}`;
    const name = `${t("map:heading")}, ${t(`scale:${mine.scale}`)}, ${setName(mine.set)}`;
    const isSorted = mine.sort === "index" ? null : `sort:${mine.sort}`;
    const made = cellMap({ values, layers: run.layers, order, scale, say, pick: showUnit, width, name, isSorted });
    const columns = [
      [t("layer"), (unit) => String(Math.floor(unit / run.width)), true],
      [t("dimension"), (unit) => String(unit % run.width), true],
      [t(`scale:${mine.scale}`), (unit) => shown(values[unit]), true],
    ];
    made.table = [columns, d3.range(values.length)];
    const rows = () => made.chosen(d3.range(run.layers).filter((layer) => isLinkedLayer(run, layer)));
    rows();
    follow(made, ["model", "family", "layer"], rows);
    return [colourBar(scale.colour, scale.ticks, t(`scale:${mine.scale}`), t(`scale:law_${mine.scale === "percentile" ? "even" : "ratio"}`)), made];
  });
  drawn.push(map);
  if (mine.unit) unitTable(run, mine, ...mine.unit).then((made) => unit.replaceChildren(made));
  const sort = choice(
    t("sort"),
    ["index", "up", "down"].map((one) => [one, t(`sort:${one}`)]),
    mine.sort,
    (value) => {
      mine.sort = value;
      map.again();
    },
  );
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
    for (const scale of DIFFERENCE_SCALES)
      row[scale] = (await cellsOf(run, mine.site, mine.position, scale, set))[layer * run.width + dim];
    rows.push(row);
  }
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, `${t("layer")} ${layer} · ${t("dimension")} ${dim}`),
    ...DIFFERENCE_SCALES.map((one) => el("th", { scope: "col" }, t(`scale:${one}`))),
  );
  const body = rows.map((row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, setName(row.set)),
      ...DIFFERENCE_SCALES.map((one) => el("td", { class: "number" }, shown(row[one]))),
    ),
  );
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
  return order.slice(0, TOP).map((unit, i) => ({
    rank: i + 1,
    layer: Math.floor(unit / run.width),
    dim: unit % run.width,
    score: values[unit],
    low: null,
    high: null,
  }));
}

function barsPart(run, mine, drawn) {
  const table = el("div");
  const bars = figure(async (width) => {
    const rows = (await topUnits(run, mine)).map((row) => ({ ...row, unit: `L${row.layer} · d${row.dim}` }));
    const isPrimary = mine.scale === "percentile";
    const columns = [
          ["", (row) => shown(row.rank), true],
          [t("layer"), (row) => String(row.layer), true],
          [t("dimension"), (row) => String(row.dim), true],
          ...DIFFERENCE_SCALES.map((name) => [
            t(`scale:${name}`),
            (row) => shown(row[name] ?? (name === mine.scale ? row.score : null)),
            true,
          ]),
          [t("interval"), (row) => (row.low === null ? "" : `[${shown(row.low)}, ${shown(row.high)}]`), true],
          [t("spread"), (row) => shown(row.spread), true],
    ];
    table.replaceChildren(numbers(columns, rows));
    return chart(
      {
        width: Math.min(width, 720),
        height: 40 + rows.length * 18 + 40,
        marginLeft: 84,
        x: {
          label: t(`scale:${mine.scale}`),
          grid: true,
          ...(isPrimary
            ? {
                domain: [
                  0,
                  Math.max(
                    0.55,
                    d3.max(rows, (row) => row.high ?? row.score),
                  ),
                ],
              }
            : {}),
        },
        y: { domain: rows.map((row) => row.unit), label: null },
        marks: [
          Plot.barX(rows, { x: "score", y: "unit", fill: "var(--c1)", fillOpacity: 0.75, inset: 2 }),
          Plot.ruleY(
            rows.filter((row) => row.low !== null),
            { x1: "low", x2: "high", y: "unit", strokeWidth: 1.5 },
          ),
          isPrimary ? Plot.ruleX([0.5], { strokeDasharray: "5 4" }) : null,
          tip(rows, { x: "score", y: "unit" }, (row) => [
            row.unit,
            `${t(`scale:${mine.scale}`)} ${shown(row.score)}${row.low === null ? "" : ` [${shown(row.low)}, ${shown(row.high)}]`}`,
            row.spread === undefined ? "" : `σ ${shown(row.spread)}`,
          ]),
        ],
      },
      t("bars:heading"),
      {
        ...ofLayer(run),
        rows,
        x: (row) => row.score,
        y: (row) => row.unit,
        series: (row) => row.unit,
        say: (row) => [row.unit, `${t(`scale:${mine.scale}`)} ${shown(row.score)}`],
        value: (row) => row.score,
        label: (row) => row.unit,
        columns,
      },
    );
  });
  drawn.push(bars);
  return part(t("bars:heading"), t("bars:note"), bars, table);
}

// Units spread evenly over a ranking, and all at its ends.
function sampledUnits(values) {
  const order = Array.from(values.keys())
    .filter((i) => values[i] > 0)
    .sort((a, b) => values[a] - values[b]);
  if (order.length <= POINTS) return order;
  const step = order.length / POINTS;
  return order.filter(
    (_, i) => i < EXTREMES || i >= order.length - EXTREMES || Math.floor(i / step) !== Math.floor((i - 1) / step),
  );
}

function scatterPart(run, mine, drawn) {
  const place = run.places.find((one) => one.site === mine.site && one.position === mine.position);
  const text = t("scatter:note", {
    shown: Math.min(POINTS, run.layers * run.width).toLocaleString("en"),
    all: (run.layers * run.width).toLocaleString("en"),
  });
  const scatter = figure(async (width) => {
    const spread = (await arrayOf(run.spread[mine.site])).values;
    const points = [];
    for (const set of place.sets) {
      const values = await cellsOf(run, mine.site, mine.position, "raw", set);
      for (const unit of sampledUnits(values)) {
        if (spread[unit] > 0)
          points.push({ set, x: spread[unit], y: values[unit], layer: Math.floor(unit / run.width), dim: unit % run.width });
      }
    }
    d3.shuffler(d3.randomLcg(1))(points); // no set lies over the others
    return [
      setLegend(place.sets),
      chart(
        {
          width: Math.min(width, 720),
          height: 420,
          x: { type: "log", label: axisName(t("spread"), { type: "log" }), tickFormat: (one) => shown(one) },
          y: { type: "log", label: axisName(t("scale:raw"), { type: "log" }), grid: true, tickFormat: (one) => shown(one) },
          color: { domain: place.sets, range: place.sets.map((set) => SET_COLOURS[set]) },
          symbol: { domain: place.sets, range: place.sets.map((set) => SET_SYMBOLS[set]) },
          marks: [
            Plot.dot(points, { x: "x", y: "y", stroke: "set", symbol: "set", r: 2, strokeOpacity: 0.55 }),
            tip(points, { x: "x", y: "y" }, (one) => [
              setName(one.set),
              `${t("layer")} ${one.layer} · ${t("dimension")} ${one.dim}`,
              `|a1 − a2| ${shown(one.y)} · σ ${shown(one.x)}`,
            ]),
          ],
        },
        t("scatter:heading"),
        {
          ...ofLayer(run),
          isChosen: null,
          rows: points,
          x: (one) => one.x,
          y: (one) => one.y,
          series: (one) => one.set,
          say: (one) => [setName(one.set), `${t("layer")} ${one.layer} · ${t("dimension")} ${one.dim}`, `|a1 − a2| ${shown(one.y)} · σ ${shown(one.x)}`],
          value: (one) => one.y,
          label: (one) => `${t("layer")} ${one.layer}, ${t("dimension")} ${one.dim}`,
          legend: place.sets.map((set) => ["●", SET_COLOURS[set] ?? "currentColor", setName(set)]),
          columns: [
            [t("types"), (one) => setName(one.set)],
            [t("layer"), (one) => String(one.layer), true],
            [t("dimension"), (one) => String(one.dim), true],
            [t("spread"), (one) => shown(one.x), true],
            [t("scale:raw"), (one) => shown(one.y), true],
          ],
        },
      ),
    ];
  });
  drawn.push(scatter);
  return part(t("scatter:heading"), text, scatter);
}

// Points that stand at a layer of a contrast.
function ofLayer(run) {
  return {
    pick: (row) => chooseLayer(run, row.layer),
    isChosen: (row) => isLinkedLayer(run, row.layer),
    names: ["model", "family", "layer"],
  };
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
