// Searches over paths: what is lost against what is left of the model, by layers, parameters or time; the findings.

const SEARCH_WAYS = ["search", "one-shot", "random"];
const WAY_COLOURS = { search: COLOURS[0], "one-shot": COLOURS[1], random: "var(--soft)", intact: "currentColor" };
const WAY_SYMBOLS = { search: "circle", "one-shot": "square", random: "times", intact: "diamond" };
const WAY_GLYPHS = { search: "●", "one-shot": "■", random: "✕" };
const SEARCH_AXES = {
  layers: (row) => row.layers,
  parameters: (row) => row.parameters / 1e6,
  time: (row) => row.time,
};

function searchSection() {
  const first = { run: 0, axis: "layers", measure: "delta", draws: "best", ways: new Set(SEARCH_WAYS), path: "" };
  const chosen = chosenIn("search", first);
  const held = page.searches[chosen.run];
  if (chosen.measure !== "delta" && !held.tasks?.measures[Number(chosen.measure)]) chosen.measure = "delta";
  const section = el("section", { id: "search", tabindex: "-1" }, el("h2", {}, t("search:heading")));
  const [list, below, table] = [el("div", { class: "together" }), el("div", { "aria-live": "polite" }), el("div")];
  const frontier = figure((width) =>
    frontierChart(held, chosen, width, (path) => {
      chosen.path = path;
      again();
    }),
  );
  const show = async () => below.replaceChildren(...(await pathDetail(held, chosen)));
  const fill = async () => {
    const rows = shownPaths(await searchRows(held, chosen), chosen);
    const choose = (path) => {
      chosen.path = path;
      frontier.again();
      show();
    };
    list.replaceChildren(pathList(pathsOf(held, rows, chosen), chosen, choose));
    table.replaceChildren(searchNumbers(rows));
    await show();
  };
  const again = () => {
    frontier.again();
    fill();
  };
  const set = (name) => (value) => {
    chosen[name] = value;
    again();
  };
  const setRun = (value) => {
    Object.assign(chosen, { run: Number(value), path: "", measure: "delta" });
    section.replaceWith(searchSection());
  };
  fill();
  section.append(
    note(t("search:note", { calibration: held.calibration, draws: held.draws, held_out: held.held_out })),
    ...held.findings.map((finding) => el("p", { class: "reading" }, finding[state.language])),
    held.warning ? el("p", { class: "caveat" }, held.warning[state.language]) : "",
    el("h3", {}, t("search:frontier")),
    el("div", { class: "controls" }, ...searchControls(held, chosen, { set, setRun, again })),
    frontier,
    note(t("search:pick")),
    table,
    el("h3", {}, t("search:path")),
    el("div", { class: "controls" }, list),
    below,
    ...orderParts(held),
  );
  return section;
}

function searchControls(held, chosen, { set, setRun, again }) {
  const tasks = held.tasks?.measures ?? [];
  const axes = Object.keys(SEARCH_AXES).map((name) => [name, t(`search_axis:${name}`)]);
  const measures = [["delta", t("search:delta")], ...tasks.map((one, i) => [i, taskName(one)])];
  const draws = ["best", "all"].map((name) => [name, t(`search_draws:${name}`)]);
  return [
    page.searches.length > 1
      ? choice(
          t("model"),
          page.searches.map((one, i) => [i, one.name]),
          chosen.run,
          setRun,
        )
      : null,
    choice(t("axis"), axes, chosen.axis, set("axis")),
    tasks.length ? choice(t("measure"), measures, chosen.measure, set("measure")) : null,
    held.draws > 1 ? choice(t("search:draws"), draws, chosen.draws, set("draws")) : null,
    boxes(
      t("search:ways"),
      SEARCH_WAYS.map((way) => [way, t(`way:${way}`), WAY_COLOURS[way], WAY_GLYPHS[way]]),
      chosen.ways,
      again,
    ),
  ];
}

function taskName(one) {
  return `${one.task} · ${one.metric}${one.limit === null ? "" : ` · ${t("search:limit", { n: one.limit })}`}`;
}

