// A document word by word: coloured by ΔNLL at one variant, both predictions, and a way to the words that broke most.

const STRONGEST_NATS = 6;
const WORST = 12;

function textSection() {
  const withText = page.sweeps.map((sweep, i) => [sweep, i]).filter(([sweep]) => sweep.text !== null);
  const chosen = chosenIn("text", { run: withText[0][1], document: 0, family: "", place: null });
  const sweep = page.sweeps[chosen.run];
  if (!sweep.families.includes(chosen.family)) [chosen.family] = sweep.families;
  if (chosen.document >= sweep.text.documents.length) chosen.document = 0;
  const section = el("section", { id: "text", tabindex: "-1" }, el("h2", {}, t("text:heading")), note(t("text:note")));
  const again = (name) => (value) => {
    chosen[name] = name === "family" ? value : Number(value);
    if (name !== "document") chosen.place = null;
    section.replaceWith(textSection());
  };
  const controls = el("div", { class: "controls" });
  if (withText.length > 1)
    controls.append(
      choice(
        t("model"),
        withText.map(([one, i]) => [i, one.name]),
        chosen.run,
        again("run"),
      ),
    );
  controls.append(
    choice(
      t("document"),
      sweep.text.documents.map((one, i) => [i, one.name]),
      chosen.document,
      again("document"),
    ),
    choice(
      t("family"),
      sweep.families.map((family) => [family, familyName(family)]),
      chosen.family,
      again("family"),
    ),
  );
  const sample = t("text:sample", { shown: sweep.text.documents.length, all: sweep.text.of });
  section.append(controls, note(sample + (sweep.text.cut ? ` ${t("text:cut")}` : "")));
  textView(sweep, chosen).then((view) => section.append(...view));
  return section;
}

