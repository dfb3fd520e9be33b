// Whether types agree, in which layers, whether layers correct, and whether it matters.

const UNMATCHED = 0.1;

function here(mine, rows) {
  return rows.filter(
    (row) =>
      (row.site === undefined || row.site === mine.site) && (row.position === undefined || row.position === mine.position),
  );
}

function matrixPart(run, mine, drawn) {
  if (!run.tables.consistency) return part(t("matrix:heading"), null, note(t("refused")));
  const table = el("div");
  const matrix = figure(async (width) => {
    const scale = mine.scale === "raw" ? "raw" : "percentile";
    const found = here(mine, await rowsOf(run.tables.consistency)).filter(
      (row) => row.measure === mine.agreement && row.scale === scale,
    );
    if (!found.length) {
      table.replaceChildren();
      return note(t("place:missing"));
    }
    const names = [...new Set(found.flatMap((row) => [row.first, row.second]))];
    const cells = found.flatMap((row) =>
      row.first === row.second ? [row] : [row, { ...row, first: row.second, second: row.first }],
    );
    const sizes = cells.filter((row) => row.first !== row.second).map((row) => Math.abs(row[mine.matrix]));
    const most = d3.max(sizes) || 1;
    const isExcess = mine.matrix === "excess";
    const colour = isExcess
      ? (value) => diverging(0.5 + 0.5 * Math.max(-1, Math.min(1, value / most)))
      : (value) => d3.interpolateCividis(Math.min(value / most, 1));
    const side = Math.min(width, 700);
    const columns = agreementColumns(["first", "second"]);
    table.replaceChildren(numbers(columns, found));
    const bar = isExcess
      ? colourBar((share) => diverging(share), [-most, 0, most].map(signed), t("matrix:excess"), t("scale:law_linear"))
      : colourBar(
          d3.interpolateCividis,
          [0, most / 2, most].map((one) => shown(one, 2)),
          t("matrix:value"),
          t("scale:law_linear"),
        );
    const made = chart(
        {
          width: side,
          height: side * 0.78 + 60,
          marginLeft: state.language === "ja" ? 130 : 112,
          marginBottom: 100,
          padding: 0,
          x: { domain: names, label: null, tickRotate: -40, tickFormat: (one) => named("group", one) },
          y: { domain: names, label: null, tickFormat: (one) => named("group", one) },
          marks: [
            Plot.cell(cells, {
              x: "first",
              y: "second",
              fill: (row) => (row[mine.matrix] === null ? "none" : colour(row[mine.matrix])),
              inset: 0.5,
            }),
            Plot.cell(
              cells.filter((row) => row.first === row.second),
              { x: "first", y: "second", stroke: "currentColor", strokeOpacity: 0.6, inset: 1.5, fill: "none" },
            ),
            Plot.dot(
              cells.filter((row) => row.q_value !== null && row.q_value < 0.05),
              { x: "first", y: "second", r: 3, fill: "currentColor" },
            ),
            tip(cells, { x: "first", y: "second" }, (row) => [
              `${named("group", row.first)} × ${named("group", row.second)}`,
              `${named("measure", mine.agreement)} ${shown(row.value)}`,
              `${t("matrix:excess")} ${signed(row.excess)}${interval(row.low, row.high)}`,
              `p ${shown(row.p_value)}, q ${shown(row.q_value)}`,
            ]),
          ],
        },
        t("matrix:heading"),
        {
          rows: cells,
          x: (row) => row.first,
          y: (row) => row.second,
          series: (row) => row.second,
          say: (row) => [
            `${named("group", row.first)} × ${named("group", row.second)}`,
            `${named("measure", mine.agreement)} ${shown(row.value)}`,
            `${t("matrix:excess")} ${signed(row.excess)}${interval(row.low, row.high)}`,
            `q ${shown(row.q_value)}`,
          ],
          value: (row) => (row.first === row.second ? NaN : (row[mine.matrix] ?? NaN)),
          label: (row) => `${named("group", row.first)} × ${named("group", row.second)}`,
          columns,
        },
    );
    made.table = [columns, found];
    const untested = cells.filter((row) => !isTested(row.q_value));
    hatchedCells(made, untested, (row) => row.first, (row) => row.second);
    return [note(t("matrix:scale", { scale: t(`scale:${scale}`) })), bar, markKey("dot", ...(untested.length ? ["cell-hatched"] : [])), made];
  });
  drawn.push(matrix);
  const set = (name) => (value) => {
    mine[name] = value;
    drawn.forEach((one) => one.again());
  };
  const controls = controlsOf(
    choice(
      t("agreement_measure"),
      ["jaccard", "spearman", "rbo"].map((one) => [one, named("measure", one)]),
      mine.agreement,
      set("agreement"),
    ),
    choice(
      t("value"),
      ["excess", "value"].map((one) => [one, t(`matrix:${one}`)]),
      mine.matrix,
      set("matrix"),
    ),
  );
  return part(t("matrix:heading"), t("matrix:note"), controls, matrix, table);
}

