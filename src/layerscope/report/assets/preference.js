// Pairs in a sweep: which side each variant prefers by layer, beside the damage to neutral text; the reading.

const PREFERENCE_MEASURES = ["accuracy", "margin", "accuracy_change", "margin_change"];
const MOST_LINES = 6;
const MOST_BANDS = 2;

function preferenceSection() {
  const withPairs = page.sweeps.map((sweep, i) => [sweep, i]).filter(([sweep]) => sweep.preference !== null);
  const first = {
    measure: "margin_change",
    unit: "",
    kind: "",
    lines: null,
    hidden: new Set(),
    group: "",
  };
  const chosen = chosenIn("preference", first);
  const sweep = linkedSweep((one) => one.preference !== null);
  if (chosen.of !== sweep.name) Object.assign(chosen, { of: sweep.name, lines: null, unit: "" }); // that which the run was read by
  chosen.family = linkedFamily(sweep);
  const held = sweep.preference;
  const read = held.beyond_unit ?? "sentence";
  if (!held.units.includes(chosen.unit)) chosen.unit = held.units.includes(read) ? read : held.units[0];
  const kinds = kindsOf(held);
  if (!kinds.includes(chosen.kind)) chosen.kind = kinds.at(-1);
  const groups = groupsOf(held, chosen.kind);
  chosen.lines = chosen.lines ?? new Set(groups.slice(0, MOST_LINES).map((group) => group.i));
  if (!groups.some((group) => String(group.i) === String(chosen.group))) chosen.group = groups[0].i;

  const section = el("section", { id: "preference", tabindex: "-1" }, el("h2", {}, t("preference:heading")));
  const set = (name) => (value) => {
    chosen[name] = name === "group" ? Number(value) : value;
    if (name === "kind") chosen.lines = null;
    section.replaceWith(preferenceSection());
  };
  follow(section, ["model", "family"], () => section.replaceWith(preferenceSection()));
  const byLayer = figure((width) => preferenceByLayer(sweep, chosen, groups, width));
  const against = figure((width) => againstDamage(sweep, chosen, width));
  const hasDepths = isDepth(chosen.family) && held.depths !== null;
  const byGroup = hasDepths ? figure((width) => depthByGroup(sweep, chosen, groups, width)) : null;
  const [table, depthTable] = [el("div"), el("div")];
  const fill = async () => {
    table.replaceChildren(preferenceNumbers(await preferenceRows(sweep, chosen, groups)));
    if (hasDepths) depthTable.replaceChildren(depthGroupNumbers(await pairDepths(sweep, chosen, groups)));
  };
  const families = scattered(sweep);
  fill();
  section.append(
    note(t("preference:note", { protocol: held.protocol })),
    el(
      "div",
      { class: "controls" },
      modelChoice(withPairs.map(([one]) => one)),
      familyChoice(sweep.families, chosen.family),
      choice(
        t("measure"),
        PREFERENCE_MEASURES.map((name) => [name, t(`preference:${name}`)]),
        chosen.measure,
        set("measure"),
      ),
      choice(
        t("unit"),
        held.units.map((unit) => [unit, t(`part:${unit}`)]),
        chosen.unit,
        set("unit"),
      ),
      kinds.length > 1
        ? choice(
            t("lines"),
            kinds.map((kind) => [kind, t(`lines:${kind}`)]),
            chosen.kind,
            set("kind"),
          )
        : null,
      boxes(
        t("types"),
        groups.map((group, i) => [group.i, `${pairGroup(group)} (${group.pairs})`, ...markOf(i)]),
        chosen.lines,
        () => {
          byLayer.again();
          byGroup?.again();
          fill();
        },
      ),
    ),
    held.groups.length < held.groups_of ? note(t("preference:groups", { shown: held.groups.length, all: held.groups_of })) : "",
    isDepth(chosen.family) ? depthNote(chosen.family) : "",
    byLayer,
    table,
    ...(hasDepths ? [el("h3", {}, t("depth:pairs")), note(t("depth:pairs_note")), byGroup, depthTable] : []),
    ...preferenceReading(sweep, chosen),
  );
  if (families.length)
    section.append(
      el("h3", {}, t("against:heading")),
      note(t(held.beyond === null ? "against:bare_note" : "against:note")),
      el(
        "div",
        { class: "controls" },
        groups.length > 1
          ? choice(
              t("group"),
              groups.map((group) => [group.i, `${pairGroup(group)} (${group.pairs})`]),
              chosen.group,
              set("group"),
            )
          : null,
        boxes(
          t("families"),
          families.map((family, i) => [family, familyName(family), colourOf(i), GLYPHS[i % GLYPHS.length]]),
          {
            has: (family) => !chosen.hidden.has(family),
            add: (one) => chosen.hidden.delete(one),
            delete: (one) => chosen.hidden.add(one),
          },
          () => against.again(),
        ),
      ),
      against,
    );
  return section;
}

// Subtypes and the source's own names, as far as they tell pairs apart.
function kindsOf(held) {
  const found = ["subtype", "term"].filter((kind) => held.groups.filter((group) => group.kind === kind).length > 1);
  return found.length ? found : ["all"];
}