async function textView(sweep, chosen) {
  const [tokens, nll, top1, variants] = await Promise.all([
    valueOf(sweep.text.tokens),
    arrayOf(sweep.text.nll),
    arrayOf(sweep.text.top1),
    rowsOf(sweep.variants),
  ]);
  const rows = variants.map((row, i) => ({ ...row, i })).filter((row) => row.family === chosen.family);
  // begin where the effect is neither the largest nor none
  const usual = d3.sort(rows, (row) => row.delta ?? 0)[Math.floor(rows.length / 2)];
  const place = chosen.place ?? rows.indexOf(usual);
  const text = wordsOf(tokens, sweep.text.documents[chosen.document].document);
  const n = nll.shape[1];
  const at = (variant, token) => nll.values[variant * n + token];
  const predicted = (variant, token) => tokens.vocabulary[top1.values[variant * n + token]];
  const delta = (word, variant) =>
    d3.sum(word.tokens, (one) => (one.scored < 0 ? 0 : at(variant, one.scored) - at(0, one.scored)));

  const detail = el("div", { class: "detail", "aria-live": "polite" }, note(t("text:note")));
  const said = el("output", {});
  const slider = el("input", { type: "range", min: 0, max: rows.length - 1, value: Math.min(place, rows.length - 1) });
  const body = el("div", { class: "text", role: "group", "aria-label": sweep.text.documents[chosen.document].name });
  const worst = el("ol", { class: "worst" });
  let current = null;

  const show = (word) => {
    current = word;
    const row = rows[slider.value];
    const cells = word.tokens.map((one) => {
      const scored = one.scored >= 0;
      const before = scored ? shown(at(0, one.scored)) : "–";
      const after = scored ? shown(at(row.i, one.scored)) : t("not_scored");
      const texts = [
        one.text || "·",
        before,
        after,
        scored ? predicted(0, one.scored) : "",
        scored ? predicted(row.i, one.scored) : "",
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
    detail.replaceChildren(
      el("p", {}, el("b", {}, word.text), ` ΔNLL ${signed(delta(word, row.i))} nats`),
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...heads.map((one) => el("th", { scope: "col" }, one)))),
        el("tbody", {}, ...cells),
      ),
    );
  };
  const move = (word) => {
    for (const one of text.words) one.span.tabIndex = one === word ? 0 : -1;
    word.span.focus({ preventScroll: false });
  };
  text.words.forEach((word, i) => {
    word.span = el("span", { class: "word", tabindex: i === 0 ? "0" : "-1" }, word.text);
    word.span.addEventListener("mouseenter", () => show(word));
    word.span.addEventListener("focus", () => show(word));
    word.span.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      move(text.words[Math.min(Math.max(i + step, 0), text.words.length - 1)]);
    });
    body.append(word.before, word.span);
  });

  const colour = () => {
    const row = rows[slider.value];
    chosen.place = Number(slider.value);
    said.value = `${row.name} · ${row.path}`;
    slider.setAttribute("aria-valuetext", row.name);
    for (const word of text.words) {
      const change = delta(word, row.i);
      const scored = word.tokens.some((one) => one.scored >= 0);
      word.span.classList.toggle("unscored", !scored);
      word.span.style.backgroundColor = word.text && scored ? wordColour(change) : "";
    }
    const ranked = [...text.words].sort((a, b) => delta(b, row.i) - delta(a, row.i)).slice(0, WORST);
    worst.replaceChildren(
      ...ranked
        .filter((word) => delta(word, row.i) > 0)
        .map((word) =>
          el(
            "li",
            {},
            el(
              "button",
              { type: "button", onclick: () => move(word) },
              el("span", { class: "broken" }, visible(word.text)),
              el("span", { class: "number" }, ` ${signed(delta(word, row.i))}`),
            ),
          ),
        ),
    );
    if (current) show(current);
  };
  slider.addEventListener("input", colour);
  const step = (by) => () => {
    slider.value = Number(slider.value) + by;
    colour();
  };
  colour();
  const ends = [`≤ ${signed(-STRONGEST_NATS)}`, "0", `≥ ${signed(STRONGEST_NATS)}`];
  const shade = (share) => wordColour((2 * share - 1) * STRONGEST_NATS);
  return [
    el(
      "div",
      { class: "controls slider" },
      el("label", { class: "control wide" }, el("span", {}, t("variant")), slider),
      el("button", { type: "button", onclick: step(-1) }, t("previous")),
      el("button", { type: "button", onclick: step(1) }, t("next")),
      said,
    ),
    colourBar(shade, ends, t("pos:delta")),
    el("div", { class: "reader" }, body, el("aside", {}, detail, el("h3", {}, t("worst")), worst)),
  ];
}

// Behind a word: stronger with its change, so light that the word stays readable.
function wordColour(change) {
  const strength = Math.min(Math.abs(change) / STRONGEST_NATS, 1) ** 0.7;
  return `color-mix(in srgb, var(${change > 0 ? "--high" : "--low"}) ${Math.round(strength * 62)}%, transparent)`;
}

// The words of a document: what stands before each, its text, and its tokens with their column of scores or -1.
function wordsOf(tokens, document) {
  const found = [];
  let column = -1;
  for (let i = 0; i < tokens.document.length; i += 1) {
    if (tokens.scored[i]) column += 1;
    if (tokens.document[i] !== document) continue;
    const piece = { text: tokens.text[i], scored: tokens.scored[i] ? column : -1 };
    if (tokens.starts[i] || found.length === 0) {
      const bare = piece.text.trim() ? piece.text.replace(/^\s+/u, "") : piece.text; // white space alone stays to be pointed at
      found.push({ before: tokens.gap[i] + piece.text.slice(0, piece.text.length - bare.length), text: bare, tokens: [piece] });
    } else {
      const last = found[found.length - 1];
      last.text += tokens.gap[i] + piece.text;
      last.tokens.push(piece);
    }
  }
  return { words: found };
}

// White space and marks that nobody would see.
function visible(text) {
  return text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}