function agreementColumns(names) {
  return [
      ...names.map((name, i) => [
        i === 0 ? t("types") : "",
        (row) => (typeof row[name] === "string" ? setName(row[name]) : String(row[name] ?? "")),
      ]),
      [t("matrix:value"), (row) => shown(row.value), true],
      [t("matrix:excess"), (row) => signed(row.excess) + interval(row.low, row.high), true],
      ["p", (row) => shown(row.p_value), true],
      ["q", (row) => shown(row.q_value), true],
  ];
}

// Lines over layers with their intervals, a colour and a symbol a set.
function lines(rows, { x, y, low, high, label, name, width, zero, run }) {
  if (!rows.length) return note(t("place:missing"));
  const there = SET_ORDER.filter((set) => rows.some((row) => row.set === set));
  // all types together are worth a line of their own where there are two
  const sets = there.filter((set) => set !== "all" || (there.includes("meaning") && there.includes("grammar")));
  rows = rows.filter((row) => sets.includes(row.set));
  const isTest = rows.some((row) => isTested(row.q_value));
  const say = (row) => [
    setName(row.set),
    `${x === "distance" ? t("distance") : t("layer")} ${row[x]}`,
    `${shown(row[y])}${interval(row[low], row[high])}`,
    row.pairs ? `${t("fact:pairs")} ${row.pairs}` : "",
    row.q_value === null || row.q_value === undefined ? "" : `q ${shown(row.q_value)}`,
  ];
  const made = chart(
    {
      width,
      height: 300,
      x: {
        label: x === "distance" ? t("distance") : t("layer"),
        tickFormat: whole,
      },
      y: { label, grid: true, tickFormat: (one) => shown(one) },
      color: { domain: sets, range: sets.map((set) => SET_COLOURS[set]) },
      symbol: { domain: sets, range: sets.map((set) => SET_SYMBOLS[set]) },
      marks: [
        zero === null
          ? null
          : Plot.ruleY([zero], { stroke: "currentColor", strokeOpacity: 0.5, strokeDasharray: zero === 0 ? null : "5 4" }),
        Plot.areaY(rows, { x, y1: (row) => row[low] ?? NaN, y2: (row) => row[high] ?? NaN, fill: "set", fillOpacity: 0.16 }),
        Plot.lineY(rows, { x, y, stroke: "set", strokeWidth: 1.8 }),
        ...(isTest
          ? testedDots(rows, { q: (row) => row.q_value, x, y, stroke: "set", symbol: "set", r: 2.8 })
          : [Plot.dot(rows, { x, y, stroke: "set", fill: "set", symbol: "set", r: 2.5 })]),
        tip(rows, { x, y }, say),
      ],
    },
    name,
    {
      ...(run ? ofLayer(run) : {}),
      rows,
      x: (row) => row[x],
      y: (row) => row[y],
      series: (row) => row.set,
      say,
      value: (row) => row[y] ?? NaN,
      label: (row) => `${setName(row.set)}, ${x === "distance" ? t("distance") : t("layer")} ${row[x]}`,
      legend: sets.map((set) => ["●", SET_COLOURS[set], setName(set)]),
      columns: [
        [t("types"), (row) => setName(row.set)],
        [x === "distance" ? t("distance") : t("layer"), (row) => String(row[x]), true],
        [label, (row) => shown(row[y]) + interval(row[low], row[high]), true],
        ["q", (row) => shown(row.q_value), true],
      ],
    },
  );
  return [setLegend(sets), isTest ? markKey("dot", "ring", ...(rows.some((row) => !isTested(row.q_value)) ? ["dashed"] : [])) : null, made];
}

// The excess over placebos of a table's rows, layer by layer; nothing where the run has no such table.
function excessFigure(run, mine, table, name, isWanted) {
  return figure(async (width) => {
    if (!run.tables[table]) return [];
    const rows = here(mine, await rowsOf(run.tables[table])).filter((row) => row.scale === "percentile" && isWanted(row));
    return lines(rows, { x: "layer", y: "excess", low: "low", high: "high", label: t("matrix:excess"), name, width, zero: 0, run });
  }, name);
}

function profilePart(run, mine, drawn) {
  const ofMeasure = (row) => row.measure === mine.agreement && row.layer !== null;
  const agreement = excessFigure(run, mine, "layer_agreement", t("profile:agreement"), ofMeasure);
  const share = excessFigure(run, mine, "layer_specificity", t("profile:share"), () => true);
  drawn.push(agreement, share);
  return part(t("profile:heading"), null, agreement, share);
}

