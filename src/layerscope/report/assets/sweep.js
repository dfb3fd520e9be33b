// Layers: every measure against layer or depth, models overlaid; proxies.

const MEASURES = ["delta", "ppl", "bpb", "accuracy", "agreement", "kl"];
const PEAKS = 4;
const STAYS = "stays"; // of depths: the share of tokens whose prediction no longer changes

function sweepSection() {
  const families = [...new Set(page.sweeps.flatMap((sweep) => sweep.families))];
  const chosen = chosenIn("sweep", {
    measure: "delta",
    axis: firstAxis(),
    models: new Set(page.sweeps.map((sweep) => sweep.name)),
    proxy: "block_influence",
  });
  const look = () => {
    chosen.family = linkedFamily(linkedSweep(), families);
  };
  look();
  const effects = figure((width) => effectsChart(chosen, width));
  const proxies = figure((width) => proxyChart(chosen, width));
  const below = el("div");
  const ofModel = el("div", { class: "together" });
  const ofFamily = el("div", { class: "together" });
  const ofDepth = el("div");
  const again = async () => {
    effects.again();
    proxies.again();
    below.replaceChildren(...(await effectsBelow(chosen)));
  };
  const set = (name) => (value) => {
    chosen[name] = value;
    again();
  };
  const choices = () => {
    const measures = isDepth(chosen.family) ? [...MEASURES, STAYS] : MEASURES;
    if (!measures.includes(chosen.measure)) [chosen.measure] = measures;
    const byLayer = t(isDepth(chosen.family) ? "axis:depths" : "axis:layer");
    return [
      choice(
        t("measure"),
        measures.map((name) => [name, t(`measure:${name}`)]),
        chosen.measure,
        set("measure"),
      ),
      choice(
        t("axis"),
        [
          ["layer", byLayer],
          ...(page.sweeps.some((sweep) => sweep.origin) ? [["original", t("axis:original")]] : []),
          ["depth", t("axis:depth")],
        ],
        chosen.axis,
        set("axis"),
      ),
    ];
  };
  const controls = el(
    "div",
    { class: "controls" },
    ofModel,
    ofFamily,
    page.sweeps.length > 1
      ? boxes(
          t("models"),
          page.sweeps.map((sweep, i) => [sweep.name, sweep.name, colourOf(i), GLYPHS[i % GLYPHS.length]]),
          chosen.models,
          again,
        )
      : null,
  );
  const proxyControl = el(
    "div",
    { class: "controls" },
    choice(
      t("proxy"),
      ["block_influence", "angular_distance"].map((name) => [name, t(name)]),
      chosen.proxy,
      (value) => {
        chosen.proxy = value;
        proxies.again();
      },
    ),
  );
  const ofProxies = el("div", {}, el("h3", {}, t("proxies:heading")), note(t("proxies:note")), proxyControl, proxies);
  // depths have measures and an axis of their own, and no proxies
  const suit = () => {
    ofModel.replaceChildren(...[modelChoice(page.sweeps), familyChoice(families, chosen.family)].filter(Boolean));
    ofFamily.replaceChildren(...choices());
    ofProxies.hidden = isDepth(chosen.family);
    ofDepth.replaceChildren(...(isDepth(chosen.family) ? [depthNote(chosen.family)] : []));
  };
  suit();
  effectsBelow(chosen).then((made) => below.replaceChildren(...made));
  const section = el(
    "section",
    { id: "sweep", tabindex: "-1" },
    el("h2", {}, t("sweep:heading")),
    note(t("sweep:note")),
    page.sweeps.length > 1 ? el("p", { class: "caveat" }, t("sweep:caveat")) : null,
    controls,
    ofDepth,
    effects,
    below,
    ofProxies,
  );
  follow(section, ["model", "family"], (changed) => {
    look();
    suit();
    if (changed.includes("family")) again();
  });
  return section;
}

// Layer numbers where all models have as many; where some were exported from another, the numbers that they had there.
function firstAxis() {
  const sizes = (of) => new Set(page.sweeps.map(of)).size;
  if (sizes((sweep) => sweep.layers) === 1) return "layer";
  return sizes((sweep) => sweep.origin?.layers ?? sweep.layers) === 1 ? "original" : "depth";
}

function placeOnAxis(axis, sweep, row) {
  if (axis === "depth") return row.depth;
  return axis === "original" && sweep.origin && row.first >= 0 ? sweep.origin.places[row.first] ?? null : row.first;
}

function colourOf(number) {
  return COLOURS[number % COLOURS.length];
}

function chosenSweeps(chosen) {
  return page.sweeps.filter((sweep) => chosen.models.has(sweep.name) && sweep.families.includes(chosen.family));
}

