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

// Mean prediction depth by part of speech.
function depthByTag(sweep, width) {
  const rows = sweep.depth_by_tag.map((row) => ({ ...row, name: depthTag(row) }));
  const order = [rows[0], ...d3.sort(rows.slice(1), (row) => row.mean)].map((row) => row.name);
  return chart(
    {
      width: Math.min(width, 820),
      height: 60 + rows.length * 20,
      marginLeft: state.language === "ja" ? 130 : 90,
      x: { label: t("axis:after"), grid: true, domain: [-1, sweep.layers - 1], tickFormat: whole },
      y: { domain: order, label: null, type: "point" },
      marks: [
        Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: COLOURS[0], strokeWidth: 1.6, clip: true }),
        Plot.dot(rows, {
          x: "mean",
          y: "name",
          fill: (row) => (row.few ? "var(--surface)" : COLOURS[0]),
          stroke: COLOURS[0],
          r: 4,
        }),
        tip(rows, { x: "mean", y: "name" }, (row) => [
          `${row.name} (${row.words})`,
          `${t("depth:mean")}: ${shown(row.mean)}${row.low === null ? "" : ` [${shown(row.low)}, ${shown(row.high)}]`}`,
          `${t("depth:median")}: ${shown(row.median)}`,
        ]),
      ],
    },
    t("depth:tags"),
  );
}

function depthTag(row) {
  return row.tag === "all" ? t("depth:all_words") : `${named("tag", row.tag)}${row.few ? " *" : ""}`;
}

function depthTagNumbers(sweep) {
  return numbers(
    [
      [t("tag"), depthTag],
      [t("items"), (row) => String(row.words), true],
      [t("depth:mean"), (row) => shown(row.mean), true],
      [t("interval"), (row) => (row.low === null ? "" : `[${shown(row.low)}, ${shown(row.high)}]`), true],
      [t("depth:median"), (row) => shown(row.median), true],
    ],
    sweep.depth_by_tag,
  );
}
