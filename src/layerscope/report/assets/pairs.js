// One pair of sentences: how far apart they are, layer by layer, what both predict; and the written reading of the run.

function pairsPart(run, mine) {
  const held = run.pairs;
  const body = el("div");
  const made = part(t("pairs:heading"), null, body);
  Promise.all([rowsOf(held.table), arrayOf(held.size), arrayOf(held.predicted)]).then(([pairs, size, predicted]) => {
    const groups = [...new Set(pairs.map((pair) => pair.group))];
    const look = () => {
      const [, group, number] = (linked.pair ?? "").match(/^(.*) (\d{1,6})$/su) ?? [];
      const isKnown = groups.includes(group);
      mine.group = isKnown ? group : (groups.find((one) => run.members.grammar.includes(one)) ?? run.members.meaning[0] ?? groups[0]);
      mine.pair = isKnown ? Number(number) : 0;
    };
    const draw = () => {
      look();
      const of = pairs.map((pair, i) => ({ ...pair, i })).filter((pair) => pair.group === mine.group);
      mine.pair = Math.min(Math.max(mine.pair, 0), of.length - 1);
      const pair = of[mine.pair];
      const go = (group, number) => choose({ pair: `${group} ${number}` });
      const step = (by) => () => go(mine.group, (mine.pair + by + of.length) % of.length);
      const label = (one, i) => [i, one.sentence1.length > 60 ? `${one.sentence1.slice(0, 59)}…` : one.sentence1];
      const controls = controlsOf(
        choice(
          t("subtype"),
          groups.map((one) => [one, named("group", one)]),
          mine.group,
          (value) => go(value, 0),
        ),
        choice(t("pair"), of.map(label), mine.pair, (value) => go(mine.group, Number(value))),
        el("button", { type: "button", onclick: step(-1) }, t("previous")),
        el("button", { type: "button", onclick: step(1) }, t("next")),
      );
      const graph = figure((width) => pairChart(run, held, size, pair, width));
      body.replaceChildren(
        note(t("pairs:note", { shown: pairs.length, all: held.of })),
        controls,
        sentencesOf(pair),
        graph,
        predictionsOf(predicted, pair),
      );
    };
    draw();
    follow(made, ["pair"], draw);
  });
  return made;
}

// Both sentences with what differs marked, which is right, and which the model finds likelier.
function sentencesOf(pair) {
  const both = [pair.sentence1, pair.sentence2];
  let start = 0;
  while (start < Math.min(both[0].length, both[1].length) && both[0][start] === both[1][start]) start += 1;
  let end = 0;
  while (end < Math.min(both[0].length, both[1].length) - start && both[0].at(-1 - end) === both[1].at(-1 - end)) end += 1;
  const rows = both.map((sentence, i) => {
    const marks = [];
    if (pair.right !== null) marks.push(pair.right === i + 1 ? `✓ ${t("right_side")}` : `✗ ${t("wrong_side")}`);
    if (pair.prefers === i + 1) marks.push(t("prefers"));
    const nll = pair[`edit_nll${i + 1}_nats`];
    if (nll !== null) marks.push(`${t("edit_nll")} ${shown(nll)}`);
    const stop = sentence.length - end;
    const text = [sentence.slice(0, start), el("mark", {}, sentence.slice(start, stop) || "∅"), sentence.slice(stop)];
    return el("li", {}, el("span", { class: "sentence" }, ...text), el("span", { class: "note" }, marks.join(" · ")));
  });
  return el("ol", { class: "sentences" }, ...rows);
}

function pairChart(run, held, size, pair, width) {
  const [, positions, states] = size.shape;
  const rows = [];
  for (let position = 0; position < positions; position += 1) {
    for (let layer = 0; layer < states; layer += 1) {
      const value = size.values[(pair.i * positions + position) * states + layer];
      if (!Number.isNaN(value)) rows.push({ position: held.positions[position], layer: layer - 1, value });
    }
  }
  const names = held.positions;
  const legend = names.map((name, i) => {
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" }, GLYPHS[i % GLYPHS.length]);
    swatch.style.color = colourOf(i);
    return el("span", { class: "box" }, swatch, positionName(name));
  });
  return [
    el("div", { class: "legend" }, ...legend),
    chart(
      {
        width: Math.min(width, 820),
        height: 300,
        x: { label: t("state") },
        y: { label: t("quantity:size"), grid: true, zero: true, tickFormat: (one) => shown(one) },
        color: { domain: names, range: names.map((_, i) => colourOf(i)) },
        symbol: { domain: names, range: names.map((_, i) => SYMBOLS[i % SYMBOLS.length]) },
        marks: [
          Plot.lineY(rows, { x: "layer", y: "value", stroke: "position", strokeWidth: 1.8 }),
          Plot.dot(rows, { x: "layer", y: "value", stroke: "position", symbol: "position", r: 2.5 }),
          tip(rows, { x: "layer", y: "value" }, (row) => [
            positionName(row.position),
            `${t("layer")} ${row.layer}`,
            `R ${shown(row.value)}`,
          ]),
        ],
      },
      t("pairs:heading"),
      {
        ...ofLayer(run),
        rows,
        x: (row) => row.layer,
        y: (row) => row.value,
        series: (row) => row.position,
        say: (row) => [positionName(row.position), `${t("layer")} ${row.layer}`, `R ${shown(row.value)}`],
        value: (row) => row.value,
        label: (row) => `${positionName(row.position)}, ${t("layer")} ${row.layer}`,
        legend: names.map((name, i) => [GLYPHS[i % GLYPHS.length], colourOf(i), positionName(name)]),
        columns: [
          [t("position"), (row) => positionName(row.position)],
          [t("layer"), (row) => String(row.layer), true],
          [t("quantity:size"), (row) => shown(row.value), true],
        ],
      },
    ),
  ];
}

function predictionsOf(predicted, pair) {
  const [, pairs, distances] = predicted.shape;
  const at = (number, distance) => predicted.values[(number * pairs + pair.i) * distances + distance];
  const there = d3.range(distances).filter((distance) => !Number.isNaN(at(2, distance)));
  const rows = [
    [t("distance"), (distance) => String(distance)],
    ["NLL 1 (nats)", (distance) => shown(at(0, distance))],
    ["NLL 2 (nats)", (distance) => shown(at(1, distance))],
    ["KL (nats)", (distance) => shown(at(2, distance))],
  ].map(([name, text]) =>
    el("tr", {}, el("th", { scope: "row" }, name), ...there.map((distance) => el("td", { class: "number" }, text(distance)))),
  );
  return el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("tbody", {}, ...rows)));
}

// The written reading: headings and lists, as text.
// The sentences that its commands end with, before any chart: they are of the main place, whatever is chosen below.
function contrastFindings(run) {
  const said = run.findings.map((one) => el("li", {}, one[state.language]));
  const main = `${named("site", run.main[0])}, ${positionName(run.main[1])}`;
  return el("div", { class: "reading found" }, note(t("found:at", { place: main })), el("ul", {}, ...said));
}

function readingPart(run) {
  const made = el("div", { class: "reading" });
  let list = null;
  for (const line of run.reading[state.language].split("\n")) {
    if (line.startsWith("- ")) {
      if (list === null) made.append((list = el("ul")));
      list.append(el("li", {}, line.slice(2)));
      continue;
    }
    list = null;
    if (line.startsWith("# ")) made.append(el("p", {}, el("b", {}, line.slice(2))));
    else if (line.startsWith("## ")) made.append(el("h4", {}, line.slice(3)));
    else if (line.trim()) made.append(el("p", {}, line));
  }
  return part(t("reading:heading"), null, made);
}