// One point a variant and model.
async function pointsOf(chosen, y) {
  const found = [];
  for (const sweep of chosenSweeps(chosen)) {
    for (const row of await rowsOf(sweep.variants)) {
      if (row.family !== chosen.family || (row[y] ?? null) === null) continue;
      const x = placeOnAxis(chosen.axis, sweep, row);
      found.push({ ...row, run: sweep.name, sweep, x, y: row[y] });
    }
  }
  return found;
}

function pointLines(point, measure) {
  return [
    point.run,
    `${point.name}: ${measure === "delta" ? "" : `${t(`measure:${measure}`)} ${shown(point.y, 4)}`}`.trim(),
    `ΔNLL ${signed(point.delta)}${interval(point.low, point.high)}`,
    `ppl ${shown(point.ppl, 4)} · ${t("measure:agreement")} ${shown(point.agreement)}`,
    `${t("path")} ${point.path}`,
    point.not_finite ? t("not_finite", { n: point.not_finite }) : "",
  ];
}

async function effectsChart(chosen, width) {
  const { measure } = chosen;
  const points = await pointsOf(chosen, measure);
  const intact = [];
  for (const sweep of chosenSweeps(chosen)) {
    const [row] = await rowsOf(sweep.variants);
    if (["ppl", "bpb", "accuracy"].includes(measure)) intact.push({ run: sweep.name, y: row[measure] });
  }
  const names = page.sweeps.map((sweep) => sweep.name);
  const scale =
    measure === "ppl" ? { type: "log" } : ["delta", "kl"].includes(measure) ? effectScale(points.map((point) => point.y)) : {};
  const cut = scale.type === "log" ? d3.min(points, (point) => point.y) / 3 : -Infinity;
  const marks = [
    measure === "delta" && scale.type !== "log" ? Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.4 }) : null,
    Plot.ruleY(intact, { y: "y", stroke: "run", strokeDasharray: "5 4" }),
    measure === "delta" && isOfHeads(chosen.family)
      ? Plot.ruleX(points, {
          x: "x",
          y1: (point) => (point.low === null ? NaN : Math.max(point.low, cut)),
          y2: (point) => point.high ?? NaN,
          stroke: "run",
          strokeOpacity: 0.4,
        })
      : null,
    measure === "delta" && !isOfHeads(chosen.family)
      ? Plot.areaY(points, {
          x: "x",
          y1: (point) => (point.low === null ? NaN : Math.max(point.low, cut)),
          y2: (point) => point.high ?? NaN,
          fill: "run",
          fillOpacity: 0.18,
        })
      : null,
    isOfHeads(chosen.family) ? null : Plot.lineY(points, { x: "x", y: "y", stroke: "run", strokeWidth: 1.8 }),
    ...(measure === "delta"
      ? testedDots(points, { q: (point) => point.q, x: "x", y: "y", stroke: "run", symbol: "run", r: 3 })
      : [Plot.dot(points, { x: "x", y: "y", stroke: "run", fill: "run", symbol: "run", r: 3 })]),
    peakLabels(points, measure, chosen.axis === "original"),
    tip(points, { x: "x", y: "y" }, (point) => pointLines(point, measure)),
  ];
  const made = chart(
    {
      width,
      height: 360,
      x: {
        label: chosen.axis === "layer" ? layerAxis(chosen.family) : t(`axis:${chosen.axis}`),
        tickFormat: chosen.axis === "depth" ? (one) => shown(one, 2) : whole,
        ticks: Math.min(12, width / 60),
      },
      y: {
        label: axisName(t(`measure:${measure}`), scale),
        grid: true,
        ...scale,
        tickFormat: (one) => shown(one),
      },
      color: { domain: names, range: names.map((_, i) => colourOf(i)) },
      symbol: { domain: names, range: names.map((_, i) => SYMBOLS[i % SYMBOLS.length]) },
      marks,
    },
    `${t(`measure:${measure}`)}, ${familyName(chosen.family)}`,
    {
      ...variantPoints(points),
      say: (point) => pointLines(point, measure),
      value: (point) => point.y,
      columns: effectColumns(),
    },
  );
  return [measure === "delta" && points.length ? markKey("dot", "ring", "dashed") : null, made];
}

// Points that stand for variants of models: chosen, they set the model and the layer.
function variantPoints(points) {
  return {
    rows: points,
    x: (point) => point.x,
    y: (point) => point.y,
    series: (point) => point.run,
    label: (point) => (page.sweeps.length > 1 ? `${point.name}, ${point.run}` : point.name),
    pick: (point) => choose({ model: point.run, family: point.family, layer: keyOf(point.sweep, point) }),
    isChosen: (point) => point.sweep === linkedSweep() && isLinked(point.sweep, point),
    names: ["model", "family", "layer"],
    legend: page.sweeps
      .map((sweep, i) => [GLYPHS[i % GLYPHS.length], colourOf(i), sweep.name])
      .filter(([, , name]) => points.some((point) => point.run === name)),
  };
}

