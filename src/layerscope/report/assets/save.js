// Charts taken away: as SVG, as PNG drawn from it, and their numbers as CSV. Nothing leaves the page but the file.

const PNG_SCALE = 3;
const LINE = 20;
let isExact = false; // while numbers are written for a file, they keep all their digits

// A small menu beside a figure. of: () → {svg, table, name}, what is drawn there now.
function saveMenu(of) {
  const made = el("details", { class: "save" }, el("summary", { title: t("save:hint") }, t("save")));
  const button = (kind, act) =>
    el(
      "button",
      {
        type: "button",
        onclick: () => {
          made.open = false;
          act(of());
        },
      },
      kind,
    );
  made.addEventListener("toggle", () => {
    if (!made.open) return;
    const { svg, table } = of();
    const buttons = [
      svg ? button("SVG", ({ svg: one, name }) => saved(svgText(one, name), "image/svg+xml", name, "svg")) : null,
      svg ? button("PNG", ({ svg: one, name }) => savePng(one, name)) : null,
      table ? button("CSV", ({ table: one, name }) => saved(csvText(...one), "text/csv;charset=utf-8", name, "csv")) : null,
    ];
    made.replaceChildren(made.firstChild, ...buttons.filter(Boolean));
  });
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !made.open) return;
    made.open = false;
    made.firstChild.focus();
  });
  return made;
}

