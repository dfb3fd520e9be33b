// The words of a whole run: searched, sorted by what the chosen layer costs them, and one word's profile over layers and depths.

function lexiconSection() {
  const has = (sweep) => sweep.words !== null;
  const sweep = linkedSweep(has);
  const family = linkedFamily(sweep);
  const chosen = chosenIn("lexicon", { search: "" });
  const section = el("section", { id: "lexicon", tabindex: "-1" }, el("h2", {}, t("lexicon:heading")));
  const [said, list, profile] = [note(""), el("div"), el("div", { "aria-live": "polite" })];
  const search = el("input", { type: "search", value: chosen.search, maxlength: 200, spellcheck: "false" });
  search.addEventListener("input", () => {
    chosen.search = search.value;
    fill();
  });
  const tags = el("div", { class: "together" });
  const fill = async () => {
    const { rows, tags: there, all } = await lexiconRows(sweep, family);
    const found = matching(rows, chosen.search);
    const here = there.filter(Boolean);
    const options = [["", t("lexicon:every_tag")], ...TAG_ORDER.filter((tag) => here.includes(tag)).map((tag) => [tag, named("tag", tag)])];
    tags.replaceChildren(
      ...(here.length ? [choice(t("tag"), options, here.includes(linked.tag) ? linked.tag : "", (value) => choose({ tag: value || null }))] : []),
    );
    const variant = all.find((row) => isLinked(sweep, row));
    said.textContent = t("lexicon:said", { variant: variant?.name ?? "–", n: found.length, all: rows.length, of: sweep.words.of });
    const columns = lexiconColumns(here.length > 0);
    const table = sortable(columns, found, {
      first: [1, true],
      pick: (row) => choose({ word: row.text, place: null }),
      isChosen: (row) => row.text === linked.word,
    });
    const top = list.querySelector(".scroll")?.scrollTop ?? 0;
    list.replaceChildren(saveMenu(() => ({ svg: null, table: [columns, found], name: t("lexicon:heading") })), table);
    table.scrollTop = top;
  };
  const show = async () => profile.replaceChildren(...(await wordProfile(sweep, family)));
  section.append(
    note(t("lexicon:note")),
    el(
      "div",
      { class: "controls" },
      modelChoice(page.sweeps.filter(has)) ?? "",
      familyChoice(sweep.families, family),
      el("label", { class: "control" }, el("span", {}, t("lexicon:search")), search),
      tags,
    ),
    said,
    sweep.words.of > sweep.words.forms.rows ? note(t("lexicon:most", { run: sweep.folder })) : "",
    list,
    profile,
  );
  fill();
  show();
  follow(section, ["model", "family"], () => section.replaceWith(lexiconSection()));
  follow(section, ["layer", "tag", "word"], (changed) => {
    if (changed.some((name) => ["layer", "tag", "word"].includes(name))) fill();
    if (changed.includes("word")) show();
  });
  return section;
}

function lexiconColumns(hasTags) {
  return [
    [t("lexicon:word"), (row) => visible(row.text)],
    ["ΔNLL", (row) => signed(row.delta), true],
    ...(hasTags ? [[t("tag"), (row) => (row.tag ? named("tag", row.tag) : "–")]] : []),
    [t("lexicon:items"), (row) => String(row.items), true],
    [`${t("intact")} NLL`, (row) => shown(row.intact), true],
  ];
}

// Every form with its mean ΔNLL at the layer that is looked at, of the tag that is chosen.
async function lexiconRows(sweep, family) {
  const [forms, delta, variants] = await Promise.all([
    rowsOf(sweep.words.forms),
    arrayOf(sweep.words.delta),
    rowsOf(sweep.variants),
  ]);
  const all = variants.filter((row) => row.family === family);
  const i = variants.findIndex((row) => isLinked(sweep, row) && row.family === family);
  const rows = forms.map((row, form) => ({ ...row, form, delta: delta.values[i * forms.length + form] }));
  const tag = rows.some((row) => row.tag === linked.tag) ? linked.tag : null;
  return { rows: tag === null ? rows : rows.filter((row) => row.tag === tag), tags: [...new Set(rows.map((row) => row.tag))], all };
}