// The layers that stand out, numbered: higher than their neighbours, the largest few of each model.
function peakLabels(points, measure, isOriginal) {
  if (measure !== "delta" || !points.length || isOfHeads(points[0].family) || isDepth(points[0].family)) return null;
  const peaks = d3.groups(points, (point) => point.run).flatMap(([, some]) => {
    const ordered = d3.sort(some, (point) => point.x);
    const isPeak = (point, i) => (ordered[i - 1]?.y ?? -Infinity) < point.y && point.y > (ordered[i + 1]?.y ?? -Infinity);
    return d3.sort(ordered.filter(isPeak), (point) => -point.y).slice(0, PEAKS);
  });
  const number = (point) => (point.first === null ? "" : String(isOriginal ? point.x : point.first));
  return Plot.text(peaks, { x: "x", y: "y", text: number, fill: "run", dy: -12, fontSize: 11, fontWeight: 600 });
}

async function effectsBelow(chosen) {
  const points = await pointsOf(chosen, "delta");
  const needs = chosenSweeps(chosen).filter((sweep) => sweep.needs[chosen.family][state.language]);
  const read = needs.map((sweep) => el("p", {}, el("b", {}, `${sweep.name}: `), sweep.needs[chosen.family][state.language]));
  return [
    el("h3", {}, t("needs:heading")),
    ...read,
    numbers(effectColumns(), points),
  ];
}

function effectColumns() {
  return [
        [t("model"), (row) => row.run],
        [t("variant"), (row) => row.name],
        [t("path"), (row) => row.path],
        ["ΔNLL", (row) => signed(row.delta), true],
        [t("interval"), (row) => interval(row.low, row.high), true],
        ["q", (row) => shown(row.q), true],
        [t("measure:ppl"), (row) => shown(row.ppl, 5), true],
        [t("measure:bpb"), (row) => shown(row.bpb, 4), true],
        [t("measure:accuracy"), (row) => shown(row.accuracy), true],
        [t("measure:agreement"), (row) => shown(row.agreement), true],
        [t("measure:kl"), (row) => shown(row.kl), true],
        [t("block_influence"), (row) => shown(row.block_influence), true],
        [t("angular_distance"), (row) => shown(row.angular_distance), true],
  ];
}

async function proxyChart(chosen, width) {
  const points = (await pointsOf(chosen, "delta")).filter((point) => point[chosen.proxy] !== null);
  const names = page.sweeps.map((sweep) => sweep.name);
  const lines = chosenSweeps(chosen).map((sweep) => {
    const found = sweep.proxies.find((row) => row.family === chosen.family && row.proxy === chosen.proxy);
    return el("li", {}, `${sweep.name}: ρ = ${shown(found ? found.spearman : null)}`);
  });
  const across = effectScale(points.map((point) => point[chosen.proxy]));
  const up = effectScale(points.map((point) => point.y));
  const made = chart(
    {
      width: Math.min(width, 640),
      height: 320,
      x: {
        label: axisName(t(chosen.proxy), across),
        ...across,
        tickFormat: (one) => shown(one),
      },
      y: {
        label: axisName(t("measure:delta"), up),
        grid: true,
        ...up,
        tickFormat: (one) => shown(one),
      },
      color: { domain: names, range: names.map((_, i) => colourOf(i)) },
      symbol: { domain: names, range: names.map((_, i) => SYMBOLS[i % SYMBOLS.length]) },
      marks: [
        Plot.dot(points, { x: chosen.proxy, y: "y", stroke: "run", symbol: "run", r: 4 }),
        Plot.text(points, {
          x: chosen.proxy,
          y: "y",
          text: (point) => String(point.first),
          dx: 9,
          dy: -4,
          fontSize: 10,
          fillOpacity: 0.75,
        }),
        tip(points, { x: chosen.proxy, y: "y" }, (point) => [
          point.run,
          point.name,
          `${t(chosen.proxy)} ${shown(point[chosen.proxy])}`,
          `ΔNLL ${signed(point.delta)}`,
        ]),
      ],
    },
    t("proxies:heading"),
    {
      ...variantPoints(points),
      x: (point) => point[chosen.proxy],
      say: (point) => [point.run, point.name, `${t(chosen.proxy)} ${shown(point[chosen.proxy])}`, `ΔNLL ${signed(point.delta)}`],
      value: (point) => point[chosen.proxy],
      columns: effectColumns(),
    },
  );
  return [el("ul", { class: "plain" }, ...lines), made];
}
