// Parts of speech: a heat map of variants by the tag of the predicted word.

const FEWEST_WORDS = 20;
const FADED = 0.35;
const TAG_VALUES = ["contrast", "delta", "relative"];
const TAG_ORDER = "NOUN PROPN VERB ADJ ADV INTJ AUX ADP DET PRON CCONJ SCONJ PART NUM PUNCT SYM X".split(" ");

function posSection() {
  const chosen = chosenIn("pos", { value: "contrast", unit: "word", few: false });
  const sweep = linkedSweep();
  chosen.family = linkedFamily(sweep);
  const heading = el("h2", {}, t("pos:heading"));
  const section = el("section", { id: "pos", tabindex: "-1" }, heading, note(t("pos:note")));
  const set = (name) => (value) => {
    chosen[name] = value;
    section.replaceWith(posSection());
  };
  follow(section, ["model", "family"], () => section.replaceWith(posSection()));
  const controls = el("div", { class: "controls" });
  controls.append(modelChoice(page.sweeps) ?? "");
  section.append(controls);
  if (sweep.pos === null) {
    section.append(note(t("pos:missing", { run: sweep.folder })));
    return section;
  }
  rowsOf(sweep.pos).then(async (rows) => {
    const units = [...new Set(rows.map((row) => row.unit))];
    if (!units.includes(chosen.unit)) [chosen.unit] = units;
    controls.append(
      familyChoice(sweep.families, chosen.family),
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
    const cells = await tagCells(sweep, chosen);
    const [tags, rare] = tagsOf(cells);
    if (tags.length && rare.length) {
      const box = el("input", { type: "checkbox", checked: chosen.few, onchange: () => set("few")(!chosen.few) });
      controls.append(el("label", { class: "box" }, box, t("pos:few", { n: rare.length })));
    }
    section.append(
      el("p", {}, sweep.tags_found[chosen.family][state.language]),
      figure((width) => tagChart(sweep, chosen, width)),
      numbers(tagColumns(), cells),
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
  const all = await tagCells(sweep, chosen);
  const [enough, rare] = tagsOf(all);
  const few = new Set(rare);
  const tags = TAG_ORDER.filter((tag) => enough.includes(tag) || (few.has(tag) && (chosen.few || !enough.length)));
  const cells = all.filter((cell) => tags.includes(cell.tag));
  const scaled = enough.length ? cells.filter((cell) => !few.has(cell.tag)) : cells;
  const sizes = scaled.map((cell) => Math.abs(cell[chosen.value] ?? 0)).filter((size) => size > 0);
  const most = d3.quantile(sizes, 0.98) || 1;
  const shade = (value) => diverging(0.5 + 0.5 * Math.sign(value) * Math.min(Math.abs(value) / most, 1) ** 0.5);
  const q = { contrast: "contrast_q", delta: "delta_q", relative: "delta_q" }[chosen.value];
  const order = [...new Set(cells.map((cell) => cell.variant))];
  const label = (name) => {
    const { first } = cells.find((cell) => cell.variant === name).of;
    if (isOfHeads(chosen.family)) return name.split("-").slice(-2).join(".h");
    return first === null ? name : String(first);
  };
  const marginLeft = state.language === "ja" ? 130 : 70;
  const tagName = (tag) => `${named("tag", tag)}`;
  const made = chart(
    {
      width,
      height: 40 + tags.length * 22 + 40,
      marginLeft,
      padding: 0,
      x: {
        domain: order,
        label: layerAxis(chosen.family),
        tickFormat: label,
        ticks: order.filter((_, i) => i % Math.ceil((order.length * (isOfHeads(chosen.family) ? 44 : 26)) / (width - marginLeft - 20)) === 0),
      },
      y: { domain: tags, label: null, tickFormat: tagName },
      marks: [
        Plot.cell(cells, {
          x: "variant",
          y: "tag",
          fill: (cell) => (cell[chosen.value] === null ? "none" : shade(cell[chosen.value])),
          fillOpacity: (cell) => (few.has(cell.tag) ? FADED : 1),
          inset: 0.5,
        }),
        Plot.dot(
          cells.filter((cell) => isSignificant(cell[q])),
          { x: "variant", y: "tag", r: 2.5, fill: "currentColor" },
        ),
        tip(cells, { x: "variant", y: "tag" }, tagLines),
      ],
    },
    `${t("pos:heading")} ${t(`pos:${chosen.value}`)}`,
    {
      rows: cells,
      x: (cell) => cell.variant,
      y: (cell) => cell.tag,
      series: (cell) => cell.tag,
      say: tagLines,
      value: (cell) => (few.has(cell.tag) && enough.length ? NaN : (cell[chosen.value] ?? NaN)),
      label: (cell) => `${named("tag", cell.tag)}, ${cell.variant}`,
      pick: (cell) => choose({ model: sweep.name, family: chosen.family, layer: keyOf(sweep, cell.of), tag: cell.tag }),
      isChosen: (cell) => isLinked(sweep, cell.of) && (linked.tag === null || linked.tag === cell.tag),
      names: ["model", "family", "layer", "tag"],
      columns: tagColumns(),
    },
  );
  const untested = cells.filter((cell) => !isTested(cell[q]));
  hatchedCells(made, untested, (cell) => cell.variant, (cell) => cell.tag);
  return [
    colourBar(
      (share) => shade((2 * share - 1) * most),
      [-most, 0, most].map((value) => signed(value)),
      t(`pos:${chosen.value}`),
      t("scale:law", { most: signed(most) }),
    ),
    markKey(...["dot", ...(untested.length ? ["cell-hatched"] : []), ...(few.size ? ["cell-faded"] : [])]),
    !enough.length ? note(t("pos:all_few")) : rare.length && !chosen.few ? note(t("pos:few_hidden", { tags: rare.map((tag) => named("tag", tag)).join(", ") })) : null,
    made,
  ];
}

// Tags with enough words in this run, and those with fewer.
function tagsOf(cells) {
  const there = TAG_ORDER.filter((tag) => cells.some((cell) => cell.tag === tag));
  const isFew = (tag) => d3.max(cells.filter((cell) => cell.tag === tag), (cell) => cell.items) < FEWEST_WORDS;
  return [there.filter((tag) => !isFew(tag)), there.filter(isFew)];
}

function tagColumns() {
  return [
      [t("variant"), (row) => row.variant],
      [t("tag"), (row) => named("tag", row.tag)],
      [t("items"), (row) => String(row.items), true],
      [t("pos:contrast"), (row) => signed(row.contrast) + interval(row.contrast_low, row.contrast_high), true],
      ["q", (row) => shown(row.contrast_q), true],
      ["ΔNLL", (row) => signed(row.delta) + interval(row.delta_low, row.delta_high), true],
      ["q", (row) => shown(row.delta_q), true],
      [t("pos:relative"), (row) => signed(row.relative), true],
  ];
}
