// One path of a search: what it is, what it costs, and the commands that take it further.

// The paths that are shown, each once: the search's best ones first, from the shortest change to the longest. One is chosen.
function pathsOf(held, rows, chosen) {
  const changed = rows.filter((row) => row.way !== "intact");
  const ordered = d3.sort(
    outward(changed, held),
    (row) => SEARCH_WAYS.indexOf(row.way),
    (row) => !row.best,
  );
  const paths = [...d3.group(ordered, (row) => row.path).values()].map(([row]) => row);
  if (!paths.some((row) => row.path === chosen.path)) {
    const best = paths.filter((row) => row.way === "search" && row.best);
    chosen.path = (best.at(-1) ?? paths[0])?.path ?? "";
  }
  return paths;
}

function pathList(paths, chosen, choose) {
  return choice(
    t("path"),
    paths.map((row) => [row.path, `${t("search:layers", { n: row.layers })} · ${t(`way:${row.way}`)} · ${row.path}`]),
    chosen.path,
    choose,
  );
}

async function pathDetail(held, chosen) {
  const rows = (await rowsOf(held.paths)).filter((row) => row.path === chosen.path);
  if (!rows.length) return [note(t("search:none"))];
  const [row] = rows;
  const lines = [
    `${t("path")} ${row.path}`,
    `${t("search:layers", { n: row.layers })}, ${t("search:parameters", { n: row.parameters.toLocaleString("en") })}`,
    `ΔNLL ${signed(row.delta)}${interval(row.low, row.high)}`,
    row.time === null ? "" : `${t("search_axis:time")} ${shown(row.time)} ${range(row.time_low, row.time_high)}`,
    ...rows.map((one) => [wayName(one), one.moves, ...gainLines(one)].filter(Boolean).join(" · ")),
  ];
  const commands = ["sweep", "export", "evaluate"].flatMap((name) => [
    el("h4", {}, t(`search_command:${name}`)),
    copyable(row[name], `layerscope ${name}`),
  ]);
  return [
    el("ul", { class: "plain" }, ...lines.filter(Boolean).map((line) => el("li", {}, line))),
    ...commands,
    await taskTable(held, row.path),
  ];
}

// Every task of a path, beside the intact model; without an evaluation, how to have one.
async function taskTable(held, path) {
  if (held.tasks === null) {
    const command = copyable(held.evaluate, t("search:task"));
    return el("div", {}, el("h4", {}, t("search:tasks")), note(t("search:no_tasks")), command);
  }
  const rows = (await rowsOf(held.tasks.rows)).filter((row) => row.path === path);
  if (!rows.length) return note(t("search:no_task_of_path"));
  const name = (row) => taskName(held.tasks.measures[row.measure]);
  const table = numbers(
    [
      [t("search:task"), name],
      [t("search:value"), (row) => (row.value === null ? t("search:not_finite", { n: row.not_finite }) : shown(row.value, 4)), true],
      [t("change_short"), (row) => signed(row.delta) + interval(row.low, row.high), true],
      ["q", (row) => shown(row.q), true],
      [t("search:samples"), (row) => String(row.samples), true],
    ],
    rows,
  );
  return el("div", {}, el("h4", {}, t("search:tasks")), table);
}
