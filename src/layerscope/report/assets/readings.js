// Two ways to read a text variant by variant: what a change costs each word, and what each depth says of it.
// read: the text with its numbers. Each way has the slider's name and words, a colour, what the panel shows, and a ranking.

const STRONGEST_NATS = 6;
const LEAST_EXPECTED_NATS = 20;

// Behind a word: stronger with its change, so light that the word stays readable.
function wordColour(change, strongest = STRONGEST_NATS) {
  const strength = Math.min(Math.abs(change) / strongest, 1) ** 0.7;
  return `color-mix(in srgb, var(${change > 0 ? "--high" : "--low"}) ${Math.round(strength * 62)}%, transparent)`;
}

function isScored(word) {
  return word.tokens.some((one) => one.scored >= 0);
}

// Summed over the scored tokens of a word.
function summed(word, value) {
  return d3.sum(word.tokens, (one) => (one.scored < 0 ? 0 : value(one.scored)));
}

// Coloured by ΔNLL at a variant, with both predictions.
function readingOfChanges(read) {
  const { nll, says } = read;
  const delta = (word, row) => summed(word, (token) => nll(row.i, token) - nll(0, token));
  const panel = (word, row) => {
    const cells = word.tokens.map((one) => {
      const scored = one.scored >= 0;
      const texts = [
        one.text || "·",
        scored ? shown(nll(0, one.scored)) : "–",
        scored ? shown(nll(row.i, one.scored)) : t("not_scored"),
        scored ? says(0, one.scored) : "",
        scored ? says(row.i, one.scored) : "",
      ];
      return el(
        "tr",
        {},
        ...texts.map((value, i) => el(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : {}, visible(value))),
      );
    });
    const heads = [
      t("token"),
      `${t("intact")} NLL`,
      `${row.name} NLL`,
      `${t("intact")} ${t("predicts")}`,
      `${t("changed")} ${t("predicts")}`,
    ];
    const table = el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...heads.map((one) => el("th", { scope: "col" }, one)))),
      el("tbody", {}, ...cells),
    );
    return {
      spoken: [el("p", {}, el("b", {}, word.text), ` ΔNLL ${signed(delta(word, row))} nats`), table],
      silent: [],
    };
  };
  return {
    note: t("text:note"),
    slider: t("variant"),
    name: (row) => row.name,
    said: (row) => `${row.name} · ${row.path}`,
    value: delta,
    colour: (word, row) => wordColour(delta(word, row)),
    isSettled: () => false,
    panel,
    ranking: t("worst"),
    written: signed,
    bar: colourBar(
      (share) => wordColour((2 * share - 1) * STRONGEST_NATS),
      [`≤ ${signed(-STRONGEST_NATS)}`, "0", `≥ ${signed(STRONGEST_NATS)}`],
      t("pos:delta"),
      t("scale:law_words"),
    ),
  };
}

// Coloured by the surprisal at a depth, with what the model would say at every depth.
function readingOfDepths(read) {
  const { rows, nll, top1, says } = read;
  const surprisal = (word, row) => summed(word, (token) => nll(row.i, token));
  const found = new Map();
  const settled = (token) => {
    if (!found.has(token)) found.set(token, settling(rows, top1, token));
    return found.get(token);
  };
  const isSettled = (word, row) =>
    isScored(word) && word.tokens.every((one) => one.scored < 0 || settled(one.scored).from <= rows.indexOf(row));
  const panel = (word, row) => ({
    spoken: [
      el("p", {}, el("b", {}, word.text), isScored(word) ? ` ${depthName(row)}: ${shown(surprisal(word, row))} nats` : ""),
      ...word.tokens.map((one) => depthSentence(one, row, rows, read, settled)),
    ],
    silent: isScored(word) ? [depthTable(word, row, read, settled)] : [],
  });
  return {
    note: t("depth:note"),
    slider: t("depth:slider"),
    name: depthName,
    said: (row) => `${depthName(row)} · ${t("path")} ${row.path || "∅"}`,
    value: surprisal,
    colour: (word, row) => wordColour(surprisal(word, row), LEAST_EXPECTED_NATS),
    isSettled,
    panel,
    ranking: t("depth:ranking"),
    written: (value) => shown(value),
    bar: colourBar(
      (share) => wordColour(share * LEAST_EXPECTED_NATS, LEAST_EXPECTED_NATS),
      ["0", `≥ ${LEAST_EXPECTED_NATS}`],
      t("depth:surprisal"),
      t("scale:law_words"),
    ),
  };
}

// A token at the depth chosen: what is said there, and from where on the prediction stays.
function depthSentence(one, row, rows, read, settled) {
  if (one.scored < 0) return el("p", {}, `${visible(one.text || "·")}: ${t("not_scored")}`);
  const { from, changes } = settled(one.scored);
  const written = visible(one.text || "·");
  const here = t("depth:here", {
    token: written,
    says: visible(read.says(row.i, one.scored)),
    p: probability(read.nll(row.i, one.scored)),
  });
  const final = visible(read.says(0, one.scored));
  const stays =
    from === rows.length
      ? t("depth:never", { final: final })
      : t("depth:stays", { final: final, from: fromDepth(rows[from]), n: changes });
  return el("p", {}, [here, stays].join(state.language === "ja" ? "" : " "));
}

// Every depth of a word's tokens: what the model would say there, and how probable it finds what stands there.
function depthTable(word, row, read, settled) {
  const { rows, nll, top1, says } = read;
  const tokens = word.tokens.filter((one) => one.scored >= 0);
  const above = el("tr", {}, el("th", { scope: "col", rowspan: 2 }, t("depth:slider")));
  const below = el("tr", {});
  for (const one of tokens) {
    above.append(el("th", { scope: "colgroup", colspan: 2 }, visible(one.text || "·")));
    below.append(el("th", { scope: "col" }, t("depth:says")), el("th", { scope: "col" }, "p"));
  }
  const lines = rows.map((depth, place) => {
    const line = el("tr", depth === row ? { class: "here", "aria-current": "true" } : {});
    line.append(el("th", { scope: "row" }, shown(depth.first)));
    for (const one of tokens) {
      const { from } = settled(one.scored);
      const isFinal = top1(depth.i, one.scored) === top1(0, one.scored);
      line.append(
        el(
          "td",
          { class: isFinal ? "final" : null },
          visible(says(depth.i, one.scored)),
          place === from ? el("span", { class: "stays" }, ` ${t("depth:mark")}`) : null,
        ),
        el("td", { class: "number" }, probability(nll(depth.i, one.scored))),
      );
    }
    return line;
  });
  const table = el("table", {}, el("thead", {}, above, below), el("tbody", {}, ...lines));
  const made = el("div", { class: "depths", tabindex: "0", role: "region", "aria-label": t("depth:table") }, table);
  requestAnimationFrame(() => {
    const here = made.querySelector(".here");
    if (here) made.scrollTop = here.offsetTop - made.clientHeight / 2;
  });
  return made;
}

function probability(nats) {
  const p = Math.exp(-nats);
  if (Number.isNaN(p)) return "–";
  return shown(p, 2);
}