function correctionPart(run, mine, drawn) {
  const movement = figure(async (width) => {
    const rows = here(mine, await rowsOf(run.tables.contraction)).filter((row) => row.quantity === mine.quantity);
    return lines(rows, {
      x: "layer",
      y: "value",
      low: "low",
      high: "high",
      label: t(`quantity:${mine.quantity}`),
      name: t("correction:heading"),
      width,
      zero: mine.quantity === "size" ? null : 0,
      run,
    });
  });
  drawn.push(movement);
  const quantity = choice(
    t("quantity"),
    ["size", "contraction", "toward_right", "asymmetry"].map((one) => [one, t(`quantity:${one}`)]),
    mine.quantity,
    (value) => {
      mine.quantity = value;
      movement.again();
    },
  );
  return part(t("correction:heading"), t("correction:note"), controlsOf(quantity), movement);
}

// Of predictions after the edit: they have no site and no position.
function divergencePart(run) {
  const divergence = figure(async (width) => {
    const rows = (await rowsOf(run.tables.divergence)).filter((row) => SET_ORDER.includes(row.set));
    return lines(rows, {
      x: "distance",
      y: "kl_nats",
      low: "low",
      high: "high",
      label: t("divergence"),
      name: t("divergence"),
      width: Math.min(width, 720),
      zero: 0,
    });
  });
  return part(t("divergence:heading"), null, divergence);
}

function interventionPart(run, mine) {
  if (run.intervention === null)
    return part(t("intervention:heading"), null, note(t("intervention:missing", { run: run.folder })));
  const found = run.intervention;
  const null_ = figure(async (width) => {
    const rows = (await rowsOf(found.sets)).filter(
      (row) => row.replacement === mine.replacement && row.outcome === mine.outcome,
    );
    const random = rows.filter((row) => row.set > 0 && row.value !== null);
    const stable = rows.filter((row) => row.set === 0);
    const effect = found.effects[mine.replacement][mine.outcome];
    return [
      el(
        "p",
        {},
        `${t("stable_set")}: ${signed(effect.effect)}${interval(effect.low, effect.high)} · ${t("random_sets")}: ${signed(effect.random_mean)} · p = ${shown(effect.p_greater)}`,
      ),
      chart(
        {
          width: Math.min(width, 720),
          height: 260,
          x: { label: `${t("change")}: ${t(`outcome:${mine.outcome}`)}`, tickFormat: (one) => shown(one) },
          y: { label: t("n_sets"), grid: true, tickFormat: whole },
          marks: [
            Plot.rectY(random, Plot.binX({ y: "count" }, { x: "value", thresholds: 24, fill: "var(--c6)", fillOpacity: 0.7 })),
            Plot.ruleY([0]),
            Plot.ruleX([0], { strokeDasharray: "2 3", strokeOpacity: 0.6 }),
            Plot.ruleX(stable, { x: "value", stroke: "var(--c2)", strokeWidth: 3 }),
            Plot.text(stable, {
              x: "value",
              frameAnchor: "top",
              dy: -6,
              text: () => t("stable_set"),
              fill: "var(--c2)",
              fontWeight: "bold",
            }),
          ],
        },
        t("intervention:heading"),
        {
          rows: [...stable, ...random],
          x: (row) => row.value,
          y: () => 0,
          series: (row) => String(row.set > 0),
          say: (row) => [row.set > 0 ? t("random_sets") : t("stable_set"), signed(row.value)],
          value: (row) => row.value,
          label: (row) => (row.set > 0 ? t("random_sets") : t("stable_set")),
          columns: [
            [t("types"), (row) => (row.set > 0 ? `${t("random_sets")} ${row.set}` : t("stable_set"))],
            [t(`outcome:${mine.outcome}`), (row) => signed(row.value), true],
          ],
        },
      ),
    ];
  });
  const off = Object.entries(found.balance).filter(([, value]) => Math.abs(value) > UNMATCHED);
  const over = off.map(([name, value]) => `${named("covariate", name)} ${signed(value)}`).join(", ");
  const unmatched = off.length ? el("p", { class: "caveat" }, t("unmatched", { names: over })) : null;
  const said = () =>
    [mine.replacement, "both"].map((name) => found.verdict[name]?.[state.language] ?? "").join(state.language === "ja" ? "" : " ").trim();
  const verdict = el("p", { class: "verdict" }, said());
  const set = (name) => (value) => {
    mine[name] = value;
    verdict.textContent = said();
    null_.again();
  };
  const outcomes = Object.keys(found.effects[mine.replacement]).filter((name) => words[`outcome:${name}`]);
  const controls = controlsOf(
    choice(
      t("replacement"),
      Object.keys(found.effects).map((one) => [one, t(`replacement:${one}`)]),
      mine.replacement,
      set("replacement"),
    ),
    choice(
      t("outcome"),
      outcomes.map((one) => [one, t(`outcome:${one}`)]),
      mine.outcome,
      set("outcome"),
    ),
  );
  return part(t("intervention:heading"), t("intervention:note"), controls, verdict, unmatched, null_);
}
