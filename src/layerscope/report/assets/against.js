// Equal damage, different preference: every variant's preference over its damage, and what its damage allows.

async function againstDamage(sweep, chosen, width) {
  const held = sweep.preference;
  const families = scattered(sweep).filter((family) => !chosen.hidden.has(family));
  const variants = new Map((await rowsOf(sweep.variants)).map((row) => [row.name, row]));
  const measure = chosen.measure.replace("_change", "");
  const isRead = held.beyond !== null && held.beyond_unit === chosen.unit;
  const outside = isRead
    ? (await rowsOf(held.beyond)).filter((row) => row.group === chosen.group && row.measure === measure)
    : [];
  const limits = new Map(outside.map((row) => [row.variant, row]));
  const name = held.groups[chosen.group];
  const rows = (await rowsOf(held.table))
    .filter((row) => row.unit === chosen.unit && row.group === chosen.group && row.variant !== "intact")
    .map((row) => ({ ...row, name, of: variants.get(row.variant), limit: limits.get(row.variant) }))
    .filter((row) => row.of && families.includes(row.of.family) && row.of.delta !== null)
    .map((row) => ({ ...row, ...drawn(row, chosen.measure), family: row.of.family, x: row.of.delta }))
    .filter((row) => !Number.isNaN(row.y));
  const bands = d3.sort(
    rows.filter((row) => row.limit),
    (row) => row.x,
  );
  const all = scattered(sweep);
  const scale = effectScale(rows.map((row) => row.x));
  const edge = (row, side) => (row.limit[side] === null ? NaN : row.intact + row.limit[side]);
  const isFound = (row) => Boolean(row.limit) && isBeyond(row.limit);
  const size = { width: Math.min(width, 900), height: 420 };
  const first = d3.sort(rows, (row) => (isFound(row) ? -Infinity : -Math.abs(row.y - row.intact)));
  const labelled = withRoom(first, size, scale);
  return chart(
    {
      ...size,
      x: { label: axisName(t("damage"), scale), ...scale, tickFormat: (one) => shown(one) },
      y: { label: t(`preference:${chosen.measure}`), grid: true, tickFormat: (one) => shown(one) },
      color: { type: "ordinal", domain: all, range: all.map((_, i) => colourOf(i)) },
      symbol: { domain: all, range: all.map((_, i) => SYMBOLS[i % SYMBOLS.length]) },
      marks: [
        rows.length ? Plot.ruleY([rows[0].intact], { stroke: "currentColor", strokeDasharray: "5 4" }) : null,
        Plot.areaY(bands, {
          x: "x",
          y1: (row) => edge(row, "low"),
          y2: (row) => edge(row, "high"),
          z: "family",
          fill: "family",
          fillOpacity: 0.12,
          curve: "step",
        }),
        Plot.dot(rows, { x: "x", y: "y", stroke: "family", fill: "var(--surface)", symbol: "family", r: 4 }),
        Plot.dot(rows.filter(isFound), { x: "x", y: "y", stroke: "family", fill: "family", symbol: "family", r: 4 }),
        ...[true, false].map((bold) =>
          Plot.text(
            labelled.filter((row) => isFound(row) === bold),
            {
              x: "x",
              y: "y",
              text: layerOf,
              dx: 7,
              dy: -6,
              fontSize: 11,
              fontWeight: bold ? "bold" : "normal",
              fill: "family",
              textAnchor: "start",
            },
          ),
        ),
        tip(rows, { x: "x", y: "y" }, (row) => [...preferenceLines(row), ...(row.limit ? limitLines(row.limit) : [])]),
      ],
    },
    `${t("against:heading")} ${pairGroup(name)}`,
    {
      ...ofVariant(sweep, (row) => row.of),
      rows,
      x: (row) => row.x,
      y: (row) => row.y,
      series: (row) => row.family,
      say: (row) => [...preferenceLines(row), ...(row.limit ? limitLines(row.limit) : [])],
      value: (row) => row.y,
      label: (row) => row.variant,
      columns: preferenceColumns(),
      legend: families.map((family) => [GLYPHS[all.indexOf(family) % GLYPHS.length], colourOf(all.indexOf(family)), familyName(family)]),
    },
  );
}

function layerOf(row) {
  return row.of.first === null ? shortName(row.of) : String(row.of.first);
}

// Points whose labels fit between those of the points before them.
function withRoom(rows, { width, height }, across) {
  if (!rows.length) return [];
  const domain = (name) => d3.extent(rows, (row) => row[name]);
  const x = Plot.scale({ x: { ...across, domain: domain("x"), range: [56, width - 20] } });
  const y = Plot.scale({ y: { domain: domain("y"), range: [height - 46, 20] } });
  const placed = [];
  return rows.filter((row) => {
    const at = [x.apply(row.x) + 7, y.apply(row.y) - 6];
    const wide = 7 * layerOf(row).length + 3;
    const isFree = placed.every(
      ([left, up, other]) => at[0] > left + other || left > at[0] + wide || Math.abs(up - at[1]) > 11,
    );
    if (isFree) placed.push([...at, wide]);
    return isFree;
  });
}

// What a variant's damage allows its effect to be; nothing bounds it where a number is missing.
function allowed({ low, high }) {
  const ends = [low, high];
  return `[${(ends.includes(null) ? ends : d3.sort(ends)).map((one) => (one === null ? "?" : signed(one))).join(", ")}]`;
}

function howFar(limit) {
  return signed(limit.beyond) + (limit.error === null ? "" : ` ± ${shown(limit.error, 2)}`);
}

function limitLines(limit) {
  return [`${t("allowed")} ${allowed(limit)}`, `${t("beyond")} ${howFar(limit)}, q ${shown(limit.q)}`];
}
