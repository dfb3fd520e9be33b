// Points and cells of a chart: reached with arrow keys, chosen with a click or Enter, said in words, and marked when chosen.

const REACH = 40; // pixels around a point within which a click means it
let described = 0;

// points: rows, x and y (row → value on the chart's scales), series (row → what arrow keys stay in), say (row → lines),
// pick (row → what is chosen), isChosen (row → whether it is), names (of the state that this depends on), value (row → number),
// label (row → its name in few words), columns (of the table of its numbers).
function pointed(made, points) {
  describe(made, points);
  const placed = placesOf(made, points);
  const chosenMarks = d3.create("svg:g").attr("aria-hidden", "true").attr("class", "chosen").attr("fill", "none");
  made.append(chosenMarks.node());
  if (points.isChosen) {
    const mark = () => markChosen(made, chosenMarks, placed, points);
    mark();
    follow(made, points.names ?? LINKED, mark);
  }
  if (!placed.length) return made;
  walked(made, points, placed);
  if (points.pick) {
    made.classList.add("picks");
    made.addEventListener("click", (event) => {
      const found = nearest(made, placed, event);
      if (found) points.pick(found.row);
    });
  }
  return made;
}

// Where each row stands, in the drawing's own pixels.
function placesOf(made, points) {
  const on = (name, read) => {
    const scale = made.scale(name);
    if (!scale) return () => NaN;
    const half = (scale.bandwidth ?? 0) / 2;
    return (row) => {
      const at = scale.apply(read(row));
      return at === undefined ? NaN : at + half;
    };
  };
  const [x, y] = [on("x", points.x), on("y", points.y)];
  const series = points.series ?? (() => "");
  const found = points.rows.map((row) => ({ row, x: x(row), y: y(row), series: series(row) }));
  return found.filter((one) => Number.isFinite(one.x) && Number.isFinite(one.y));
}

function nearest(made, placed, event) {
  const box = made.getBoundingClientRect();
  const ratio = made.viewBox.baseVal.width / box.width || 1;
  const [x, y] = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  const found = d3.least(placed, (one) => Math.hypot(one.x - x, one.y - y));
  return found && Math.hypot(found.x - x, found.y - y) <= REACH ? found : null;
}

function markChosen(made, marks, placed, points) {
  marks.selectAll("*").remove();
  const [x, y] = ["x", "y"].map((name) => made.scale(name));
  const chosen = placed.filter((one) => points.isChosen(one.row));
  for (const one of chosen.slice(0, 60)) {
    if (x?.bandwidth && y?.bandwidth)
      marks
        .append("rect")
        .attr("x", one.x - x.bandwidth / 2)
        .attr("y", one.y - y.bandwidth / 2)
        .attr("width", x.bandwidth)
        .attr("height", y.bandwidth)
        .attr("stroke", "currentColor")
        .attr("stroke-width", 1.6);
    else marks.append("circle").attr("cx", one.x).attr("cy", one.y).attr("r", 7).attr("stroke", "currentColor").attr("stroke-width", 1.6);
  }
}

// In words, for who cannot see the chart: how many values, the lowest and the highest, and where.
function describe(made, points) {
  const text = described_(points);
  if (!text) return;
  described += 1;
  const id = `described-${described}`;
  made.insertBefore(d3.create("svg:desc").attr("id", id).text(text).node(), made.firstChild);
  made.setAttribute("aria-describedby", id);
}

function described_({ rows, value, label }) {
  if (!value) return "";
  const found = rows.filter((row) => Number.isFinite(value(row)));
  if (!found.length) return t("described:none");
  const [low, high] = [d3.least(found, value), d3.greatest(found, value)];
  return t("described", {
    n: found.length,
    low: shown(value(low)),
    at_low: label(low),
    high: shown(value(high)),
    at_high: label(high),
  });
}