// Every path that has a value of the measure and a place on the axis; the intact model first.
async function searchRows(held, chosen) {
  const rows = await rowsOf(held.paths);
  const placed = rows.map((row) => ({ ...row, x: SEARCH_AXES[chosen.axis](row) }));
  if (chosen.measure === "delta")
    return placed
      .map((row) => ({ ...row, y: row.delta, y1: row.low, y2: row.high }))
      .filter((row) => row.x !== null && row.y !== null);
  const found = await taskValues(held, Number(chosen.measure));
  const intact = found.get(rows[0].path)?.value ?? null;
  const around = (end) => (intact === null || end === null ? null : intact + end);
  return placed
    .filter((row) => row.x !== null && found.has(row.path))
    .map((row) => {
      const task = found.get(row.path);
      return { ...row, task, y: task.value, y1: around(task.low), y2: around(task.high) };
    });
}

async function taskValues(held, measure) {
  const rows = (await rowsOf(held.tasks.rows)).filter((row) => row.measure === measure && row.value !== null);
  return new Map(rows.map((row) => [row.path, row]));
}

function shownPaths(rows, chosen) {
  return rows.filter(
    (row) =>
      row.way === "intact" ||
      (chosen.ways.has(row.way) && (row.way === "random" || row.best || chosen.draws === "all")),
  );
}

// Paths from the intact model on, for a line; a way's best ones, or those of a draw.
function outward(rows, held) {
  return d3.sort(rows, (row) => Math.abs(row.layers - held.layers));
}

function searchLines(row) {
  return [
    `${wayName(row)} · ${t("search:layers", { n: row.layers })}`,
    row.task ? `${shown(row.task.value, 4)} (Δ ${signed(row.task.delta)}${interval(row.task.low, row.task.high)})` : "",
    row.way === "intact" ? "" : `ΔNLL ${signed(row.delta)}${interval(row.low, row.high)}`,
    ...gainLines(row),
    `${t("path")} ${row.path}`,
    row.moves ? `${t("search:moves")} ${row.moves}` : "",
    row.time === null ? "" : `${t("search_axis:time")} ${shown(row.time)}`,
  ];
}

function wayName(row) {
  if (row.way === "intact") return t("intact");
  return row.way === "random" ? t("way:random") : `${t(`way:${row.way}`)}, ${t("search:draw", { n: row.draw + 1 })}`;
}

// What the search's path of a draw gains over one-shot, and how many random paths are as good.
function gainLines(row) {
  if (row.way !== "search") return [];
  const gain = row.same
    ? t("search:same")
    : `${signed(row.gain)}${interval(row.gain_low, row.gain_high)}${row.gain_q === null ? "" : `, q ${shown(row.gain_q)}`}`;
  return [
    row.compared ? `${t("search:gain")}: ${gain}` : t("search:no_gain"),
    row.random_paths ? t("search:as_good", { n: row.random_as_good, all: row.random_paths }) : "",
  ];
}

