// Which layers for which phenomenon: groups of pairs by variants, coloured by the effect beyond the damage.

// Families of which it is told what lies beyond their damage; depths do none.
function damaging(sweep) {
  return sweep.preference?.beyond ? Object.keys(sweep.preference.findings).filter((family) => !isDepth(family)) : [];
}

function phenomenaSection() {
  const read = page.sweeps.map((sweep, i) => [sweep, i]).filter(([sweep]) => damaging(sweep).length > 0);
  const chosen = chosenIn("phenomena", { measure: "margin", kind: "" });
  const sweep = linkedSweep((one) => damaging(one).length > 0);
  const held = sweep.preference;
  const families = damaging(sweep);
  chosen.family = linkedFamily(sweep, families);
  const kinds = kindsOf(held);
  if (!kinds.includes(chosen.kind)) chosen.kind = kinds.at(-1);
  const section = el("section", { id: "phenomena", tabindex: "-1" }, el("h2", {}, t("phenomena:heading")));
  const set = (name) => (value) => {
    chosen[name] = value;
    section.replaceWith(phenomenaSection());
  };
  follow(section, ["model", "family"], () => section.replaceWith(phenomenaSection()));
  const list = (name, options) =>
    options.length > 1
      ? choice(t(name === "kind" ? "lines" : name), options, chosen[name], set(name))
      : null;
  section.append(
    note(t("phenomena:note", { unit: t(`part:${held.beyond_unit}`) })),
    el(
      "div",
      { class: "controls" },
      modelChoice(read.map(([one]) => one)),
      families.length > 1 ? familyChoice(families, chosen.family) : null,
      list(
        "measure",
        ["margin", "accuracy"].map((name) => [name, t(`preference:${name}`)]),
      ),
      list(
        "kind",
        kinds.map((kind) => [kind, t(`lines:${kind}`)]),
      ),
    ),
  );
  if (!families.length) {
    section.append(note(t("phenomena:none")));
    return section;
  }
  phenomenaRows(sweep, chosen).then((rows) => {
    const table = figure(() => phenomenaTable(rows, chosen, sweep));
    section.append(table, phenomenaNumbers(rows));
  });
  return section;
}

async function phenomenaRows(sweep, chosen) {
  const variants = new Map((await rowsOf(sweep.variants)).map((row) => [row.name, row]));
  const groups = new Map(groupsOf(sweep.preference, chosen.kind).map((group) => [group.i, group]));
  return (await rowsOf(sweep.preference.beyond))
    .filter((row) => row.family === chosen.family && row.measure === chosen.measure && groups.has(row.group))
    .map((row) => ({ ...row, of: variants.get(row.variant), name: groups.get(row.group) }));
}

function isBeyond(row) {
  return row.q !== null && row.q < 0.05;
}

// Neither told nor excluded: on the side where the effect lies nothing bounds it.
function isUnbounded(row) {
  return row.beyond === 0 && ((row.low === null && row.effect < 0) || (row.high === null && row.effect > 0));
}

function phenomenaLines(row, measure) {
  return [
    `${row.variant} · ${pairGroup(row.name)} (${t("n_pairs", { n: row.name.pairs })})`,
    `${t(`preference:${measure}_change`)} ${signed(row.effect)}`,
    ...limitLines(row),
  ];
}

// Of a cell that carries no number to be seen, what it says aloud.
function phenomenaWords(row) {
  if (isUnbounded(row)) return t("phenomena:unbounded");
  return isBeyond(row) ? `${signed(row.beyond)}, q ${shown(row.q)}` : signed(row.beyond);
}

// A name that may go on in the next line behind each of its underscores.
function breakable(name) {
  return name.split(/(?<=[_-])/u).flatMap((piece, i) => (i ? [el("wbr"), piece] : [piece]));
}