// All pairs, then the groups of a kind.
function groupsOf(held, kind) {
  const numbered = held.groups.map((group, i) => ({ ...group, i }));
  return numbered.filter((group) => group.kind === "all" || group.kind === kind);
}

function pairGroup(group) {
  if (group.kind === "all") return t("preference:all");
  return group.kind === "subtype" ? named("group", group.name) : group.name || "–";
}

// Colour and shape of a line, of which no two are alike up to 36.
function markOf(i) {
  return [colourOf(i), GLYPHS[(i + Math.floor(i / GLYPHS.length)) % GLYPHS.length]];
}

// Families of the scatter: depths do no damage.
function scattered(sweep) {
  return sweep.families.filter((family) => !isDepth(family));
}

// One row per variant of the family and a group whose line is shown.
async function preferenceRows(sweep, chosen, groups) {
  const variants = new Map((await rowsOf(sweep.variants)).map((row) => [row.name, row]));
  const shownGroups = new Map(groups.filter((group) => chosen.lines.has(group.i)).map((group) => [group.i, group]));
  return (await rowsOf(sweep.preference.table))
    .filter((row) => row.unit === chosen.unit && shownGroups.has(row.group))
    .map((row) => ({ ...row, of: variants.get(row.variant), name: shownGroups.get(row.group) }))
    .filter((row) => row.of && row.of.family === chosen.family);
}

// The value that is drawn with its interval: that of a change, laid around the variant's own value where that is drawn.
function drawn(row, measure) {
  const [of, isChange] = [measure.replace("_change", ""), measure.endsWith("_change")];
  const around = isChange ? 0 : row[`${of}_intact`];
  const [least, most] = measure === "accuracy" ? [0, 1] : [-Infinity, Infinity]; // the interval is one of the change
  const end = (side) => (row[`${of}_${side}`] === null ? NaN : Math.min(most, Math.max(least, around + row[`${of}_${side}`])));
  return { y: row[measure] ?? NaN, low: end("low"), high: end("high"), intact: around };
}

// Depths do no damage: they are what the model would say there.
function damageName(family) {
  return t(isDepth(family) ? "measure:delta" : "damage");
}

function preferenceLines(row) {
  return [
    `${row.variant} · ${pairGroup(row.name)} (${t("n_pairs", { n: row.pairs })})`,
    `${t("preference:accuracy")} ${shown(row.accuracy)} (${t("intact")} ${shown(row.accuracy_intact)})`,
    `${t("preference:accuracy_change")} ${signed(row.accuracy_change)}${interval(row.accuracy_low, row.accuracy_high)}`,
    `${t("preference:margin_change")} ${signed(row.margin_change)}${interval(row.margin_low, row.margin_high)}`,
    row.q === null ? "" : `q ${shown(row.q)}`,
    `${damageName(row.of.family)} ${signed(row.of.delta)}${interval(row.of.low, row.of.high)}`,
    row.not_finite ? t("not_finite_pairs", { n: row.not_finite }) : "",
  ];
}

async function preferenceByLayer(sweep, chosen, groups, width) {
  const found = await preferenceRows(sweep, chosen, groups);
  const rows = found.map((row) => ({ ...row, ...drawn(row, chosen.measure), x: row.of.first }));
  const keys = groups.map((group) => group.i);
  const variants = (await rowsOf(sweep.variants)).filter((row) => row.family === chosen.family && row.delta !== null);
  const intact = d3.groups(rows, (row) => row.group).map(([group, some]) => ({ group, y: some[0].intact }));
  const isChange = chosen.measure.endsWith("_change");
  const [low, high] = d3.extent(variants, (row) => row.first);
  const x = { domain: [low - 0.5, high + 0.5], tickFormat: whole, grid: false };
  const even = isChange ? 0 : { accuracy: 0.5, margin: 0 }[chosen.measure];
  const colour = { type: "ordinal", domain: keys, range: keys.map((_, i) => markOf(i)[0]) };
  const symbol = { domain: keys, range: keys.map((_, i) => SYMBOLS[GLYPHS.indexOf(markOf(i)[1])]) };
  const above = chart(
    {
      width,
      height: 330,
      marginBottom: 24,
      x: { ...x, label: null },
      y: { label: t(`preference:${chosen.measure}`), grid: true, tickFormat: (one) => shown(one) },
      color: colour,
      symbol,
      marks: [
        Plot.ruleY([even], { stroke: "currentColor", strokeOpacity: 0.4 }),
        isChange ? null : Plot.ruleY(intact, { y: "y", stroke: "group", strokeDasharray: "5 4", strokeOpacity: 0.8 }),
        intact.length > MOST_BANDS || isOfHeads(chosen.family)
          ? null
          : Plot.areaY(rows, { x: "x", y1: "low", y2: "high", z: "group", fill: "group", fillOpacity: 0.15 }),
        isOfHeads(chosen.family) ? null : Plot.lineY(rows, { x: "x", y: "y", z: "group", stroke: "group", strokeWidth: 1.6 }),
        ...testedDots(rows, { q: (row) => row.q, x: "x", y: "y", stroke: "group", symbol: "group", r: 3, opacity: (row) => (isFew(row) ? FADED : 1) }),
        tip(
          rows.filter((row) => !Number.isNaN(row.y)),
          { x: "x", y: "y" },
          preferenceLines,
        ),
      ],
    },
    `${t(`preference:${chosen.measure}`)}, ${familyName(chosen.family)}`,
    {
      ...ofVariant(sweep, (row) => row.of),
      rows: rows.filter((row) => !Number.isNaN(row.y)),
      x: (row) => row.x,
      y: (row) => row.y,
      series: (row) => String(row.group),
      say: preferenceLines,
      value: (row) => row.y,
      label: (row) => `${row.variant}, ${pairGroup(row.name)}`,
      columns: preferenceColumns(),
      legend: groups.filter((group) => chosen.lines.has(group.i)).map((group) => [markOf(groups.indexOf(group))[1], markOf(groups.indexOf(group))[0], pairGroup(group)]),
    },
  );
  return [markKey("dot", "ring", "dashed"), above, damageByLayer(sweep, variants, chosen, x, width)];
}