async function frontierChart(held, chosen, width, pick) {
  const all = await searchRows(held, chosen);
  const rows = shownPaths(all, chosen);
  pathsOf(held, rows, chosen);
  const isDelta = chosen.measure === "delta";
  const ends = rows.flatMap((row) => (row.best ? [row.y, row.y1, row.y2] : [row.y])).filter((one) => one !== null);
  const scale = isDelta ? effectScale([...ends, 0]) : {};
  const intact = all.filter((row) => row.way === "intact");
  const start = intact.map((row) => ({ ...row, y1: row.y, y2: row.y }));
  const lines = ["one-shot", "search"]
    .filter((way) => chosen.ways.has(way))
    .map((way) => [way, outward([...start, ...all.filter((row) => row.way === way && row.best)], held)]);
  const single = chosen.draws === "all" ? rows.filter((row) => row.way === "search" || row.way === "one-shot") : [];
  const draws = d3.groups(single, (row) => `${row.way} ${row.draw}`);
  const [colour, symbol] = [WAY_COLOURS, WAY_SYMBOLS].map((of) => ({ domain: Object.keys(of), range: Object.values(of) }));
  const x = rows.map((row) => row.x);
  const shrinks = intact.length > 0 && intact[0].x - d3.min(x) >= d3.max(x) - intact[0].x;
  const name = isDelta ? t("search:delta") : taskName(held.tasks.measures[Number(chosen.measure)]);
  const spans = chosen.axis === "time" ? rows.filter((row) => row.best && row.way === "search") : [];
  const made = chart(
    {
      width,
      height: 390,
      marginTop: 34,
      x: {
        label: t(`search_axis:${chosen.axis}`),
        reverse: shrinks,
        tickFormat: (one) => shown(one),
        ticks: chosen.axis === "layers" ? d3.ticks(...d3.extent(x), width / 70).filter(Number.isInteger) : width / 90,
      },
      y: { label: axisName(name, scale), grid: true, ...scale, tickFormat: (one) => shown(one) },
      color: { type: "ordinal", ...colour },
      symbol,
      marks: [
        Plot.ruleY(intact, { y: "y", stroke: "currentColor", strokeDasharray: "5 4" }),
        ...lines.map(([way, some]) =>
          chosen.axis === "layers"
            ? Plot.areaY(some, { x: "x", y1: end("y1"), y2: end("y2"), fill: WAY_COLOURS[way], fillOpacity: 0.16 })
            : Plot.ruleX(some, { x: "x", y1: end("y1"), y2: end("y2"), stroke: WAY_COLOURS[way], strokeOpacity: 0.5 }),
        ),
        Plot.ruleY(spans, { y: "y", x1: "time_low", x2: "time_high", stroke: "way", strokeOpacity: 0.5 }),
        ...draws.map(([, some]) =>
          Plot.line(outward([...intact, ...some], held), { x: "x", y: "y", stroke: WAY_COLOURS[some[0].way], strokeOpacity: 0.6 }),
        ),
        ...lines.map(([way, some]) =>
          Plot.line(some, {
            x: "x",
            y: "y",
            stroke: WAY_COLOURS[way],
            strokeWidth: 2.2,
            strokeDasharray: way === "one-shot" ? "6 4" : null,
          }),
        ),
        Plot.dot(
          rows.filter((row) => row.way === "random"),
          { x: "x", y: "y", stroke: "way", symbol: "way", r: 3 },
        ),
        Plot.dot(
          rows.filter((row) => row.way !== "random"),
          { x: "x", y: "y", stroke: "way", fill: "way", symbol: "way", r: (row) => (row.best ? 4 : 3) },
        ),
        Plot.dot(
          rows.filter((row) => row.path === chosen.path).slice(0, 1),
          { x: "x", y: "y", stroke: "currentColor", r: 8 },
        ),
        tip(rows, { x: "x", y: "y" }, searchLines),
      ],
    },
    `${name}, ${t(`search_axis:${chosen.axis}`)}`,
    {
      rows,
      x: (row) => row.x,
      y: (row) => row.y,
      series: (row) => `${row.way} ${row.best ? "" : row.draw}`,
      say: searchLines,
      pick: (row) => pick(row.path),
      value: (row) => row.y,
      label: (row) => `${wayName(row)}, ${t("search:layers", { n: row.layers })}`,
      columns: searchColumns(rows),
      legend: SEARCH_WAYS.filter((way) => chosen.ways.has(way)).map((way) => [WAY_GLYPHS[way], WAY_COLOURS[way], t(`way:${way}`)]),
    },
  );
  return made;
}

function end(name) {
  return (row) => row[name] ?? NaN;
}

function searchColumns(rows) {
  const isTask = rows.some((row) => row.task);
  return [
      [t("search:way"), wayName],
      [t("search_axis:layers"), (row) => shown(row.layers), true],
      [t("fact:parameters"), (row) => row.parameters.toLocaleString("en"), true],
      [t("search_axis:time"), (row) => shown(row.time), true],
      ...(isTask
        ? [
            [t("search:value"), (row) => shown(row.task.value, 4), true],
            [t("change_short"), (row) => signed(row.task.delta) + interval(row.task.low, row.task.high), true],
          ]
        : []),
      ["ΔNLL", (row) => (row.way === "intact" ? "–" : signed(row.delta)), true],
      [t("interval"), (row) => interval(row.low, row.high).trim(), true],
      [t("search:gain"), (row) => (row.same ? t("search:same") : signed(row.gain) + interval(row.gain_low, row.gain_high)), true],
      ["q", (row) => shown(row.gain_q), true],
      [t("path"), (row) => row.path],
      [t("search:moves"), (row) => row.moves],
  ];
}

function searchNumbers(rows) {
  return numbers(searchColumns(rows), rows);
}
