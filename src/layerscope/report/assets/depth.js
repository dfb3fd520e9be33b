// Depths: variants that say what the model would predict if it ended after a layer.

const DEPTH_FAMILIES = ["depth", "tuned-depth"];

function isDepth(family) {
  return DEPTH_FAMILIES.includes(family.split(":")[0]);
}

function depthName(row) {
  return row.first < 0 ? t("depth:embeddings") : t("depth:after", { n: row.first });
}

function fromDepth(row) {
  return row.first < 0 ? t("depth:from_embeddings") : t("depth:from", { n: row.first });
}

// What stands at an axis of layers.
function layerAxis(family) {
  return isDepth(family) ? t("axis:after") : t("layer");
}

// What a depth is: the state goes into the final norm as it is, or through a tuned lens before.
function depthNote(family) {
  return note(t(family.startsWith("tuned-") ? "depth:tuned_note" : "depth:axis_note"));
}

// A variant in few characters: what stands behind its family's name.
function shortName(row) {
  const start = `${row.family.split(":")[0]}-`;
  return row.name.startsWith(start) ? row.name.slice(start.length) : row.name;
}

// From which of the depths on each token's prediction stays that of the whole model, as a place in rows (their number where
// it never does), and how often it changes on the way. rows: the depths in order; predicted: (variant, token) → its number.
function settling(rows, predicted, token) {
  const final = predicted(0, token);
  let from = rows.length;
  while (from > 0 && predicted(rows[from - 1].i, token) === final) from -= 1;
  let changes = 0;
  for (let i = 1; i < rows.length; i += 1) {
    if (predicted(rows[i].i, token) !== predicted(rows[i - 1].i, token)) changes += 1;
  }
  return { from, changes };
}

// Mean depths with their intervals, a row each; the first one on top, the others by their mean.
function meanDepths(rows, sweep, width, { marginLeft, label, lines, columns, pick }) {
  const order = [rows[0], ...d3.sort(rows.slice(1), (row) => row.mean ?? Infinity)].map((row) => row.name);
  const found = rows.filter((row) => row.mean !== null);
  return chart(
    {
      width: Math.min(width, 820),
      height: 60 + rows.length * 20,
      marginLeft,
      x: { label: t("axis:after"), grid: true, domain: [-1, sweep.layers - 1], tickFormat: whole },
      y: { domain: order, label: null, type: "point" },
      marks: [
        Plot.ruleY(found, { y: "name", x1: "low", x2: "high", stroke: COLOURS[0], strokeWidth: 1.6, clip: true }),
        Plot.dot(found, {
          x: "mean",
          y: "name",
          fill: COLOURS[0],
          fillOpacity: (row) => (isFew(row) ? FADED : 1),
          stroke: COLOURS[0],
          strokeOpacity: (row) => (isFew(row) ? FADED : 1),
          r: 4,
        }),
        tip(found, { x: "mean", y: "name" }, lines),
      ],
    },
    label,
    {
      rows: found,
      x: (row) => row.mean,
      y: (row) => row.name,
      say: lines,
      value: (row) => row.mean,
      label: (row) => row.name,
      columns,
      ...(pick ?? {}),
    },
  );
}

// Fewer than twenty words, or pairs, from which nothing should be read.
function isFew(row) {
  return (row.words ?? row.right ?? row.pairs ?? Infinity) < FEWEST_WORDS;
}

function meanDepthLine(row) {
  return `${t("depth:mean")}: ${shown(row.mean)} ${range(row.low, row.high)}`;
}

// An interval of what is never signed.
function range(low, high) {
  return low === null ? "" : `[${shown(low)}, ${shown(high)}]`;
}

// Of prediction depths, by part of speech.
function depthByTag(sweep, family, width) {
  const rows = tagDepths(sweep, family).map((row) => ({ ...row, name: depthTag(row) }));
  return meanDepths(rows, sweep, width, {
    marginLeft: state.language === "ja" ? 130 : 90,
    label: t("depth:tags"),
    lines: (row) => [`${row.name} (${row.words})`, meanDepthLine(row), `${t("depth:median")}: ${shown(row.median)}`],
    columns: depthTagColumns(),
    pick: {
      pick: (row) => choose({ tag: row.tag === "all" ? null : row.tag }),
      isChosen: (row) => row.tag === linked.tag,
      names: ["tag"],
    },
  });
}

function tagDepths(sweep, family) {
  return (sweep.depth_by_tag ?? []).filter((row) => row.family === family);
}

function depthTag(row) {
  return row.tag === "all" ? t("depth:all_words") : `${named("tag", row.tag)}`;
}

function depthTagColumns() {
  return [
      [t("tag"), depthTag],
      [t("items"), (row) => String(row.words), true],
      [t("depth:mean"), (row) => shown(row.mean), true],
      [t("interval"), (row) => range(row.low, row.high), true],
      [t("depth:median"), (row) => shown(row.median), true],
  ];
}

function depthTagNumbers(sweep, family) {
  return numbers(depthTagColumns(), tagDepths(sweep, family));
}

// Of pairs: from which depth on the right side stays the likelier one, by group, and how often it was and is not.
async function pairDepths(sweep, chosen, groups) {
  const shownGroups = new Map(groups.filter((group) => chosen.lines.has(group.i)).map((group) => [group.i, group]));
  return (await rowsOf(sweep.preference.depths))
    .filter((row) => row.family === chosen.family && row.unit === chosen.unit && shownGroups.has(row.group))
    .map((row) => ({ ...row, name: pairGroup(shownGroups.get(row.group)) }));
}

async function depthByGroup(sweep, chosen, groups, width) {
  const rows = await pairDepths(sweep, chosen, groups);
  if (!rows.length) return note(t("depth:no_pairs"));
  const longest = d3.max(rows, (row) => row.name.length);
  return meanDepths(rows, sweep, width, {
    marginLeft: Math.min(width / 2.5, 24 + 7 * longest),
    label: t("depth:pairs"),
    lines: (row) => [
      `${row.name} (${t("n_pairs", { n: row.right })})`,
      meanDepthLine(row),
      `${t("depth:median")}: ${shown(row.median)}`,
      `${t("depth:flips")}: ${shown(row.flips)} ${range(row.flips_low, row.flips_high)}`,
    ],
    columns: depthGroupColumns(),
  });
}

function depthGroupColumns() {
  return [
      [t("group"), (row) => row.name],
      [t("fact:pairs"), (row) => String(row.pairs), true],
      [t("depth:right"), (row) => String(row.right), true],
      [t("depth:mean"), (row) => shown(row.mean), true],
      [t("interval"), (row) => range(row.low, row.high), true],
      [t("depth:median"), (row) => shown(row.median), true],
      [t("depth:flips"), (row) => shown(row.flips), true],
      [t("interval"), (row) => range(row.flips_low, row.flips_high), true],
  ];
}

function depthGroupNumbers(rows) {
  return numbers(depthGroupColumns(), rows);
}