// What the same variants cost on neutral text, on the same axis.
function damageByLayer(sweep, variants, chosen, x, width) {
  const scale = effectScale(variants.map((row) => row.delta));
  const floor = scale.type === "log" ? d3.min(variants, (row) => row.delta) / 3 : -Infinity;
  const label = damageName(chosen.family);
  return chart(
    {
      width,
      height: 170,
      x: { ...x, label: layerAxis(chosen.family) },
      y: {
        label: axisName(label, scale),
        grid: true,
        ...scale,
        tickFormat: (one) => shown(one),
        ...(scale.ticks ? {} : { ticks: 4 }),
      },
      marks: [
        scale.type === "log" ? null : Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.4 }),
        ...(isOfHeads(chosen.family)
          ? [] // several stand at one layer
          : [
            Plot.areaY(variants, {
              x: "first",
              y1: (row) => (row.low === null ? NaN : Math.max(row.low, floor)),
              y2: (row) => row.high ?? NaN,
              fill: "var(--soft)",
              fillOpacity: 0.2,
            }),
            Plot.lineY(variants, { x: "first", y: "delta", stroke: "var(--soft)", strokeWidth: 1.6 }),
            ]),
        Plot.dot(variants, { x: "first", y: "delta", fill: "var(--soft)", r: 2.5 }),
        tip(variants, { x: "first", y: "delta" }, (row) => [
          row.name,
          `${label}: ${signed(row.delta)}${interval(row.low, row.high)}`,
        ]),
      ],
    },
    `${label}, ${familyName(chosen.family)}`,
    {
      ...ofVariant(sweep, (row) => row),
      rows: variants,
      x: (row) => row.first,
      y: (row) => row.delta,
      say: (row) => [row.name, `${label}: ${signed(row.delta)}${interval(row.low, row.high)}`],
      value: (row) => row.delta,
      label: (row) => row.name,
    },
  );
}

// Points of variants of one model: chosen, they set the layer.
function ofVariant(sweep, variant) {
  return {
    pick: (row) => choose({ model: sweep.name, family: variant(row).family, layer: keyOf(sweep, variant(row)) }),
    isChosen: (row) => isLinked(sweep, variant(row)),
    names: ["model", "family", "layer"],
  };
}

function preferenceColumns() {
  return [
      [t("variant"), (row) => row.variant],
      [t("group"), (row) => pairGroup(row.name)],
      [t("fact:pairs"), (row) => `${row.pairs}`, true],
      [t("damage_short"), (row) => signed(row.of.delta), true],
      [t("preference:accuracy"), (row) => shown(row.accuracy), true],
      [t("change_short"), (row) => signed(row.accuracy_change) + interval(row.accuracy_low, row.accuracy_high), true],
      [t("preference:margin"), (row) => signed(row.margin), true],
      [t("change_short"), (row) => signed(row.margin_change) + interval(row.margin_low, row.margin_high), true],
      ["q", (row) => shown(row.q), true],
  ];
}

function preferenceNumbers(rows) {
  return numbers(preferenceColumns(), rows);
}

// What 'layerscope preference' wrote, or how to have it written.
function preferenceReading(sweep, chosen) {
  const held = sweep.preference;
  const made = [el("h3", {}, t("needs:heading"))];
  if (held.beyond === null) return [...made, note(t("preference:missing", { run: sweep.folder }))];
  for (const [family, finding] of Object.entries(held.findings))
    made.push(el("p", {}, el("b", {}, `${familyName(family)}: `), finding[state.language]));
  if (chosen.unit !== held.beyond_unit) made.push(note(otherUnit(sweep, chosen.unit)));
  return made;
}

function otherUnit(sweep, unit) {
  const [read, chosen] = [sweep.preference.beyond_unit, unit].map((one) => t(`part:${one}`));
  return t("preference:other_unit", { read: read, chosen: chosen, unit: unit, run: sweep.folder });
}
