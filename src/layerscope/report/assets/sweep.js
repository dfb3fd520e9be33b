// Layers: every measure against layer or depth, models overlaid; proxies; parts of speech.

const MEASURES = ["delta", "ppl", "bpb", "accuracy", "agreement", "kl"];
const TAG_VALUES = ["contrast", "delta", "relative"];
const TAG_ORDER = "NOUN PROPN VERB ADJ ADV INTJ AUX ADP DET PRON CCONJ SCONJ PART NUM PUNCT SYM X".split(" ");
const NEEDS_LOG = new Set(["ppl"]);

function sweepSection() {
  const families = [...new Set(page.sweeps.flatMap((sweep) => sweep.families))];
  const chosen = chosenIn("sweep", {
    family: families[0],
    measure: "delta",
    axis: new Set(page.sweeps.map((sweep) => sweep.layers)).size > 1 ? "depth" : "layer",
    models: new Set(page.sweeps.map((sweep) => sweep.name)),
    proxy: "block_influence",
  });
  const effects = figure((width) => effectsChart(chosen, width));
  const proxies = figure((width) => proxyChart(chosen, width));
  const below = el("div");
  const again = async () => {
    effects.again();
    proxies.again();
    below.replaceChildren(...(await effectsBelow(chosen)));
  };
  const set = (name) => (value) => {
    chosen[name] = value;
    again();
  };
  const controls = el(
    "div",
    { class: "controls" },
    choice(t("family"), families.map((family) => [family, familyName(family)]), chosen.family, set("family")),
    choice(t("measure"), MEASURES.map((name) => [name, t(`measure:${name}`)]), chosen.measure, set("measure")),
    choice(t("axis"), ["layer", "depth"].map((name) => [name, t(`axis:${name}`)]), chosen.axis, set("axis")),
    page.sweeps.length > 1
      ? boxes(t("models"), page.sweeps.map((sweep, i) => [sweep.name, sweep.name, colourOf(i), GLYPHS[i % GLYPHS.length]]), chosen.models, again)
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
  effectsBelow(chosen).then((made) => below.replaceChildren(...made));
  return el(
    "section",
    { id: "sweep", tabindex: "-1" },
    el("h2", {}, t("sweep:heading")),
    note(t("sweep:note")),
    page.sweeps.length > 1 ? el("p", { class: "caveat" }, t("sweep:caveat")) : null,
    controls,
    effects,
    below,
    el("h3", {}, t("proxies:heading")),
    note(t("proxies:note")),
    proxyControl,
    proxies,
  );
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
      if (row.family !== chosen.family || row[y] === null) continue;
      const x = chosen.axis === "depth" ? row.depth : row.first;
      found.push({ ...row, run: sweep.name, x, y: row[y] });
    }
  }
  return found;
}

function pointTitle(point, measure) {
  const value = measure === "delta" ? `${signed(point.delta)}${interval(point.low, point.high)}` : shown(point.y, 4);
  const lines = [point.run, `${point.name}: ${value}`, `ΔNLL ${signed(point.delta)} · ppl ${shown(point.ppl, 4)}`];
  lines.push(`${t("measure:agreement")} ${shown(point.agreement)}`, `${t("path")} ${point.path}`);
  if (point.not_finite) lines.push(t("not_finite", { n: point.not_finite }));
  return lines.join("\n");
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
  const scale = measure === "delta" || measure === "kl" ? effectScale(points.map((point) => point.y)) : {};
  const cut = scale.type === "log" ? d3.min(points, (point) => point.y) / 3 : -Infinity;
  const marks = [
    measure === "delta" && scale.type !== "log" ? Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.4 }) : null,
    Plot.ruleY(intact, { y: "y", stroke: "run", strokeDasharray: "5 4" }),
    measure === "delta"
      ? Plot.areaY(points, {
          x: "x",
          y1: (point) => (point.low === null ? NaN : Math.max(point.low, cut)),
          y2: (point) => point.high ?? NaN,
          fill: "run",
          fillOpacity: 0.18,
        })
      : null,
    Plot.lineY(points, { x: "x", y: "y", stroke: "run", strokeWidth: 1.8 }),
    Plot.dot(points, { x: "x", y: "y", stroke: "run", fill: "run", symbol: "run", r: 3 }),
    Plot.tip(points, Plot.pointer({ x: "x", y: "y", title: (point) => pointTitle(point, measure), maxRadius: 60, lineWidth: 34 })),
  ];
  return chart(
    {
      width,
      height: 360,
      x: { label: chosen.axis === "depth" ? t("axis:depth") : t("layer"), tickFormat: (one) => String(Number(one.toFixed(2))) },
      y: { label: t(`measure:${measure}`), grid: true, ...(NEEDS_LOG.has(measure) ? { type: "log" } : scale), tickFormat: (one) => shown(one) },
      color: { domain: names, range: names.map((_, i) => colourOf(i)) },
      symbol: { domain: names, range: names.map((_, i) => SYMBOLS[i % SYMBOLS.length]) },
      marks,
    },
    `${t(`measure:${measure}`)}, ${familyName(chosen.family)}`,
  );
}

