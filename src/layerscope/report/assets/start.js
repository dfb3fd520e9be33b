// The frame of the page: what sections there are, the switches of language and theme.

function sections() {
  const made = [];
  if (page.sweeps.length) made.push(["sweep", sweepSection]);
  if (page.sweeps.some((sweep) => sweep.preference !== null)) made.push(["preference", preferenceSection]);
  if (page.sweeps.some((sweep) => damaging(sweep).length > 0)) made.push(["phenomena", phenomenaSection]);
  if (page.sweeps.length) made.push(["pos", posSection]);
  if (page.sweeps.some((sweep) => sweep.text !== null)) made.push(["text", textSection]);
  if (page.sweeps.some((sweep) => sweep.words !== null)) made.push(["lexicon", lexiconSection]);
  if (page.searches.length) made.push(["search", searchSection]);
  if (page.contrasts.length) made.push(["contrast", contrastSection]);
  made.push(["provenance", provenanceSection]);
  return made;
}

// Sections are drawn when they come near the window; those that were drawn stay so after the language has changed.
const drawnSections = new Set();
const DRAW_BEFORE = "300px";

function waitingSection(name, make) {
  if (drawnSections.has(name)) return make();
  const place = el("section", { id: name, class: "waiting", tabindex: "-1" }, el("h2", {}, t(`nav:${name}`)));
  place.draw = () => {
    seen.disconnect();
    drawnSections.add(name);
    place.replaceWith(make());
  };
  const seen = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && place.draw(), {
    rootMargin: DRAW_BEFORE,
  });
  seen.observe(place);
  return place;
}

function drawAll() {
  for (const one of document.querySelectorAll("section.waiting")) one.draw();
}

// Goes to a section by its name, drawn first.
function goTo(name) {
  const place = document.querySelector("main")?.querySelector(`section#${CSS.escape(name)}`);
  if (!place) return;
  place.draw?.();
  const section = document.getElementById(name);
  section.scrollIntoView();
  section.focus({ preventScroll: true });
}

// What the runs come to, on top; each sentence leads to what it speaks of.
function findingsPart() {
  const found = page.findings ?? [];
  if (!found.length) return null;
  const lines = found.map((one) => el("li", {}, el("a", { href: addressOf(one.state, one.at) }, one[state.language])));
  return el("section", { id: "findings", "aria-label": t("findings") }, el("h2", {}, t("findings")), el("ul", {}, ...lines));
}

function header(names) {
  const other = state.language === "ja" ? "en" : "ja";
  const language = el(
    "button",
    { type: "button", id: "language", lang: other, title: t("language_hint"), onclick: () => speak(other) },
    t("language"),
  );
  const theme = choice(
    t("theme"),
    ["auto", "light", "dark"].map((one) => [one, t(`theme:${one}`)]),
    state.theme,
    (value) => {
      state.theme = value;
      showTheme();
      repaint();
    },
  );
  theme.id = "theme";
  const lead = (event) => {
    event.preventDefault(); // the address keeps what is looked at
    goTo(event.currentTarget.getAttribute("href").slice(1));
  };
  const links = names.map((name) => el("a", { href: `#${name}`, onclick: lead }, t(`nav:${name}`)));
  return el(
    "header",
    {},
    el("a", { class: "skip", href: `#${names[0]}`, onclick: lead }, t("skip")),
    el(
      "div",
      { class: "top" },
      el("h1", {}, el("span", { class: "brand" }, "layerscope"), ` ${t("title")}`),
      el("div", { class: "switches" }, linkButton(), language, theme),
    ),
    el("nav", { "aria-label": t("contents") }, ...links),
  );
}

function speak(language) {
  state.language = language;
  start();
  document.getElementById("language").focus();
}

function showTheme() {
  const root = document.documentElement;
  if (state.theme === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", state.theme);
}

function start() {
  document.documentElement.lang = state.language;
  showTheme();
  figures.clear();
  followers.clear();
  const there = sections();
  const main = el("main", {}, findingsPart() ?? "", ...there.map(([name, make]) => waitingSection(name, make)));
  const footer = el("footer", {}, note(t("made", { version: page.version, date: page.date })));
  const top = window.scrollY;
  document.getElementById("page").replaceChildren(header(there.map(([name]) => name)), main, footer);
  window.scrollTo(0, top);
}

// Some colours are computed: they are made anew when the system's theme changes, and for paper.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
addEventListener("beforeprint", () => {
  drawAll();
  document.documentElement.setAttribute("data-theme", "light");
  repaint();
});
addEventListener("afterprint", () => {
  showTheme();
  repaint();
});
Object.assign(linked, Object.fromEntries(Object.entries(readAddress(location.hash)).filter(([name]) => name !== "at")));
suitLinked(linked);
start();
if (location.hash) takeAddress();
