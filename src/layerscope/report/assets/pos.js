// Parts of speech: a heat map of variants by the tag of the predicted word.

const TAG_VALUES = ["contrast", "delta", "relative"];
const TAG_ORDER = "NOUN PROPN VERB ADJ ADV INTJ AUX ADP DET PRON CCONJ SCONJ PART NUM PUNCT SYM X".split(" ");

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
  if (page.sweeps.length > 1)
    controls.append(
      choice(
        t("model"),
        page.sweeps.map((one, i) => [i, one.name]),
        chosen.run,
        set("run"),
      ),
    );
  section.append(controls);
  if (sweep.pos === null) {
    section.append(note(t("pos:missing", { run: sweep.folder })));
    return section;
  }
  rowsOf(sweep.pos).then(async (rows) => {
    const units = [...new Set(rows.map((row) => row.unit))];
    if (!units.includes(chosen.unit)) [chosen.unit] = units;
    controls.append(
      choice(
        t("family"),
        sweep.families.map((family) => [family, familyName(family)]),
        chosen.family,
        set("family"),
      ),
      choice(
        t("value"),
        TAG_VALUES.map((name) => [name, t(`pos:${name}`)]),
        chosen.value,
        set("value"),
      ),
      choice(
        t("unit"),
        units.map((name) => [name, t(`unit:${name}`)]),
        chosen.unit,
        set("unit"),
      ),
    );
    section.append(
      el("p", {}, sweep.tags_found[chosen.family][state.language]),
      figure((width) => tagChart(sweep, chosen, width)),
      tagNumbers(await tagCells(sweep, chosen)),
    );
    if (tagDepths(sweep, chosen.family).length)
      section.append(
        el("h3", {}, t("depth:tags")),
        note(t("depth:tags_note")),
        figure((width) => depthByTag(sweep, chosen.family, width)),
        depthTagNumbers(sweep, chosen.family),
      );
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

function tagLines(row) {
  return [
    `${row.variant} · ${named("tag", row.tag)} (${row.items})`,
    `${t("pos:contrast")}: ${signed(row.contrast)}${interval(row.contrast_low, row.contrast_high)}, q ${shown(row.contrast_q)}`,
    `${t("pos:delta")}: ${signed(row.delta)}${interval(row.delta_low, row.delta_high)}, q ${shown(row.delta_q)}`,
    `${t("pos:relative")}: ${signed(row.relative)} · ${t("intact")} NLL ${shown(row.intact)}`,
    `${t("path")} ${row.of.path}`,
  ];
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
    if (isOfHeads(chosen.family)) return name.split("-").slice(-2).join(".h");
    return first === null ? name : String(first);
  };
  const tagName = (tag) => `${named("tag", tag)}${few.has(tag) ? " *" : ""}`;
  const made = chart(
    {
      width,
      height: 40 + tags.length * 22 + 40,
      marginLeft: state.language === "ja" ? 130 : 70,
      padding: 0,
      x: {
        domain: order,
        label: layerAxis(chosen.family),
        tickFormat: label,
        ticks: order.filter((_, i) => i % Math.ceil((order.length * (isOfHeads(chosen.family) ? 44 : 24)) / width) === 0),
      },
      y: { domain: tags, label: null, tickFormat: tagName },
      marks: [
        Plot.cell(cells, {
          x: "variant",
          y: "tag",
          fill: (cell) => (cell[chosen.value] === null ? "none" : shade(cell[chosen.value])),
          inset: 0.5,
        }),
        Plot.dot(
          cells.filter((cell) => cell[q] === null || cell[q] >= 0.05),
          { x: "variant", y: "tag", r: 1.5, fill: "currentColor" },
        ),
        tip(cells, { x: "variant", y: "tag" }, tagLines),
      ],
    },
    `${t("pos:heading")} ${t(`pos:${chosen.value}`)}`,
  );
  return [
    colourBar(
      (share) => shade((2 * share - 1) * most),
      [-most, 0, most].map((value) => signed(value)),
      t(`pos:${chosen.value}`),
    ),
    made,
  ];
}

function tagNumbers(rows) {
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
    rows,
  );
}