function matching(rows, search) {
  const wanted = search.trim().toLocaleLowerCase();
  return wanted ? rows.filter((row) => row.text.toLocaleLowerCase().includes(wanted)) : rows;
}

// The chosen word over the variants of the family, and over the depths where the run has them.
async function wordProfile(sweep, family) {
  const heading = el("h3", {}, t("lexicon:profile"));
  if (linked.word === null) return [heading, note(t("lexicon:choose"))];
  const forms = (await rowsOf(sweep.words.forms)).map((row, form) => ({ ...row, form }));
  const found = forms.filter((row) => row.text === linked.word);
  if (!found.length) return [heading, note(t("lexicon:unknown", { word: visible(linked.word) }))];
  const depths = sweep.families.filter((one) => isDepth(one) && one !== family);
  const parts = [family, ...depths].map((one) => [
    note(`${familyName(one)}${isDepth(one) ? ` (${layerAxis(one)})` : ""}`),
    figure((width) => profileChart(sweep, one, found, width)),
  ]);
  const counts = found.map((row) => `${row.tag ? `${named("tag", row.tag)} ` : ""}${row.items}`).join(", ");
  const few = d3.sum(found, (row) => row.items) < FEWEST_WORDS;
  return [
    heading,
    el("p", {}, el("b", {}, visible(linked.word)), ` ${t("lexicon:counted", { n: counts })}${few ? ` ${t("lexicon:few")}` : ""}`),
    ...parts.flat(),
  ];
}

async function profileChart(sweep, family, found, width) {
  const [variants, delta] = await Promise.all([rowsOf(sweep.variants), arrayOf(sweep.words.delta)]);
  const n = sweep.words.forms.rows;
  const weight = d3.sum(found, (row) => row.items);
  const points = variants
    .map((row, i) => ({ ...row, y: d3.sum(found, (form) => form.items * delta.values[i * n + form.form]) / weight }))
    .filter((row) => row.family === family && row.first !== null && Number.isFinite(row.y));
  if (!points.length) return note(t("lexicon:no_layers"));
  const scale = effectScale(points.map((point) => point.y));
  const faded = weight < FEWEST_WORDS ? 0.5 : 1;
  const say = (point) => [point.name, `ΔNLL ${signed(point.y)}`, t("lexicon:counted", { n: weight })];
  return chart(
    {
      width,
      height: 260,
      x: { label: layerAxis(family), tickFormat: whole, ticks: Math.min(12, width / 60) },
      y: { label: axisName(t("lexicon:delta"), scale), grid: true, ...scale, tickFormat: (one) => shown(one) },
      marks: [
        scale.type === "log" ? null : Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.4 }),
        isOfHeads(family) ? null : Plot.lineY(points, { x: "first", y: "y", stroke: COLOURS[0], strokeWidth: 1.8, strokeOpacity: faded }),
        Plot.dot(points, { x: "first", y: "y", stroke: COLOURS[0], fill: "var(--surface)", strokeDasharray: "1.5 1.5", r: 3, strokeOpacity: faded }),
        tip(points, { x: "first", y: "y" }, say),
      ],
    },
    `${linked.word}, ${t("lexicon:delta")}, ${familyName(family)}`,
    {
      rows: points,
      x: (point) => point.first,
      y: (point) => point.y,
      say,
      value: (point) => point.y,
      label: (point) => point.name,
      pick: (point) => choose({ family, layer: keyOf(sweep, point) }),
      isChosen: (point) => isLinked(sweep, point),
      columns: [
        [t("variant"), (row) => row.name],
        [t("layer"), (row) => shown(row.first), true],
        ["ΔNLL", (row) => signed(row.y), true],
      ],
    },
  );
}
