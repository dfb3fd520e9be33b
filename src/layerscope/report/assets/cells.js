// The heat map of layers by dimensions: painted pixel by pixel, extremes kept, with a cursor for mouse and keys.

const ROW_PIXELS = 11;
const SHADES = 256;

// values: one row per layer. order: dimensions from left to right. scale: {share: value → 0..1, colour: 0..1 → css, middle}.
// say: (layer, dimension) → text. pick: called with the unit that the reader settles on.
function cellMap({ values, layers, order, scale, say, pick, width, name, isSorted }) {
  const left = 44;
  const dims = order.length;
  const columns = Math.min(dims, width - left - 8);
  const height = layers * Math.max(ROW_PIXELS, Math.min(18, Math.round(330 / layers)));
  const canvas = el("canvas", { width: columns, height: layers });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, layers);
  const shades = Array.from({ length: SHADES }, (_, i) => d3.rgb(scale.colour(i / (SHADES - 1))));
  const first = (column) => Math.floor((column * dims) / columns);
  for (let layer = 0; layer < layers; layer += 1) {
    for (let column = 0; column < columns; column += 1) {
      const dim = extreme(
        values,
        layer * dims,
        order,
        first(column),
        Math.max(first(column + 1), first(column) + 1),
        scale.middle,
      );
      const value = dim < 0 ? NaN : values[layer * dims + dim];
      const at = 4 * ((layers - 1 - layer) * columns + column);
      if (Number.isNaN(value)) continue;
      const shade = shades[Math.round(Math.min(Math.max(scale.share(value), 0), 1) * (SHADES - 1))];
      image.data.set([shade.r, shade.g, shade.b, 255], at);
    }
  }
  context.putImageData(image, 0, 0);

  const said = el("output", { class: "said" }, "\u00a0");
  const cursor = el("div", { class: "cursor", hidden: true });
  const described = t("described:cells", { layers: layers, dims: dims, n: layers * dims });
  const plot = el(
    "div",
    { class: "cells", tabindex: "0", role: "application", "aria-label": name, "aria-description": described },
    canvas,
    cursor,
  );
  plot.style.width = `${width - left - 8}px`;
  plot.style.height = `${height}px`;
  const at = { layer: 0, column: 0 };
  const go = (layer, column, settled) => {
    at.layer = Math.min(Math.max(layer, 0), layers - 1);
    at.column = Math.min(Math.max(column, 0), columns - 1);
    const dim = extreme(
      values,
      at.layer * dims,
      order,
      first(at.column),
      Math.max(first(at.column + 1), first(at.column) + 1),
      scale.middle,
    );
    cursor.hidden = false;
    cursor.style.left = `${(100 * at.column) / columns}%`;
    cursor.style.width = `${100 / columns}%`;
    cursor.style.top = `${(100 * (layers - 1 - at.layer)) / layers}%`;
    cursor.style.height = `${100 / layers}%`;
    if (dim < 0) return;
    said.textContent = say(at.layer, dim);
    if (settled) pick(at.layer, dim);
  };
  const pointed = (event, settled) => {
    const box = canvas.getBoundingClientRect();
    const layer = layers - 1 - Math.floor((layers * (event.clientY - box.top)) / box.height);
    go(layer, Math.floor((columns * (event.clientX - box.left)) / box.width), settled);
  };
  plot.addEventListener("mousemove", (event) => pointed(event, false));
  plot.addEventListener("click", (event) => pointed(event, true));
  plot.addEventListener("keydown", (event) => {
    const steps = {
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      ArrowUp: [1, 0],
      ArrowDown: [-1, 0],
      Home: [0, -columns],
      End: [0, columns],
    };
    const step = steps[event.key] || (event.key === "Enter" ? [0, 0] : null);
    if (step === null) return;
    event.preventDefault();
    go(at.layer + step[0], at.column + step[1], event.key === "Enter");
  });

  const svg = d3
    .create("svg")
    .attr("width", width)
    .attr("height", height + 38)
    .attr("class", "axes")
    .attr("aria-hidden", "true");
  const step = height / layers;
  const everyLayer = d3.range(0, layers, Math.ceil(layers / 16));
  const y = svg.append("g");
  for (const layer of everyLayer) {
    y.append("text")
      .attr("x", left - 6)
      .attr("y", (layers - layer - 0.5) * step)
      .attr("dy", "0.35em")
      .attr("text-anchor", "end")
      .text(layer);
  }
  svg
    .append("text")
    .attr("transform", `translate(11 ${height / 2}) rotate(-90)`)
    .attr("text-anchor", "middle")
    .text(t("layer"));
  const x = d3.scaleLinear([0, dims], [left, width - 8]);
  svg
    .append("g")
    .attr("transform", `translate(0 ${height})`)
    .call(d3.axisBottom(x).ticks(Math.min(10, width / 70)))
    .call((axis) => axis.selectAll("text").attr("font-size", 11));
  svg
    .append("text")
    .attr("x", (left + width - 8) / 2)
    .attr("y", height + 34)
    .attr("text-anchor", "middle")
    .text(isSorted ? t(isSorted) : t("dimension"));
  const made = el("div", { class: "cell-map" }, svg.node(), plot, said);
  // the layers that are looked at, pointed to beside the map
  made.chosen = (some) => {
    svg.selectAll(".here").remove();
    for (const layer of some)
      svg
        .append("path")
        .attr("class", "here")
        .attr("fill", themeColour("--accent"))
        .attr("d", `M${left - 1} ${(layers - layer - 0.5) * step} l-5 -4 v8 z`);
  };
  return made;
}

// Of the dimensions at places from..to of the order, the one whose value lies farthest from the middle; -1 if none has one.
function extreme(values, row, order, from, to, middle) {
  let found = -1;
  let farthest = -1;
  for (let place = from; place < to; place += 1) {
    const distance = Math.abs(middle.of(values[row + order[place]]) - middle.at);
    if (distance > farthest) {
      farthest = distance;
      found = order[place];
    }
  }
  return found;
}

// Dimensions by index, or by their mean over layers.
function orderOf(values, layers, dims, sort) {
  const order = Array.from({ length: dims }, (_, dim) => dim);
  if (sort === "index") return order;
  const means = order.map((dim) => d3.mean(d3.range(layers), (layer) => values[layer * dims + dim]));
  const sign = sort === "up" ? 1 : -1;
  return order.sort((a, b) => sign * (means[a] - means[b]) || a - b);
}

// How a scale of differences is coloured: the primary one on both sides of 0.5, the others by ratio.
function scaleOf(name, values) {
  if (name === "percentile") {
    const farthest = Math.max(0.05, d3.max(values, (value) => Math.abs(value - 0.5)) || 0.5);
    return {
      share: (value) => 0.5 + (value - 0.5) / (2 * farthest),
      colour: diverging,
      middle: { of: (value) => value, at: 0.5 },
      ticks: [0.5 - farthest, 0.5, 0.5 + farthest].map((value) => shown(value)),
    };
  }
  const above = Array.from(values.filter((value) => value > 0)).sort(d3.ascending);
  const [low, middle, high] = [0.001, 0.5, 0.999].map((share) => d3.quantileSorted(above, share) || 1);
  const span = Math.log(high / low) || 1;
  return {
    share: (value) => (value > 0 ? Math.log(value / low) / span : 0),
    colour: d3.interpolateCividis,
    middle: { of: (value) => (value > 0 ? Math.log(value) : Math.log(low)), at: Math.log(middle) },
    ticks: [low, Math.sqrt(low * high), high].map((value) => shown(value, 2)),
  };
}
