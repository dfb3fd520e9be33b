// A document word by word: coloured at one variant or depth, what is predicted there, and a way to the words that stand out.

const WORST = 12;
const LATE = 0.8;

function textSection() {
  const withText = page.sweeps.map((sweep, i) => [sweep, i]).filter(([sweep]) => sweep.text !== null);
  const chosen = chosenIn("text", { run: withText[0][1], document: 0, family: "", place: null });
  const sweep = page.sweeps[chosen.run];
  if (!sweep.families.includes(chosen.family)) [chosen.family] = sweep.families;
  if (chosen.document >= sweep.text.documents.length) chosen.document = 0;
  const ofDepths = isDepth(chosen.family);
  const section = el(
    "section",
    { id: "text", tabindex: "-1" },
    el("h2", {}, t(ofDepths ? "depth:ask" : "text:heading")),
    note(t(ofDepths ? "depth:note" : "text:note")),
  );
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
  const depths = sweep.families.find(isDepth);
  if (depths && !ofDepths)
    controls.append(
      el("button", { type: "button", class: "depths-of", onclick: () => again("family")(depths) }, t("depth:ask")),
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
  // begin where the effect is neither the largest nor none; of depths that is late
  const usual = isDepth(chosen.family)
    ? rows[Math.floor(rows.length * LATE)]
    : d3.sort(rows, (row) => row.delta ?? 0)[Math.floor(rows.length / 2)];
  const place = chosen.place ?? rows.indexOf(usual);
  const text = wordsOf(tokens, sweep.text.documents[chosen.document].document);
  const n = nll.shape[1];
  const numbersOf = (variant, token) => top1.values[variant * n + token];
  const read = {
    rows,
    nll: (variant, token) => nll.values[variant * n + token],
    top1: numbersOf,
    says: (variant, token) => tokens.vocabulary[numbersOf(variant, token)],
  };
  const way = isDepth(chosen.family) ? readingOfDepths(read) : readingOfChanges(read);

  const spoken = el("div", { "aria-live": "polite" }, note(way.note));
  const silent = el("div"); // a long table is there to be read, not to be read out
  const detail = el("div", { class: "detail" }, spoken, silent);
  const said = el("output", {});
  const slider = el("input", { type: "range", min: 0, max: rows.length - 1, value: Math.min(place, rows.length - 1) });
  const body = el("div", { class: "text", role: "group", "aria-label": sweep.text.documents[chosen.document].name });
  const worst = el("ol", { class: "worst" });
  let current = null;

  const show = (word) => {
    current = word;
    const panel = way.panel(word, rows[slider.value]);
    spoken.replaceChildren(...panel.spoken);
    silent.replaceChildren(...panel.silent);
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
    said.value = way.said(row);
    slider.setAttribute("aria-valuetext", way.name(row));
    for (const word of text.words) {
      word.span.classList.toggle("unscored", !isScored(word));
      word.span.classList.toggle("settled", way.isSettled(word, row));
      word.span.style.backgroundColor = word.text && isScored(word) ? way.colour(word, row) : "";
    }
    const ranked = [...text.words].sort((a, b) => way.value(b, row) - way.value(a, row)).slice(0, WORST);
    worst.replaceChildren(
      ...ranked
        .filter((word) => way.value(word, row) > 0)
        .map((word) =>
          el(
            "li",
            {},
            el(
              "button",
              { type: "button", onclick: () => move(word) },
              el("span", { class: "broken" }, visible(word.text)),
              el("span", { class: "number" }, ` ${way.written(way.value(word, row))}`),
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
  return [
    el(
      "div",
      { class: "controls slider" },
      el("label", { class: "control wide" }, el("span", {}, way.slider), slider),
      el("button", { type: "button", onclick: step(-1) }, t("previous")),
      el("button", { type: "button", onclick: step(1) }, t("next")),
      said,
    ),
    way.bar,
    el("div", { class: "reader" }, body, el("aside", {}, detail, el("h3", {}, way.ranking), worst)),
  ];
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