function phenomenaTable(rows, chosen, sweep) {
  const columns = [...new Map(rows.map((row) => [row.variant, row.of])).values()];
  const groups = [...new Map(rows.map((row) => [row.group, row.name])).values()];
  const found = new Map(rows.map((row) => [`${row.group} ${row.variant}`, row]));
  const sizes = rows.map((row) => Math.abs(row.beyond ?? 0)).filter((size) => size > 0);
  const most = d3.quantile(sizes, 0.98) || 1;
  // what costs more than its damage allows has the colour of what breaks
  const shade = (value) => diverging(0.5 - 0.5 * Math.sign(value) * Math.min(Math.abs(value) / most, 1) ** 0.5);
  const said = el("output", { class: "said", "aria-live": "polite" }, t("phenomena:point"));
  const cells = [];
  const body = groups.map((group, y) => {
    const line = el(
      "tr",
      {},
      el("th", { scope: "row" }, ...breakable(pairGroup(group)), el("span", { class: "note" }, ` ${group.pairs}`)),
    );
    columns.forEach((column, x) => {
      const row = found.get(`${group.i} ${column.name}`);
      const cell = el(
        "td",
        { tabindex: x === 0 && y === 0 ? "0" : "-1" },
        el("span", { class: "aloud" }, row ? phenomenaWords(row) : "–"),
      );
      if (row) {
        if (row.beyond) cell.style.backgroundColor = shade(row.beyond);
        cell.classList.toggle("unbounded", isUnbounded(row));
        if (isBeyond(row)) cell.append(el("span", { class: "mark", "aria-hidden": "true" }, "●"));
      }
      const say = () => {
        said.value = row ? phenomenaLines(row, chosen.measure).join("; ") : t("phenomena:empty");
      };
      cell.addEventListener("mouseenter", say);
      cell.addEventListener("focus", say);
      cell.onpick = () => choose({ model: sweep.name, family: chosen.family, layer: keyOf(sweep, column) });
      cell.addEventListener("click", cell.onpick);
      cell.column = column;
      cells.push(cell);
      line.append(cell);
    });
    return line;
  });
  walkable(cells, columns.length);
  const mark = () => cells.forEach((cell) => cell.classList.toggle("here", isLinked(sweep, cell.column)));
  mark();
  const heads = columns.map((column) => el("th", { scope: "col" }, shortName(column)));
  const corner = el("th", { scope: "col" }, t("phenomena:axis"));
  const caption = el(
    "caption",
    { class: "aloud" },
    `${t("phenomena:heading")} ${familyName(chosen.family)}, ${t(`preference:${chosen.measure}`)}`,
  );
  const table = el(
    "table",
    { class: "phenomena" },
    caption,
    el("thead", {}, el("tr", {}, corner, ...heads)),
    el("tbody", {}, ...body),
  );
  table.numbers = [phenomenaColumns(), rows];
  follow(table, ["model", "family", "layer"], mark);
  return [
    colourBar(
      (share) => shade((2 * share - 1) * most),
      [-most, 0, most].map((value) => signed(Number(value.toPrecision(3)))),
      t(`phenomena:${chosen.measure}`),
      t("scale:law", { most: signed(Number(most.toPrecision(3))) }),
    ),
    markKey("dot", ...(rows.some(isUnbounded) ? ["cell-hatched"] : [])),
    el("div", { class: "scroll wide", tabindex: "0", role: "region", "aria-label": t("phenomena:heading") }, table),
    said,
  ];
}

function phenomenaColumns() {
  return [
      [t("group"), (row) => pairGroup(row.name)],
      [t("variant"), (row) => row.variant],
      [t("damage_short"), (row) => signed(row.damage), true],
      [t("change_short"), (row) => signed(row.effect), true],
      [t("allowed"), allowed, true],
      [t("beyond"), howFar, true],
      ["q", (row) => shown(row.q), true],
  ];
}

function phenomenaNumbers(rows) {
  return numbers(
    phenomenaColumns(),
    d3.sort(
      rows,
      (row) => row.q ?? 1,
      (row) => -Math.abs(row.beyond ?? 0),
    ),
  );
}