async function effectsBelow(chosen) {
  const points = await pointsOf(chosen, "delta");
  const needs = chosenSweeps(chosen).filter((sweep) => sweep.needs[chosen.family][state.language]);
  const read = needs.map((sweep) => el("p", {}, el("b", {}, `${sweep.name}: `), sweep.needs[chosen.family][state.language]));
  return [
    el("h3", {}, t("needs:heading")),
    ...read,
    numbers(
      [
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
      ],
      points,
    ),
  ];
}

async function proxyChart(chosen, width) {
  const points = (await pointsOf(chosen, "delta")).filter((point) => point[chosen.proxy] !== null);
  const names = page.sweeps.map((sweep) => sweep.name);
  const lines = chosenSweeps(chosen).map((sweep) => {
    const found = sweep.proxies.find((row) => row.family === chosen.family && row.proxy === chosen.proxy);
    return el("li", {}, `${sweep.name}: ρ = ${shown(found ? found.spearman : null)}`);
  });
  const made = chart(
    {
      width: Math.min(width, 640),
      height: 320,
      x: { label: t(chosen.proxy), ...effectScale(points.map((point) => point[chosen.proxy])), tickFormat: (one) => shown(one) },
      y: { label: t("measure:delta"), grid: true, ...effectScale(points.map((point) => point.y)), tickFormat: (one) => shown(one) },
      color: { domain: names, range: names.map((_, i) => colourOf(i)) },
      symbol: { domain: names, range: names.map((_, i) => SYMBOLS[i % SYMBOLS.length]) },
      marks: [
        Plot.dot(points, { x: chosen.proxy, y: "y", stroke: "run", symbol: "run", r: 4 }),
        Plot.text(points, { x: chosen.proxy, y: "y", text: (point) => String(point.first), dx: 9, dy: -4, fontSize: 10, fillOpacity: 0.75 }),
        Plot.tip(points, Plot.pointer({ x: chosen.proxy, y: "y", title: (point) => `${point.run}\n${point.name}\n${t(chosen.proxy)} ${shown(point[chosen.proxy])}\nΔNLL ${signed(point.delta)}` })),
      ],
    },
    t("proxies:heading"),
  );
  return [el("ul", { class: "plain" }, ...lines), made];
}

// Parts of speech

function posSection() {
  const chosen = chosenIn("pos", { run: 0, value: "contrast", unit: "word", family: page.sweeps[0].families[0] });
  const sweep = page.sweeps[chosen.run];
  const heading = el("h2", {}, t("pos:heading"));
  const section = el("section", { id: "pos", tabindex: "-1" }, heading, note(t("pos:note")));
  const set = (name) => (value) => {
    chosen[name] = name === "run" ? Number(value) : value;
    section.replaceWith(posSection());
  };
  if (!sweep.families.includes(chosen.family)) [chosen.family] = sweep.families;
  const controls = el("div", { class: "controls" });
  if (page.sweeps.length > 1) controls.append(choice(t("model"), page.sweeps.map((one, i) => [i, one.name]), chosen.run, set("run")));
  section.append(controls);
  if (sweep.pos === null) {
    section.append(note(t("pos:missing", { run: sweep.folder })));
    return section;
  }
  rowsOf(sweep.pos).then((rows) => {
    const units = [...new Set(rows.map((row) => row.unit))];
    if (!units.includes(chosen.unit)) [chosen.unit] = units;
    controls.append(
      choice(t("family"), sweep.families.map((family) => [family, familyName(family)]), chosen.family, set("family")),
      choice(t("value"), TAG_VALUES.map((name) => [name, t(`pos:${name}`)]), chosen.value, set("value")),
      choice(t("unit"), units.map((name) => [name, t(`unit:${name}`)]), chosen.unit, set("unit")),
    );
    section.append(figure((width) => tagChart(sweep, chosen, width)), tagNumbers(chosen, rows));
  });
  return section;
}

