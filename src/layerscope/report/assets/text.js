// A document word by word: coloured at one variant or depth, what is predicted there, and a way to the words that stand out.

const WORST = 12;
const SMALL = "(max-width: 820px)";

function textSection() {
  const withText = page.sweeps.filter((sweep) => sweep.text !== null);
  const sweep = linkedSweep((one) => one.text !== null);
  const chosen = { family: linkedFamily(sweep), document: 0 };
  const ofDepths = isDepth(chosen.family);
  const section = el(
    "section",
    { id: "text", tabindex: "-1" },
    el("h2", {}, t(ofDepths ? "depth:ask" : "text:heading")),
    note(t(ofDepths ? "depth:note" : "text:note")),
  );
  const controls = el("div", { class: "controls" });
  const documents = choice(
    t("document"),
    sweep.text.documents.map((one, i) => [i, one.name]),
    0,
    (value) => choose({ place: `${Number(value)}.0`, word: null }),
  );
  controls.append(modelChoice(withText) ?? "", documents, familyChoice(sweep.families, chosen.family));
  const depths = sweep.families.find(isDepth);
  if (depths && !ofDepths)
    controls.append(
      el("button", { type: "button", class: "depths-of", onclick: () => choose({ family: depths }) }, t("depth:ask")),
    );
  const sample = t("text:sample", { shown: sweep.text.documents.length, all: sweep.text.of });
  const body = el("div");
  section.append(controls, note(sample + (sweep.text.cut ? ` ${t("text:cut")}` : "")), body);
  const show = async () => {
    const tokens = await valueOf(sweep.text.tokens);
    chosen.document = documentOf(tokens, sweep);
    documents.querySelector("select").value = chosen.document;
    body.replaceChildren(...(await textView(sweep, chosen)));
  };
  show();
  follow(section, ["model", "family"], () => section.replaceWith(textSection()));
  follow(section, ["place", "word"], async (changed) => {
    if (changed.includes("model") || changed.includes("family")) return;
    if (documentOf(await valueOf(sweep.text.tokens), sweep) !== chosen.document) show();
    else body.marked?.();
  });
  body.marked = () => body.querySelector(".text")?.dispatchEvent(new Event("marked"));
  return section;
}

// The document that is looked at: that of the chosen place, else the first that holds the chosen word.
function documentOf(tokens, sweep) {
  const { documents } = sweep.text;
  const [document] = placeParts();
  if (document !== null && document < documents.length) return document;
  if (linked.word === null) return 0;
  const found = documents.findIndex((one) => wordsOf(tokens, one.document).words.some((word) => word.text === linked.word));
  return Math.max(found, 0);
}

function placeParts() {
  return linked.place === null ? [null, null] : linked.place.split(".").map(Number);
}

async function textView(sweep, chosen) {
  const [tokens, nll, top1, variants] = await Promise.all([
    valueOf(sweep.text.tokens),
    arrayOf(sweep.text.nll),
    arrayOf(sweep.text.top1),
    rowsOf(sweep.variants),
  ]);
  const rows = variants.map((row, i) => ({ ...row, i })).filter((row) => row.family === chosen.family);
  const at = () => Math.max(rows.findIndex((row) => isLinked(sweep, row)), 0);
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
  const close = el("button", { type: "button", class: "close", "aria-label": t("close") }, "×");
  const detail = el("div", { class: "detail" }, spoken, silent);
  close.addEventListener("click", () => {
    detail.classList.remove("open");
  });
  const said = el("output", {});
  const slider = el("input", { type: "range", min: 0, max: rows.length - 1, value: at() });
  const body = el("div", { class: "text", role: "group", "aria-label": sweep.text.documents[chosen.document].name });
  const worst = el("ol", { class: "worst" });
  let current = null;

  const show = (word) => {
    current = word;
    const panel = way.panel(word, rows[slider.value]);
    spoken.replaceChildren(...panel.spoken);
    silent.replaceChildren(...panel.silent);
    // on a small screen it is a sheet at the bottom
    detail.classList.add("open");
    if (matchMedia(SMALL).matches) detail.prepend(close);
    else close.remove();
  };
  const pick = (word) => choose({ word: word.text, place: `${chosen.document}.${text.words.indexOf(word)}` });
  const mark = () => {
    const [document, number] = placeParts();
    text.words.forEach((word, i) => {
      const isIt = linked.word !== null && word.text === linked.word;
      const isHere = isIt && document === chosen.document && number === i;
      word.span.classList.toggle("same", isIt && word.text.trim() !== "");
      if (isHere) word.span.setAttribute("aria-current", "true");
      else word.span.removeAttribute("aria-current");
      if (isHere) show(word);
    });
  };
  body.addEventListener("marked", mark);
  const move = (word) => {
    for (const one of text.words) one.span.tabIndex = one === word ? 0 : -1;
    word.span.focus({ preventScroll: false });
  };
  text.words.forEach((word, i) => {
    word.span = el("span", { class: "word", tabindex: i === 0 ? "0" : "-1" }, word.text);
    word.span.addEventListener("mouseenter", () => show(word));
    word.span.addEventListener("focus", () => show(word));
    word.span.addEventListener("click", () => pick(word));
    word.span.addEventListener("keydown", (event) => {
      if (event.key === "Enter") pick(word);
      if (event.key === "Escape") detail.classList.remove("open");
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      move(text.words[Math.min(Math.max(i + step, 0), text.words.length - 1)]);
    });
    body.append(word.before, word.span);
  });

  const colour = () => {
    const row = rows[slider.value];
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
              { type: "button", onclick: () => { move(word); pick(word); } },
              el("span", { class: "broken" }, visible(word.text)),
              el("span", { class: "number" }, ` ${way.written(way.value(word, row))}`),
            ),
          ),
        ),
    );
    if (current) show(current);
  };
  const slid = () => {
    colour();
    choose({ model: sweep.name, family: chosen.family, layer: keyOf(sweep, rows[slider.value]) }, true);
  };
  slider.addEventListener("input", slid);
  const step = (by) => () => {
    slider.value = Number(slider.value) + by;
    slid();
  };
  follow(body, ["layer"], () => {
    if (Number(slider.value) === at()) return;
    slider.value = at();
    colour();
  });
  colour();
  mark();
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