// Left and right within a series, up and down between them; Enter chooses.
function walked(made, points, placed) {
  const ring = d3
    .create("svg:circle")
    .attr("class", "walker")
    .attr("r", 9)
    .attr("fill", "none")
    .attr("stroke", "var(--accent)")
    .attr("stroke-width", 2.5)
    .attr("aria-hidden", "true")
    .attr("display", "none");
  made.append(ring.node());
  made.setAttribute("tabindex", "0");
  made.setAttribute("aria-keyshortcuts", "ArrowLeft ArrowRight ArrowUp ArrowDown Home End Enter");
  let at = null;
  const go = (one) => {
    at = one;
    ring.attr("cx", one.x).attr("cy", one.y).attr("display", null);
    made.dispatchEvent(new CustomEvent("said", { detail: points.say(one.row).filter(Boolean).join("; ") }));
  };
  const start = () => placed.find((one) => points.isChosen?.(one.row)) ?? placed[0];
  made.addEventListener("blur", () => ring.attr("display", "none"));
  made.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && at && points.pick) {
      event.preventDefault();
      points.pick(at.row);
      return;
    }
    if (!/^(Arrow|Home|End)/u.test(event.key)) return;
    event.preventDefault();
    const next = at ? neighbour(placed, at, event.key) : start();
    if (next) go(next);
  });
}

function neighbour(placed, at, key) {
  const own = d3.sort(
    placed.filter((one) => one.series === at.series),
    (one) => one.x,
    (one) => one.y,
  );
  if (key === "Home") return own[0];
  if (key === "End") return own.at(-1);
  if (key === "ArrowLeft" || key === "ArrowRight") return own[own.indexOf(at) + (key === "ArrowRight" ? 1 : -1)];
  const beside = [...d3.group(placed, (one) => one.series).values()].map((some) =>
    some[0].series === at.series ? at : d3.least(some, (one) => Math.abs(one.x - at.x)),
  );
  const upward = d3.sort(beside, (one) => -one.y);
  return upward[upward.indexOf(at) + (key === "ArrowUp" ? 1 : -1)];
}

// What dot, fade and hatch mean, beside a chart that has them.
function markKey(...kinds) {
  const made = kinds.map((kind) =>
    el("span", { class: "box" }, el("span", { class: `key ${kind}`, "aria-hidden": "true" }, kind.startsWith("cell") ? "" : { dot: "●", ring: "○", dashed: "◌" }[kind] ?? "●"), t(`mark:${kind}`)),
  );
  return el("div", { class: "legend marks" }, ...made);
}

function isSignificant(q) {
  return q !== null && q !== undefined && q < 0.05;
}

function isTested(q) {
  return q !== null && q !== undefined && !Number.isNaN(q);
}

// Points of a chart over layers: filled where significant, hollow where not, with a dashed edge where not tested.
function testedDots(rows, { q, ...channels }) {
  const { stroke, ...others } = channels;
  const kinds = [
    [rows.filter((row) => isSignificant(q(row))), { fill: stroke }],
    [rows.filter((row) => isTested(q(row)) && !isSignificant(q(row))), { fill: "var(--surface)" }],
    [rows.filter((row) => !isTested(q(row))), { fill: "var(--surface)", strokeDasharray: "1.5 1.5" }],
  ];
  return kinds.map(([some, look]) => Plot.dot(some, { ...others, stroke, ...look }));
}

// Lines over a cell that was not tested, drawn in the chart itself so that they go with it.
function hatchedCells(made, rows, x, y) {
  const [across, down] = [made.scale("x"), made.scale("y")];
  const group = d3.create("svg:g").attr("aria-label", "hatch").attr("stroke", "currentColor").attr("stroke-opacity", 0.45);
  for (const row of rows) {
    const [left, top] = [across.apply(x(row)), down.apply(y(row))];
    if (left === undefined || top === undefined) continue;
    const [wide, high] = [across.bandwidth, down.bandwidth];
    const inset = 0.22;
    group
      .append("line")
      .attr("x1", left + inset * wide)
      .attr("x2", left + (1 - inset) * wide)
      .attr("y1", top + (1 - inset) * high)
      .attr("y2", top + inset * high);
  }
  made.append(group.node());
}