async function tagCells(sweep, chosen) {
  const variants = new Map((await rowsOf(sweep.variants)).map((row) => [row.name, row]));
  const rows = (await rowsOf(sweep.pos)).filter((row) => row.unit === chosen.unit && row.kind === "tag");
  return rows
    .map((row) => ({ ...row, of: variants.get(row.variant) }))
    .filter((row) => row.of && row.of.family === chosen.family);
}

function tagTitle(row) {
  const lines = [`${row.variant} · ${named("tag", row.tag)} (${row.items})`];
  lines.push(`${t("pos:contrast")}: ${signed(row.contrast)}${interval(row.contrast_low, row.contrast_high)}, q ${shown(row.contrast_q)}`);
  lines.push(`${t("pos:delta")}: ${signed(row.delta)}${interval(row.delta_low, row.delta_high)}, q ${shown(row.delta_q)}`);
  lines.push(`${t("pos:relative")}: ${signed(row.relative)} · ${t("intact")} NLL ${shown(row.intact)}`, `${t("path")} ${row.of.path}`);
  return lines.join("\n");
}

async function tagChart(sweep, chosen, width) {
  const cells = await tagCells(sweep, chosen);
  const tags = TAG_ORDER.filter((tag) => cells.some((cell) => cell.tag === tag));
  const few = new Set(cells.filter((cell) => cell.few).map((cell) => cell.tag));
  const sizes = cells.map((cell) => Math.abs(cell[chosen.value] ?? 0)).filter((size) => size > 0);
  const most = d3.quantile(sizes, 0.98) || 1;
  const shade = (value) => diverging(0.5 + 0.5 * Math.sign(value) * Math.min(Math.abs(value) / most, 1) ** 0.5);
  const q = { contrast: "contrast_q", delta: "delta_q", relative: "delta_q" }[chosen.value];
  const order = [...new Set(cells.map((cell) => cell.variant))];
  const label = (name) => {
    const { first } = cells.find((cell) => cell.variant === name).of;
    return first === null ? name : String(first);
  };
  const named_ = (tag) => `${named("tag", tag)}${few.has(tag) ? " *" : ""}`;
  const made = chart(
    {
      width,
      height: 40 + tags.length * 22 + 40,
      marginLeft: state.language === "ja" ? 130 : 70,
      padding: 0,
      x: { domain: order, label: t("layer"), tickFormat: label, ticks: order.filter((_, i) => i % Math.ceil((order.length * 24) / width) === 0) },
      y: { domain: tags, label: null, tickFormat: named_ },
      marks: [
        Plot.cell(cells, { x: "variant", y: "tag", fill: (cell) => (cell[chosen.value] === null ? "none" : shade(cell[chosen.value])), inset: 0.5 }),
        Plot.dot(cells.filter((cell) => cell[q] === null || cell[q] >= 0.05), { x: "variant", y: "tag", r: 1.5, fill: "currentColor" }),
        Plot.tip(cells, Plot.pointer({ x: "variant", y: "tag", title: tagTitle, lineWidth: 40, maxRadius: 30 })),
      ],
    },
    `${t("pos:heading")} ${t(`pos:${chosen.value}`)}`,
  );
  return [colourBar((share) => shade((2 * share - 1) * most), [-most, 0, most].map((value) => signed(value)), t(`pos:${chosen.value}`)), made];
}

// Colours of a scale from left to right, with what stands at its ends and in its middle.
function colourBar(colour, ticks, name) {
  const canvas = el("canvas", { width: 200, height: 12, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  for (let x = 0; x < 200; x += 1) {
    context.fillStyle = colour(x / 199);
    context.fillRect(x, 0, 1, 12);
  }
  return el("div", { class: "colours" }, el("span", {}, name), el("div", {}, canvas, el("div", { class: "ticks" }, ...ticks.map((one) => el("span", {}, one)))));
}

function tagNumbers(chosen, rows) {
  const wanted = rows.filter((row) => row.unit === chosen.unit && row.kind === "tag");
  return numbers(
    [
      [t("variant"), (row) => row.variant],
      [t("tag"), (row) => named("tag", row.tag)],
      [t("items"), (row) => `${row.items}${row.few ? " *" : ""}`, true],
      [t("pos:contrast"), (row) => signed(row.contrast) + interval(row.contrast_low, row.contrast_high), true],
      ["q", (row) => shown(row.contrast_q), true],
      ["ΔNLL", (row) => signed(row.delta) + interval(row.delta_low, row.delta_high), true],
      ["q", (row) => shown(row.delta_q), true],
      [t("pos:relative"), (row) => signed(row.relative), true],
    ],
    wanted,
  );
}
