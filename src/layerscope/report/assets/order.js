// Which layers a search's paths do without, size by size: a table whose cells are halves of layers, attention and MLP.

function orderParts(held) {
  return [el("h3", {}, t("order:heading")), figure(() => orderTable(held))];
}

async function orderTable(held) {
  const rows = await rowsOf(held.left_out);
  if (!rows.some((row) => row.without_attention || row.without_mlp)) return note(t("order:none"));
  const firsts = new Map((await rowsOf(held.first.left_out)).map((row) => [`${row.layers} ${row.layer}`, row]));
  const found = new Map(rows.map((row) => [`${row.layers} ${row.layer}`, row]));
  const sizes = d3.sort(new Set(rows.map((row) => row.layers)), (size) => Math.abs(size - held.layers));
  const said = el("output", { class: "said", "aria-live": "polite" }, t("order:point"));
  const cells = [];
  const body = d3.range(held.layers - 1, -1, -1).map((layer) => {
    const line = el("tr", {}, el("th", { scope: "row" }, String(layer)));
    for (const size of sizes) {
      const row = found.get(`${size} ${layer}`);
      const cell = orderCell(row, firsts.get(`${size} ${layer}`), cells.length === 0);
      const say = () => {
        said.value = orderSentence(row, firsts.get(`${size} ${layer}`));
      };
      cell.addEventListener("mouseenter", say);
      cell.addEventListener("focus", say);
      cells.push(cell);
      line.append(cell);
    }
    return line;
  });
  walkable(cells, sizes.length);
  const moves = new Map(held.first.sizes.map((size, i) => [size, held.first.moves[i]]));
  const made = sizes.map((size) => (moves.get(size) === null ? t("order:other") : (moves.get(size) ?? []).join(" ")));
  const head = (name, texts, upright) =>
    el(
      "tr",
      { class: upright ? "upright" : null },
      el("th", { scope: "row" }, name),
      ...texts.map((text) => el(upright ? "td" : "th", upright ? {} : { scope: "col" }, el("span", {}, text))),
    );
  const table = el(
    "table",
    { class: "phenomena order" },
    el("caption", { class: "aloud" }, t("order:heading")),
    el("thead", {}, head(t("order:moves"), made, true), head(t("order:axis"), sizes.map(String), false)),
    el("tbody", {}, ...body),
  );
  table.numbers = [
    [
      [t("layer"), (row) => String(row.layer), true],
      [t("order:axis"), (row) => String(row.layers), true],
      ["attention", (row) => String(row.without_attention), true],
      ["MLP", (row) => String(row.without_mlp), true],
    ],
    rows,
  ];
  const scale = (share) => `color-mix(in srgb, var(--c1) ${Math.round(100 * share)}%, var(--middle))`;
  const bar = held.draws > 1 ? colourBar(scale, ["0", "1/2", "1"], t("order:share")) : null;
  const told = note(t(held.draws > 1 ? "order:note" : "order:one_draw", { n: held.draws }));
  return [told, bar, el("div", { class: "scroll whole", tabindex: "0", role: "region", "aria-label": t("order:heading") }, table), said];
}

// Left half: attention, right half: MLP; a mark where the first draw's path does without them.
function orderCell(row, first, isFirst) {
  const cell = el("td", { tabindex: isFirst ? "0" : "-1" });
  const colour = (count) => `color-mix(in srgb, var(--c1) ${Math.round((100 * count) / row.draws)}%, var(--middle))`;
  const [left, right] = [row.without_attention, row.without_mlp].map(colour);
  if (row.without_attention || row.without_mlp) cell.style.background = `linear-gradient(to right, ${left} 50%, ${right} 50%)`;
  cell.append(el("span", { class: "aloud" }, orderShare(row)));
  const half = first?.without_layer ? "" : first?.without_attention ? "left" : first?.without_mlp ? "right" : null;
  if (half !== null) cell.append(el("span", { class: `mark ${half}`, "aria-hidden": "true" }, "◆"));
  return cell;
}

// Whether no draw has one half of it alone.
function isWhole(row) {
  return row.without_attention === row.without_layer && row.without_mlp === row.without_layer;
}

function orderShare(row) {
  if (isWhole(row)) return `${row.without_layer}/${row.draws}`;
  return t("order:halves", { attention: row.without_attention, mlp: row.without_mlp, all: row.draws });
}

function orderSentence(row, first) {
  const at = t("order:cell", { layer: row.layer, size: row.layers });
  const share =
    isWhole(row)
      ? t("order:without", { n: row.without_layer, all: row.draws })
      : t("order:halves", { attention: row.without_attention, mlp: row.without_mlp, all: row.draws });
  const isFirst = row.draws > 1 && first && (first.without_attention || first.without_mlp);
  return `${at}${share}${isFirst ? t("order:first") : ""}`;
}