function saved(data, type, name, ending) {
  const blob = data instanceof Blob ? data : new Blob([data], { type });
  const link = el("a", { href: URL.createObjectURL(blob), download: `${fileName(name)}.${ending}` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Letters, digits and hyphens: a name from a run cannot be a path.
function fileName(name) {
  const plain = name.normalize("NFKC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/gu, "");
  return `layerscope-${plain.slice(0, 80) || "chart"}`;
}

// A drawing that stands by itself: its name on top, its legend below, colours as the page shows them.
function svgText(drawn, name) {
  const { width, height } = drawn.viewBox.baseVal.width
    ? drawn.viewBox.baseVal
    : { width: Number(drawn.getAttribute("width")), height: Number(drawn.getAttribute("height")) };
  const legend = drawn.legend ?? [];
  const copy = drawn.cloneNode(true);
  copy.querySelectorAll('.walker, [aria-label="tip"]').forEach((one) => one.remove());
  ["x", "y", "class", "tabindex", "role", "aria-label", "aria-describedby", "aria-hidden"].forEach((one) => copy.removeAttribute(one));
  copy.setAttribute("y", LINE + 10);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("overflow", "visible");
  const whole = LINE + 10 + height + LINE * Math.ceil(legend.length / 2) + 8;
  const made = d3
    .create("svg")
    .attr("xmlns", d3.namespaces.svg)
    .attr("xmlns:xlink", d3.namespaces.xlink)
    .attr("width", width)
    .attr("height", whole)
    .attr("viewBox", `0 0 ${width} ${whole}`)
    .attr("color", themeColour("--ink"))
    .attr("font-family", "system-ui, sans-serif")
    .attr("font-size", 12);
  made.append("title").text(name);
  made.append("rect").attr("width", width).attr("height", whole).attr("fill", themeColour("--surface"));
  made.append("text").attr("x", 8).attr("y", LINE).attr("fill", "currentColor").attr("font-weight", 600).text(name);
  made.append(() => copy);
  legend.forEach(([glyph, colour, text], i) => {
    const line = made
      .append("text")
      .attr("x", 8 + (i % 2) * (width / 2))
      .attr("y", LINE + 10 + height + LINE * (Math.floor(i / 2) + 0.7))
      .attr("fill", "currentColor");
    line.append("tspan").attr("fill", colour).text(`${glyph} `);
    line.append("tspan").text(text);
  });
  const text = new XMLSerializer().serializeToString(made.node());
  return text.replace(/var\((--[\w-]+)\)/gu, (all, one) => themeColour(one) || all);
}

async function savePng(drawn, name) {
  const text = svgText(drawn, name);
  const picture = new Image();
  await new Promise((done, failed) => {
    picture.onload = done;
    picture.onerror = failed;
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  });
  const canvas = el("canvas", { width: PNG_SCALE * picture.width, height: PNG_SCALE * picture.height });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  saved(await new Promise((done) => canvas.toBlob(done, "image/png")), "image/png", name, "png");
}

// A table as it is shown, with all digits: a value with its interval becomes three columns.
function csvText(columns, rows) {
  isExact = true;
  try {
    const cells = rows.map((row) => columns.map(([, text]) => plainNumber(String(text(row) ?? ""))));
    const wide = columns.map((_, i) => cells.some((line) => numbersIn(line[i]).length === 3));
    const twice = columns.map((_, i) => !wide[i] && cells.some((line) => numbersIn(line[i]).length === 2));
    const head = columns.flatMap(([name], i) => {
      const label = name || t("csv:rank");
      if (wide[i]) return [label, `${label} ${t("csv:low")}`, `${label} ${t("csv:high")}`];
      return twice[i] ? [`${label} ${t("csv:low")}`, `${label} ${t("csv:high")}`] : [label];
    });
    const lines = cells.map((line) =>
      line.flatMap((text, i) => {
        if (!wide[i] && !twice[i]) return [columns[i][2] ? unsigned(text) : inertCell(text)];
        const found = numbersIn(text);
        const places = wide[i] ? 3 : 2;
        if (!found.length) return [unsigned(text), ...Array(places - 1).fill("")].slice(0, places);
        return [...found, ...Array(places).fill("")].slice(0, places);
      }),
    );
    return `\ufeff${[head.map(inertCell), ...lines].map((line) => line.map(quoted).join(",")).join("\r\n")}\r\n`;
  } finally {
    isExact = false;
  }
}

function plainNumber(text) {
  return text.replaceAll("−", "-").trim();
}

// "+1.2 [+1, +2]" → 1.2, 1, 2; "[1, 2]" → 1, 2; nothing of any other text.
function numbersIn(text) {
  const one = "[+-]?[\\d.]+(?:e[+-]?\\d+)?";
  const found = text.match(new RegExp(`^(${one})?\\s*\\[(${one}), (${one})\\]$`, "u"));
  return found ? found.slice(1).filter((part) => part !== undefined).map(unsigned) : [];
}

function unsigned(text) {
  if (text === "–") return "";
  return /^\+[\d.]/u.test(text) ? text.slice(1) : /^-?[\d.]/u.test(text) ? text : inertCell(text);
}

// A spreadsheet shall not take a word of a corpus for a formula.
function inertCell(text) {
  return /^[=+\-@\t\r]/u.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/u.test(text) ? `'${text}` : text;
}

function quoted(text) {
  return /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The map of cells as one drawing: its picture between its axes.
function cellMapDrawing(place) {
  const axes = place.querySelector("svg.axes").cloneNode(true);
  const [plot, canvas] = [place.querySelector(".cells"), place.querySelector("canvas")];
  const [width, height] = [axes.getAttribute("width"), axes.getAttribute("height")];
  axes.setAttribute("viewBox", `0 0 ${width} ${height}`);
  axes.setAttribute("fill", "currentColor");
  axes.setAttribute("font-size", "11");
  const image = d3.create("svg:image");
  image
    .attr("x", parseFloat(getComputedStyle(plot).left))
    .attr("y", 0)
    .attr("width", parseFloat(plot.style.width))
    .attr("height", parseFloat(plot.style.height))
    .attr("preserveAspectRatio", "none")
    .attr("style", "image-rendering: pixelated")
    .attr("href", canvas.toDataURL());
  axes.insertBefore(image.node(), axes.firstChild);
  return axes;
}

// Drawings one below the other as one; a single one as it is.
function stacked(drawings) {
  if (drawings.length < 2) return drawings[0] ?? null;
  const boxes = drawings.map((one) => one.viewBox.baseVal);
  const [width, height] = [d3.max(boxes, (box) => box.width), d3.sum(boxes, (box) => box.height)];
  const made = d3.create("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("width", width).attr("height", height);
  let top = 0;
  drawings.forEach((one, i) => {
    const copy = one.cloneNode(true);
    copy.setAttribute("y", top);
    copy.setAttribute("width", boxes[i].width);
    copy.setAttribute("height", boxes[i].height);
    top += boxes[i].height;
    made.append(() => copy);
  });
  const whole = made.node();
  whole.legend = drawings[0].legend;
  return whole;
}
